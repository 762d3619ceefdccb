#!/bin/sh
# Sends and collects a scenario through servers that others wrote: MiniStack (SQS and CloudWatch) and moto (SQS).
# The seeder, the worker and the collector are those of the binary; no process of ours is the queue. Then a whole run
# with --target aws (aws.py).
#
#   cli/tests/foreign/run.sh [PROGRAM]      PROGRAM is target/release/versus by default
#
# Needs Python 3 with venv; installs what requirements.txt lists into a folder below target/.
set -eu
cd "$(dirname "$0")/../../.."
program=$(realpath "${1:-target/release/versus}")
place=$(pwd)/target/foreign
venv=$place/venv
mkdir -p "$place"
if ! cmp -s cli/tests/foreign/requirements.txt "$place/installed"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement cli/tests/foreign/requirements.txt
    cp cli/tests/foreign/requirements.txt "$place/installed"
fi

children=
finish() {
    # Those that have ended are no error.
    for child in $children; do
        kill "$child" 2>/dev/null || true
    done
}
trap finish EXIT INT TERM

free_port() {
    "$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for() {
    for _ in $(seq 100); do
        if "$venv/bin/python" -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null; then
            return
        fi
        sleep 0.2
    done
    printf 'run.sh: nothing listens on port %s\n' "$1" >&2
    exit 1
}

create_queue() {
    "$venv/bin/python" - "$1" <<'PYTHON'
import sys
import boto3

queue = {"Attributes": {"VisibilityTimeout": "30"}, "tags": {"versus": "queue"}}
print(boto3.client("sqs").create_queue(QueueName=sys.argv[1], **queue)["QueueUrl"])
PYTHON
}

# play NAME PORT OPTION...: the load is small, for moto walks its whole queue with every call.
play() {
    name=$1 port=$2
    shift 2
    export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
    run=$place/run-$name
    rm -rf "$run" "$place/$name-"*.log
    first=$(create_queue "$name-first")
    second=$(create_queue "$name-second")
    for stack in ecs lambda; do
        url=$first
        [ "$stack" = ecs ] || url=$second
        QUEUE_URL=$url VERSUS_CONCURRENCY=10 VERSUS_POLL=slot-free VERSUS_WAIT_TIME_S=2 \
            "$program" worker >"$place/$name-$stack.log" 2>"$place/$name-$stack.err" &
        children="$children $!"
    done
    "$program" seed scenarios/smoke.toml --queue "ecs=$first" --queue "lambda=$second" --out "$run" --quiet
    "$program" collect "$run" --queue "ecs=$first" --queue "lambda=$second" \
        --records "ecs=$place/$name-ecs.log" --records "lambda=$place/$name-lambda.log" \
        --empty-for 3s --quiet "$@" || [ $? -eq 4 ]
    "$venv/bin/python" - "$run" "$name" <<'PYTHON'
import csv
import json
import sys

run, name = sys.argv[1:]
manifest = json.load(open(f"{run}/run.json"))
for stack in manifest["stacks"]:
    ledger = stack["ledger"]
    assert ledger["planned"] == 359, (name, ledger)
    assert ledger["completed"] + ledger["completed-more"] == 359, (name, stack["name"], ledger)
    rows = list(csv.DictReader(open(f"{run}/{stack['name']}/messages.csv")))
    assert len(rows) == 359 and all(row["finished_at"] for row in rows), name
    metrics = {row["metric"] for row in csv.DictReader(open(f"{run}/{stack['name']}/series.csv"))}
    assert "ApproximateNumberOfMessagesVisible" in metrics, (name, metrics)
print(f"{name}: both ledgers complete, {manifest['planned']} messages each")
PYTHON
}

port=$(free_port)
mkdir -p "$place/ministack"
BIND_HOST=127.0.0.1 MINISTACK_HOST=127.0.0.1 GATEWAY_PORT=$port STATE_DIR=$place/ministack \
    "$venv/bin/ministack" >"$place/ministack.log" 2>&1 &
children="$children $!"
wait_for "$port"
play ministack "$port" --settle 1s
ministack=http://127.0.0.1:$port
VERSUS_MINISTACK_URL=$ministack \
    cargo test --quiet --locked -p versus-collector --test ministack -- --ignored

port=$(free_port)
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$place/moto.log" 2>&1 &
children="$children $!"
wait_for "$port"
# Its CloudWatch does not speak CBOR, which is all that the SDK speaks.
play moto "$port" --no-metrics

rm -rf "$place/aws"
mkdir -p "$place/aws"
"$venv/bin/python" cli/tests/foreign/aws.py "$program" "$place/aws" "$ministack" "http://127.0.0.1:$port"
