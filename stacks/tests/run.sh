#!/bin/sh
# Has others judge the templates and the Dockerfile, and deploys the templates into moto, on loopback and nowhere else.
# Needs Python 3 with venv and access to PyPI.
#
#   stacks/tests/run.sh [PROGRAM [pytest arguments]]     PROGRAM is target/release/versus by default
set -eu
tests=$(cd "$(dirname "$0")" && pwd)
here=$tests/../../local/tests/conformance
. "$here/endpoint.sh"
program=$(realpath "${1:-$target/release/versus}")
[ $# -eq 0 ] || shift

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "run.sh: skipped, python3 with venv is missing (Debian: apt-get install python3-venv)" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
make_venv stacks "$tests/requirements.txt"
# With the informational findings, which are not shown by default.
"$venv/bin/cfn-lint" --include-checks I W E -- "$root"/stacks/*.yaml
"$venv/bin/hadolint" "$root/worker/Dockerfile"
# A request that moto does not catch must not leave the machine.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true AWS_REGION=us-east-1 \
    AWS_DEFAULT_REGION=us-east-1 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_PAGER=
PATH=$venv/bin:$PATH VERSUS=$program PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" -m pytest -q -p no:cacheprovider "$tests" "$@"
