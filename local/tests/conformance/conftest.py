"""Laid beside moto's SQS tests: what they take for granted of a server that is moto's own.

Results go to the file that RESULTS names, one test a line.
"""

import os

import boto3
import moto.core
import pytest
from moto.core import models

ENDPOINT = os.environ["TEST_SERVER_MODE_ENDPOINT"]
# Taken before the tests patch it.
connect = boto3.client
# These ask IAM for a role, and ask again for as long as they get none.
ENDLESS = "test_sqs_integration.py"


def delete_all_queues(_self):
    """In place of moto's own reset call, which other servers do not have."""
    sqs = connect("sqs", endpoint_url=ENDPOINT, region_name="us-east-1")
    for page in sqs.get_paginator("list_queues").paginate():
        for url in page.get("QueueUrls", []):
            sqs.delete_queue(QueueUrl=url)


# Tests take the account of URLs and ARNs from here.
moto.core.DEFAULT_ACCOUNT_ID = "000000000000"
models.ServerModeMockAWS.reset = delete_all_queues


@pytest.fixture
def account_id():
    """In place of the one that asks STS."""
    return moto.core.DEFAULT_ACCOUNT_ID


def pytest_collection_modifyitems(items):
    for item in items:
        if ENDLESS in item.nodeid:
            item.runtest = lambda: pytest.fail("waits for IAM without end")


def pytest_runtest_logreport(report):
    final = report.when == "call" or (report.when == "setup" and report.outcome != "passed")
    if final:
        with open(os.environ["RESULTS"], "a") as results:
            name = report.nodeid.split("/")[-1]
            results.write(f"{report.outcome}\t{name}\n")
