"""A plain Lambda handler: notes each message that asks for it in another queue, and says that it is done."""

import json
import os

import boto3

sqs = boto3.client("sqs")
notes = os.environ["QUEUE_URL"].rsplit("/", 1)[0] + "/notes"


def handler(event, context):
    assert context.get_remaining_time_in_millis() > 0
    for record in event["Records"]:
        if record["body"] == "note":
            sqs.send_message(QueueUrl=notes, MessageBody=record["body"])
        print(json.dumps({"versus": 1, "message_id": record["messageId"]}), flush=True)
