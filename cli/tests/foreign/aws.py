"""A run with --target aws against servers that others wrote: MiniStack (SQS, Logs, CloudWatch, ECS, Lambda, STS) and
moto (Application Auto Scaling). What workers printed and what CloudWatch says is put there by this script; the run has
to say the same.

aws.py PROGRAM FOLDER MINISTACK-URL MOTO-URL
"""

import csv
import datetime
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import boto3

PROGRAM, FOLDER, MINISTACK, MOTO = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
ENVIRONMENT = {
    **os.environ,
    "AWS_ENDPOINT_URL": MINISTACK,
    "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": MOTO,
}
PLANNED = 150
SCENARIO = """
title = "Foreign"
analysis = "For tests."
drain-max = "60s"
[[phases]]
name = "even"
arrivals = "even"
duration = "5s"
rate = 30
[message]
work = "20ms"
[stacks.ecs]
platform = "ecs"
[stacks.lambda]
platform = "lambda"
"""


def client(name, url=MINISTACK):
    return boto3.client(name, endpoint_url=url)


def deploy():
    """Queues, a service with its tasks, a function with its mapping, log groups; their outputs as a file."""
    sqs, logs, ecs, functions = client("sqs"), client("logs"), client("ecs"), client("lambda")
    urls = {}
    for stack in ("ecs", "lambda"):
        urls[stack] = sqs.create_queue(QueueName=f"aws-{stack}", tags={"versus": "queue"})["QueueUrl"]
        logs.create_log_group(logGroupName=f"/{stack}")
        logs.create_log_stream(logGroupName=f"/{stack}", logStreamName="s")
    ecs.create_cluster(clusterName="blue")
    container = {"name": "worker", "image": "worker", "essential": True, "memory": 512}
    ecs.register_task_definition(
        family="worker", requiresCompatibilities=["FARGATE"], cpu="256", memory="512", networkMode="awsvpc",
        containerDefinitions=[container],
    )
    ecs.create_service(cluster="blue", serviceName="worker", taskDefinition="worker", desiredCount=2,
                       launchType="FARGATE")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("app.py", "def handler(event, context):\n    return {}\n")
    functions.create_function(
        FunctionName="worker", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="app.handler",
        Code={"ZipFile": archive.getvalue()}, MemorySize=512, Timeout=30,
    )
    scaling = client("application-autoscaling", MOTO)
    target = {"ServiceNamespace": "ecs", "ResourceId": "service/blue/worker",
              "ScalableDimension": "ecs:service:DesiredCount"}
    moto = client("ecs", MOTO)
    moto.create_cluster(clusterName="blue")
    moto.register_task_definition(family="worker", containerDefinitions=[container])
    moto.create_service(cluster="blue", serviceName="worker", taskDefinition="worker", desiredCount=2)
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    scaling.put_scaling_policy(
        **target, PolicyName="out", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50, "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
    )
    outputs = [
        {"StackName": "ecs", "QueueUrl": urls["ecs"], "Cluster": "blue", "Service": "worker", "LogGroup": "/ecs"},
        {"StackName": "lambda", "QueueUrl": urls["lambda"], "Function": "worker", "LogGroup": "/lambda"},
    ]
    stacks = [{"StackName": "x", "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in one.items()]}
              for one in outputs]
    (FOLDER / "outputs.json").write_text(json.dumps({"Stacks": stacks}))
    (FOLDER / "foreign.toml").write_text(SCENARIO)
    return urls


def work(stack, url):
    """A worker whose lines go to CloudWatch Logs, with Lambda's reports among them."""
    settings = {"QUEUE_URL": url, "VERSUS_CONCURRENCY": "10", "VERSUS_POLL": "slot-free", "VERSUS_WAIT_TIME_S": "2"}
    worker = subprocess.Popen([PROGRAM, "worker"], env={**ENVIRONMENT, **settings}, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    logs = client("logs")

    def forward():
        count = 0
        for line in worker.stdout:
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": line.rstrip("\n")}]
            if stack == "lambda" and '"versus"' in line:
                init = "\tInit Duration: 150.00 ms" if count % 30 == 0 else ""
                events.append({"timestamp": now, "message": (
                    f"REPORT RequestId: r{count}\tDuration: 20.10 ms\tBilled Duration: 21 ms\tMemory Size: 512 MB\t"
                    f"Max Memory Used: 60 MB{init}\t")})
                count += 1
            logs.put_log_events(logGroupName=f"/{stack}", logStreamName="s", logEvents=events)

    threading.Thread(target=forward, daemon=True).start()
    return worker


def put_metrics(minute):
    """What CloudWatch would say of the minute in which the run began."""
    cloudwatch = client("cloudwatch")

    def put(namespace, metric, dimension, name, value, unit="Count"):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{
            "MetricName": metric, "Dimensions": [{"Name": dimension, "Value": name}], "Timestamp": minute, "Unit": unit,
            "Value": value}])

    for stack in ("ecs", "lambda"):
        put("AWS/SQS", "NumberOfMessagesReceived", "QueueName", f"aws-{stack}", PLANNED)
        put("AWS/SQS", "NumberOfMessagesDeleted", "QueueName", f"aws-{stack}", PLANNED)
        put("AWS/SQS", "NumberOfEmptyReceives", "QueueName", f"aws-{stack}", 17)
        put("AWS/Logs", "IncomingBytes", "LogGroupName", f"/{stack}", 54_321, "Bytes")
    put("AWS/Lambda", "Invocations", "FunctionName", "worker", PLANNED)


def quantity(stack, item, variant=""):
    metered = json.loads((FOLDER / "out" / stack / "usage.json").read_text())["metered"]
    return sum(one["quantity"] for one in metered if (one["item"], one["variant"]) == (item, variant))


def main():
    urls = deploy()
    doctor = subprocess.run([PROGRAM, "doctor", "foreign.toml", "--outputs", "outputs.json"], cwd=FOLDER,
                            env=ENVIRONMENT, capture_output=True, text=True)
    for said in ("credentials: ", "queue tag: carries versus", "clock: SQS is", "service: 2 of 2 tasks run",
                 "DescribeScalingPolicies: allowed"):
        assert said in doctor.stdout, (said, doctor.stdout, doctor.stderr)
    workers = [work(stack, url) for stack, url in urls.items()]
    put_metrics(datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
                )
    try:
        run = subprocess.run(
            [PROGRAM, "run", "foreign.toml", "--target", "aws", "--outputs", "outputs.json", "--out", "out", "--settle",
             "2s", "--empty-for", "3s", "--quiet"],
            cwd=FOLDER, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()
    assert run.returncode in (0, 4), (run.returncode, run.stderr)
    manifest = json.loads((FOLDER / "out" / "run.json").read_text())
    for stack in manifest["stacks"]:
        assert stack["ledger"]["completed"] == PLANNED, stack
    assert quantity("lambda", "lambda-requests") == PLANNED
    assert quantity("lambda", "lambda-duration", "x86") == PLANNED * 21 * 512
    assert quantity("lambda", "sqs-requests", "empty-receive") == 17
    assert quantity("lambda", "sqs-requests", "receive") == PLANNED
    assert quantity("ecs", "log-bytes") == 54_321
    # Two tasks of a quarter of a CPU, for as long as the run was.
    vcpu, memory = quantity("ecs", "fargate-vcpu", "x86"), quantity("ecs", "fargate-memory", "x86")
    assert vcpu >= 2 * 5 * 256 and memory == 2 * vcpu, (vcpu, memory)
    # Target tracking keeps two alarms; moto tells of none, or of both.
    assert quantity("ecs", "cloudwatch-alarms") % 1 == 0
    rows = list(csv.DictReader((FOLDER / "out" / "lambda" / "series.csv").open()))
    cold = sum(float(row["value"]) for row in rows if row["metric"] == "ColdStarts")
    assert cold == 5, cold
    running = {float(row["value"]) for row in csv.DictReader((FOLDER / "out" / "ecs" / "series.csv").open())
               if row["metric"] == "RunningTaskCount"}
    assert running == {2.0}, running
    failed = [check for check in manifest["checks"] if not check["passed"]]
    # moto has no scaling activities: what could not be asked is named, and nothing else is wrong.
    assert all("DescribeScalingActivities" in check["detail"] for check in failed), failed
    print(f"aws: {PLANNED} messages to each stack, and the run says what was put in")


if __name__ == "__main__":
    main()
