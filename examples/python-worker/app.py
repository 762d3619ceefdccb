"""Drains an SQS queue: one program, as an ECS task or as a Lambda function."""

import os
import random
import signal
import time


def work(body):
    """Stands for the real thing: one to three seconds, always the same for the same body."""
    time.sleep(random.Random(body).uniform(1, 3))


def handler(event, context):
    """AWS Lambda: the event source mapping receives and deletes."""
    for record in event["Records"]:
        work(record["body"])


def poll():
    """Amazon ECS: receive up to ten, work, delete each, until SIGTERM."""
    import boto3  # Here, for the handler needs none of it: its cold start is the shorter.

    stopping = False

    def stop(*_):
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sqs = boto3.client("sqs")
    queue_url = os.environ["QUEUE_URL"]
    while not stopping:
        messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            work(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        if not messages:
            time.sleep(1)


if __name__ == "__main__":
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        from awslambdaric.__main__ import main

        main(["awslambdaric", "app.handler"])
    else:
        poll()
