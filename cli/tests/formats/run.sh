#!/bin/sh
# Has others read what `versus check` and `versus export` write: JSON Schema, JUnit, OpenMetrics, Parquet. Needs Python 3 and access to PyPI.
#
#   cli/tests/formats/run.sh [PROGRAM]      PROGRAM is target/release/versus by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../local/tests/conformance/endpoint.sh"
program=$(realpath "${1:-$target/release/versus}")

make_venv formats "$here/requirements.txt"
place=$target/formats
rm -rf "$place"
mkdir -p "$place"
cd "$place"

# simulate NAME [ARGUMENT...]
simulate() {
    name=$1
    shift
    "$program" run "$root/scenarios/steady.toml" --set phases.steady.duration=15m --out "$name" --quiet "$@"
}

# check NAME CODE ARGUMENT...: a check with that exit code, in every format.
check() {
    name=$1 expected=$2
    shift 2
    code=0
    "$program" check "$@" --quiet --write "json=$name.json" --write "junit=$name.xml" \
        --write "openmetrics=$name.txt" 2>/dev/null || code=$?
    [ "$code" -eq "$expected" ] || { echo "run.sh: the check $name ended with $code, not $expected" >&2; exit 1; }
}

simulate before
simulate after --set parameters.sqs-receive-median=80ms --set parameters.sqs-receive-p99=120ms
"$program" run "$root/scenarios/smoke.toml" --messages --out smoke --quiet
"$program" export smoke --parquet smoke.parquet 2>/dev/null

check pass 0 --baseline before before --metric cost-per-million --metric backlog-max
check regressed 3 --baseline before after
check missing 4 --baseline "<none & \"nothing\">" after
"$venv/bin/python" "$here/read.py" "$root/report/check.schema.json" "$place"
