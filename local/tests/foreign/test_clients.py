"""boto3 and the AWS CLI against the endpoint: queues and messages.

Run with AWS_ENDPOINT_URL set to a running endpoint, and ENDPOINT_PID to its process (see run.sh).
"""

import hashlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import boto3
import botocore.config
import botocore.exceptions
import pytest

URL = os.environ.get("AWS_ENDPOINT_URL")
pytestmark = pytest.mark.skipif(not URL, reason="AWS_ENDPOINT_URL is not set")
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
numbers = itertools.count()


def connect(**config):
    config = botocore.config.Config(retries={"total_max_attempts": 1}, **config)
    return boto3.client("sqs", endpoint_url=URL, config=config, **CREDENTIALS)


@pytest.fixture(scope="session")
def sqs():
    return connect()


@pytest.fixture
def queue(sqs):
    url = sqs.create_queue(QueueName=f"foreign-{os.getpid()}-{next(numbers)}")["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def cli(*arguments, fails=False):
    """Runs the AWS CLI; returns its answer, or what it complains about. Version 1 ignores AWS_ENDPOINT_URL for SQS."""
    beside = pathlib.Path(sys.executable).with_name("aws")
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    done = subprocess.run(
        [str(beside) if beside.exists() else shutil.which("aws"), "sqs", *arguments, "--endpoint-url", URL],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    if fails:
        return done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else {}


def arn(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def depth(sqs, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


def receive(sqs, url, most=10, wait=1, **more):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=wait, **more).get("Messages", [])


def until(done, what):
    give_up = time.monotonic() + 10
    while not done():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


def test_nothing_listens_beyond_loopback():
    pid = os.environ.get("ENDPOINT_PID")
    if not pid:
        pytest.skip("ENDPOINT_PID is not set")
    sockets = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(descriptor)
        if target.startswith("socket:["):
            sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                listening.append((table, *fields[1].split(":")))
    port = int(URL.rsplit(":", 1)[1].rstrip("/"))
    # 127.0.0.1 as the kernel writes it on a little-endian machine.
    assert listening == [("tcp", "0100007F", f"{port:04X}")]


def test_boto3_speaks_json(sqs):
    assert sqs.meta.service_model.resolved_protocol == "json"


def test_send_receive_delete(sqs, queue):
    body = 'ä € 😀 "quoted" \\ \n\t'
    attributes = {
        "kind": {"DataType": "String", "StringValue": "greeting"},
        "size": {"DataType": "Number.int", "StringValue": "3"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff\x10"},
    }
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    (message,) = receive(sqs, queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    assert message["Body"] == body
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    age = time.time() * 1000 - int(message["Attributes"]["SentTimestamp"])
    assert -50 < age < 10_000
    assert depth(sqs, queue) == (0, 1, 0)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert depth(sqs, queue) == (0, 0, 0)


def test_a_long_poll_wakes_within_50_ms(sqs, queue):
    other = connect()
    other.get_queue_attributes(QueueUrl=queue)
    lags = []
    for _ in range(5):
        woken = []

        def wait():
            assert len(other.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]) == 1
            woken.append(time.monotonic())

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        sqs.send_message(QueueUrl=queue, MessageBody="x")
        sent = time.monotonic()
        thread.join()
        lags.append(woken[0] - sent)
    # The best of five: the machine may be busy, the endpoint may not.
    assert min(lags) < 0.05, lags


def test_an_empty_long_poll_lasts_as_long_as_asked(sqs, queue):
    since = time.monotonic()
    assert receive(sqs, queue, wait=2) == []
    assert 2 <= time.monotonic() - since < 3


def test_visibility(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    (first,) = receive(sqs, queue, VisibilityTimeout=1)
    assert receive(sqs, queue, wait=0) == []
    since = time.monotonic()
    (second,) = receive(sqs, queue, wait=20, VisibilityTimeout=600, AttributeNames=["ApproximateReceiveCount"])
    assert time.monotonic() - since < 2
    assert second["MessageId"] == first["MessageId"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    (third,) = receive(sqs, queue)
    entries = [{"Id": "a", "ReceiptHandle": third["ReceiptHandle"], "VisibilityTimeout": 0}]
    assert sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)["Successful"] == [{"Id": "a"}]
    assert len(receive(sqs, queue)) == 1


def test_delays(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=1)
    assert depth(sqs, queue) == (0, 0, 1)
    assert receive(sqs, queue, wait=0) == []
    assert len(receive(sqs, queue, wait=5)) == 1


def test_batches_fail_by_entries(sqs, queue):
    entries = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(9)]
    entries.append({"Id": "late", "MessageBody": "x", "DelaySeconds": 901})
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == [str(n) for n in range(9)]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("late", "InvalidParameterValue", True)
    messages = []
    until(lambda: messages.extend(receive(sqs, queue)) or len(messages) == 9, "nine messages")
    entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
    entries.append({"Id": "bad", "ReceiptHandle": "nonsense"})
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert len(answer["Successful"]) == 9
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid"]
    assert depth(sqs, queue) == (0, 0, 0)


def test_errors_are_the_modelled_ones(sqs, queue):
    entry = {"Id": "a", "MessageBody": "x"}
    known = sqs.exceptions
    for error, call in [
        (known.QueueDoesNotExist, lambda: sqs.get_queue_url(QueueName="missing")),
        (known.QueueDoesNotExist, lambda: sqs.send_message(QueueUrl=queue + "x", MessageBody="x")),
        (known.QueueNameExists, lambda: sqs.create_queue(QueueName=queue.rsplit("/", 1)[1], Attributes={"DelaySeconds": "1"})),
        (known.EmptyBatchRequest, lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[])),
        (known.BatchEntryIdsNotDistinct, lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[entry, entry])),
        (known.InvalidBatchEntryId, lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[entry | {"Id": "a b"}])),
        (known.TooManyEntriesInBatchRequest, lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[entry | {"Id": str(n)} for n in range(11)])),
        (known.BatchRequestTooLong, lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": "x" * 600_000} for n in range(2)])),
        (known.InvalidMessageContents, lambda: sqs.send_message(QueueUrl=queue, MessageBody="\x00")),
        (known.InvalidAttributeName, lambda: sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Nonsense": "1"})),
        (known.InvalidAttributeValue, lambda: sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "901"})),
        (known.ReceiptHandleIsInvalid, lambda: sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")),
        (known.InvalidAttributeName, lambda: sqs.create_queue(QueueName="x", Attributes={"FifoQueue": "false"})),
        (known.ResourceNotFoundException, lambda: sqs.start_message_move_task(SourceArn=arn(sqs, queue) + "x")),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert caught.value.response["Error"]["Message"]
    sqs.purge_queue(QueueUrl=queue)
    with pytest.raises(known.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=queue)
    for code, call in [
        ("InvalidParameterValue", lambda: sqs.send_message(QueueUrl=queue, MessageBody="x" * (1024 * 1024 + 1))),
        ("InvalidParameterValue", lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=11)),
        ("MissingParameter", lambda: sqs.send_message(QueueUrl=queue, MessageBody="")),
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


def test_a_message_of_a_mebibyte_in_any_script(sqs, queue):
    # boto3 escapes each of these: six bytes on the way for three in the message.
    body = "€" * (1024 * 1024 // 3)
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert receive(sqs, queue)[0]["Body"] == body


def test_attributes_and_tags(sqs, queue):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "7", "ReceiveMessageWaitTimeSeconds": "1"})
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (attributes["VisibilityTimeout"], attributes["ReceiveMessageWaitTimeSeconds"]) == ("7", "1")
    assert abs(int(attributes["CreatedTimestamp"]) - time.time()) < 60
    since = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert time.monotonic() - since >= 1
    sqs.tag_queue(QueueUrl=queue, Tags={"team": "a", "stage": "test"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"stage": "test"}
    sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    assert json.loads(policy)["Statement"][0]["Sid"] == "l"
    sqs.remove_permission(QueueUrl=queue, Label="l")


def test_pages_of_queues(sqs):
    prefix = f"pages-{os.getpid()}-"
    urls = {sqs.create_queue(QueueName=f"{prefix}{n}")["QueueUrl"] for n in range(5)}
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}))
    assert [len(page["QueueUrls"]) for page in pages] == [2, 2, 1]
    assert {url for page in pages for url in page["QueueUrls"]} == urls
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def test_dead_letters_and_a_move_task(sqs, queue):
    dead = sqs.create_queue(QueueName=f"dead-{os.getpid()}")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 2}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for _ in range(2):
        assert len(receive(sqs, queue)) == 1
    assert receive(sqs, queue, wait=0) == []
    (message,) = receive(sqs, dead, VisibilityTimeout=0, MessageSystemAttributeNames=["All"])
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, queue)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))

    def last():
        return sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"][0]

    until(lambda: last()["Status"] == "COMPLETED", "the task ends")
    assert last()["ApproximateNumberOfMessagesMoved"] == 1
    assert depth(sqs, dead) == (0, 0, 0)
    assert receive(sqs, queue)[0]["Body"] == "poison"
    sqs.delete_queue(QueueUrl=dead)


def test_a_fifo_queue_keeps_order_and_takes_a_duplicate_once(sqs):
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "2"}
    url = sqs.create_queue(QueueName=f"foreign-{os.getpid()}-{next(numbers)}.fifo", Attributes=attributes)["QueueUrl"]
    try:
        sent = [sqs.send_message(QueueUrl=url, MessageBody=f"{group}{n}", MessageGroupId=group) for n in range(3) for group in "ab"]
        assert sorted(sent, key=lambda each: int(each["SequenceNumber"])) == sent
        again = sqs.send_message(QueueUrl=url, MessageBody="a0", MessageGroupId="a")
        assert (again["MessageId"], again["SequenceNumber"]) == (sent[0]["MessageId"], sent[0]["SequenceNumber"])
        assert depth(sqs, url) == (6, 0, 0)
        # Two of a group are in flight: the third waits for them, the other group does not.
        first = receive(sqs, url, most=2, MessageSystemAttributeNames=["All"])
        assert [message["Body"] for message in first] == ["a0", "a1"]
        assert first[0]["Attributes"]["MessageGroupId"] == "a"
        assert first[0]["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"a0").hexdigest()
        other = receive(sqs, url)
        assert [message["Body"] for message in other] == ["b0", "b1", "b2"]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(other)]
        assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 3
        sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
        assert receive(sqs, url, wait=0) == []
        # a1 is not deleted in time: it comes back before a2, and its first receipt has expired.
        back = receive(sqs, url, wait=5)
        assert [message["Body"] for message in back] == ["a1", "a2"]
        with pytest.raises(botocore.exceptions.ClientError, match="The receipt handle has expired"):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=first[1]["ReceiptHandle"])
        for message in back:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert depth(sqs, url) == (0, 0, 0)
    finally:
        sqs.delete_queue(QueueUrl=url)


def test_the_cli_drives_a_queue():
    name = f"cli-{os.getpid()}"
    url = cli("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=0", "--tags", "a=1")["QueueUrl"]
    assert cli("get-queue-url", "--queue-name", name)["QueueUrl"] == url
    sent = cli("send-message", "--queue-url", url, "--message-body", "from the CLI")
    (message,) = cli("receive-message", "--queue-url", url, "--wait-time-seconds", "1", "--attribute-names", "All")["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "from the CLI")
    cli("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert cli("list-queue-tags", "--queue-url", url)["Tags"] == {"a": "1"}
    attributes = cli("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"
    assert "AWS.SimpleQueueService.NonExistentQueue" in cli("get-queue-url", "--queue-name", "missing", fails=True)
    assert "InvalidParameterValue" in cli("create-queue", "--queue-name", "x.fifo", fails=True)
    cli("delete-queue", "--queue-url", url)
