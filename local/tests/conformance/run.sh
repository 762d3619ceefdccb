#!/bin/sh
# Runs moto's own SQS tests against the endpoint and compares the failures with those that are known (failures.tsv).
# Exits with 1 on a difference. Needs Python 3 and access to PyPI.
#
#   local/tests/conformance/run.sh             compares
#   UPDATE=1 local/tests/conformance/run.sh    prints the failures for failures.tsv, without reasons
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/endpoint.sh"

start_endpoint
make_venv conformance "$here/requirements.txt"

# The tests come with moto's source distribution of the same version.
version=$(sed -n 's/^moto.*==//p' "$here/requirements.txt")
suite=$venv/suite
if [ ! -d "$suite" ]; then
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary moto -d "$venv" "moto==$version"
    mkdir "$suite"
    tar xzf "$venv/moto-$version.tar.gz" -C "$suite" --strip-components 1 "moto-$version/tests"
fi
cp "$here/conftest.py" "$suite/tests/test_sqs/conftest.py"

results=$venv/results.tsv
: >"$results"
(
    cd "$suite"
    export TEST_SERVER_MODE=true TEST_SERVER_MODE_ENDPOINT="$url" RESULTS="$results"
    export AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1
    "$venv/bin/python" -m pytest -q -p no:cacheprovider -W ignore --tb=no tests/test_sqs >"$venv/output.txt" 2>&1
) || true

count() {
    grep -c "^$1" "$results" || true
}
echo "moto $version, tests/test_sqs: $(count passed) passed, $(count failed) failed, $(count skipped) skipped"
[ "$(count passed)" -gt 0 ] || { cat "$venv/output.txt" >&2; exit 1; }

grep '^failed' "$results" | cut -f 2 | sort >"$venv/failures.txt"
if [ -n "${UPDATE:-}" ]; then
    cat "$venv/failures.txt"
    exit
fi
cut -f 1 "$here/failures.tsv" | sort >"$venv/known.txt"
if ! diff "$venv/known.txt" "$venv/failures.txt" >"$venv/difference.txt"; then
    echo "not as in failures.tsv (< known, > now):" >&2
    cat "$venv/difference.txt" >&2
    exit 1
fi
