#!/bin/sh
# Runs functions on runtimes that others wrote: Python's awslambdaric with a boto3 handler, and the reference worker on
# Rust's lambda_runtime. Needs Python 3 and access to PyPI. Prints the median of warm invocations and of cold starts.
set -eu
cd "$(dirname "$0")/../.."

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet awslambdaric boto3

cargo build --release -p versus-worker
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')

LAMBDA_PYTHON="$venv/bin/python" VERSUS_WORKER_PROGRAM="$target/release/versus-worker" \
    cargo test -p versus-local --test lambda -- --ignored --nocapture --test-threads 1 foreign
