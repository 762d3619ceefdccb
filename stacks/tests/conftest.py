"""What the tests share: the binary, an account of moto's, stacks in it."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import resources
from moto import mock_aws

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/versus-worker:1"

resources.install()


@pytest.fixture(autouse=True)
def account():
    """An empty account; no call leaves the process."""
    with mock_aws():
        resources.made.clear()
        resources.untold.clear()
        yield


def network():
    """Subnets and a security group, as an operator gives them."""
    ec2 = boto3.client("ec2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]][:2]
    groups = [it["GroupId"] for it in ec2.describe_security_groups()["SecurityGroups"]][:1]
    return subnets, groups


def versus(folder, scenario, overrides=()):
    """The parameter files of a scenario, and what was printed."""
    subnets, groups = network()
    given = {"Image": IMAGE, "Subnets": ",".join(subnets), "SecurityGroups": ",".join(groups)}
    path = ROOT / "scenarios" / f"{scenario}.toml"
    command = [os.environ["VERSUS"], "stacks", str(path), "--out", str(folder)]
    command += [word for name, value in given.items() for word in ("--parameter", f"{name}={value}")]
    command += [word for one in overrides for word in ("--set", one)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def deploy(folder, stack, template):
    """Deploys one stack and tells its outputs."""
    client = boto3.client("cloudformation")
    text = (folder / f"{template}.yaml").read_text()
    assert len(text) <= 51_200, "AWS takes no longer template from a command line"
    client.create_stack(
        StackName=stack,
        TemplateBody=text,
        Parameters=json.loads((folder / f"{stack}.parameters.json").read_text()),
        Capabilities=["CAPABILITY_IAM"],
    )
    return outputs(stack)


def outputs(stack):
    made = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    return SimpleNamespace(**{it["OutputKey"]: it["OutputValue"] for it in made["Outputs"]})


def left():
    """All that there is in the account, of the kinds that the templates make."""

    def of(service, operation, key, **arguments):
        return boto3.client(service).__getattribute__(operation)(**arguments).get(key, [])

    found = {
        "queues": of("sqs", "list_queues", "QueueUrls"),
        "log groups": of("logs", "describe_log_groups", "logGroups"),
        "clusters": [
            it
            for it in of("ecs", "list_clusters", "clusterArns")
            if of("ecs", "describe_clusters", "clusters", clusters=[it])[0]["status"] == "ACTIVE"
        ],
        "task definitions": of("ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"),
        "functions": of("lambda", "list_functions", "Functions"),
        "mappings": of("lambda", "list_event_source_mappings", "EventSourceMappings"),
        "roles": of("iam", "list_roles", "Roles"),
        "policies": of("iam", "list_policies", "Policies", Scope="Local"),
        "alarms": of("cloudwatch", "describe_alarms", "MetricAlarms"),
        "targets": of(
            "application-autoscaling", "describe_scalable_targets", "ScalableTargets", ServiceNamespace="ecs"
        ),
        "scaling": of(
            "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", ServiceNamespace="ecs"
        ),
    }
    return {kind: it for kind, it in found.items() if it}
