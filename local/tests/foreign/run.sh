#!/bin/sh
# Drives the endpoint with clients that others wrote, boto3 and the AWS CLI. Needs Python 3 and access to PyPI.
#
#   local/tests/foreign/run.sh [pytest arguments]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../conformance/endpoint.sh"

start_endpoint
make_venv foreign "$here/requirements.txt"
AWS_ENDPOINT_URL=$url ENDPOINT_PID=$endpoint "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    "$here/test_clients.py" "$here/test_cloudwatch.py" "$@"
