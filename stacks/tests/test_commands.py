"""What `versus stacks` prints is run as it is, by the AWS CLI against a server of moto's on loopback."""

import json
import os
import subprocess

import boto3
from conftest import left, versus
from moto.server import ThreadedMotoServer


def test_the_printed_commands_deploy_and_delete(tmp_path):
    # A name that a shell would split.
    folder = tmp_path / "out of here"
    printed = versus(folder, "flash-crowd", ["stacks.lambda.provisioned-concurrency=5"]).stdout
    deploy, rest = printed.split("# Run\n")
    run, delete = rest.split("# Delete\n")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}

        def shell(commands):
            done = subprocess.run(
                ["sh", "-eu"], input=commands, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr

        shell(deploy)
        stacks = json.loads((folder / "outputs.json").read_text())["Stacks"]
        names = ["versus-flash-crowd-ecs", "versus-flash-crowd-lambda"]
        assert sorted(it["StackName"] for it in stacks) == names
        outputs = [{it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]} for stack in stacks]
        shared = {"StackName", "Platform", "QueueUrl", "QueueArn", "DeadLetterQueueUrl", "LogGroup"}
        own = {
            "ecs": {"Cluster", "Service", "TaskDefinition"},
            "lambda": {"Function", "EventSourceMapping", "Alias"},
        }
        for found in outputs:
            assert shared | own[found["Platform"]] <= set(found)
        assert sorted(it["StackName"] for it in outputs) == ["ecs", "lambda"]
        policies = boto3.client("iam").list_policies(Scope="Local")["Policies"]
        assert len(policies) == 2
        assert run.startswith("versus run ") and " --target aws --outputs " in run
        assert "--set 'stacks.lambda.provisioned-concurrency=5'" in run
        shell(delete)
        assert left() == {}
    finally:
        server.stop()
