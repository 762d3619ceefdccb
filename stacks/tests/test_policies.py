"""Least privilege: actions by name, resources by ARN wherever AWS defines one for the action."""

import ast
import re

import boto3
import pytest
from conftest import deploy, versus
from policy_sentry.querying.actions import get_action_data

# Actions that may stand beside Resource "*", and the condition that they then need.
WITHOUT_RESOURCE = {
    "application-autoscaling:DescribeScalingActivities": None,
    "application-autoscaling:DescribeScalingPolicies": None,
    "cloudwatch:GetMetricData": None,
    "ecr:GetAuthorizationToken": None,
    "ecs:ListTasks": "ecs:cluster",
    "lambda:GetAccountSettings": None,
    "lambda:ListEventSourceMappings": None,
}
# Wildcards within an ARN: names that nobody knows beforehand, and the condition that they then need.
UNKNOWN_NAMES = [
    (re.compile(r"arn:aws:logs:us-east-1:123456789012:log-group:[A-Za-z0-9_/.-]+:\*"), None),
    (re.compile(r"arn:aws:ecs:us-east-1:123456789012:task/\*"), "ecs:cluster"),
]
PLAIN = re.compile(r"arn:aws:[a-z-]+:us-east-1:123456789012:[A-Za-z0-9_:/.-]+")


def listed(value):
    return value if isinstance(value, list) else [value]


def documents():
    """Every policy in the account: inline, managed and of trust."""
    iam = boto3.client("iam")
    for role in iam.list_roles()["Roles"]:
        yield f"trust of {role['RoleName']}", role["AssumeRolePolicyDocument"]
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            # moto's CloudFormation keeps these as Python would print them.
            yield name, ast.literal_eval(document) if isinstance(document, str) else document
        assert not iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        yield policy["PolicyName"], version["PolicyVersion"]["Document"]


def findings(document):
    """What is wrong with a policy."""
    for statement in listed(document["Statement"]):
        if set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}:
            yield f"{statement} says more than is looked at"
        if "Principal" in statement:
            (service,) = statement["Principal"].values()
            if list(statement["Principal"]) != ["Service"] or not service.endswith(".amazonaws.com"):
                yield f"{statement['Principal']} is more than one service"
            continue
        keys = [key for test in statement.get("Condition", {}).values() for key in test]
        for action in listed(statement["Action"]):
            if "*" in action or "?" in action:
                yield f"{action} is not one action"
            for resource in listed(statement["Resource"]):
                if resource == "*":
                    needed = WITHOUT_RESOURCE.get(action, "an ARN")
                    if needed is not None and needed not in keys:
                        yield f"{action} on * without {needed}"
                elif PLAIN.fullmatch(resource):
                    continue
                elif not any(
                    pattern.fullmatch(resource) and (needed is None or needed in keys)
                    for pattern, needed in UNKNOWN_NAMES
                ):
                    yield f"{action} on {resource}"


def operate(folder, *stacks):
    """Deploys the policies for these stacks."""
    lists = {
        "Queues": "QueueArn",
        "DeadLetterQueues": "DeadLetterQueueArn",
        "LogGroups": "LogGroupArn",
        "Clusters": "ClusterArn",
        "Services": "ServiceArn",
        "Functions": "FunctionArn",
        "Aliases": "AliasArn",
    }
    given = {name: [vars(out)[key] for out in stacks if key in vars(out)] for name, key in lists.items()}
    boto3.client("cloudformation").create_stack(
        StackName="operator",
        TemplateBody=(folder / "operator.yaml").read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": ",".join(it)} for key, it in given.items() if it
        ],
    )


def granted(name):
    """Actions of the policy of that logical name, with the resources of each."""
    (document,) = [document for found, document in documents() if f"-{name}-" in found]
    found = {}
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            found.setdefault(action, []).extend(listed(statement["Resource"]))
    return found


def test_every_policy_names_its_actions_and_resources(tmp_path):
    versus(tmp_path / "out", "flash-crowd", ["stacks.lambda.provisioned-concurrency=5"])
    stacks = [deploy(tmp_path / "out", it, it) for it in ("ecs", "lambda")]
    operate(tmp_path / "out", *stacks)
    found = list(documents())
    assert len(found) == 3 + 5 + 2, [name for name, _ in found]
    for name, document in found:
        assert list(findings(document)) == [], name


def test_nobody_is_granted_more_than_this(tmp_path):
    versus(tmp_path / "out", "flash-crowd", ["stacks.lambda.provisioned-concurrency=5"])
    ecs, function = [deploy(tmp_path / "out", it, it) for it in ("ecs", "lambda")]
    operate(tmp_path / "out", ecs, function)
    both = [ecs.QueueArn, function.QueueArn]
    dead = [ecs.DeadLetterQueueArn, function.DeadLetterQueueArn]
    sends = ["sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:SendMessage"]
    assert granted("Seeder") == {action: both for action in sends}
    assert granted("Collector") == {
        "sqs:GetQueueAttributes": both + dead,
        "sqs:ListQueueTags": both + dead,
        "logs:FilterLogEvents": [ecs.LogGroupArn, function.LogGroupArn],
        "cloudwatch:GetMetricData": ["*"],
        "ecs:DescribeServices": [ecs.ServiceArn],
        "ecs:DescribeTasks": ["arn:aws:ecs:us-east-1:123456789012:task/*"],
        "ecs:ListTasks": ["*"],
        "application-autoscaling:DescribeScalingActivities": ["*"],
        "application-autoscaling:DescribeScalingPolicies": ["*"],
        "lambda:GetFunctionConcurrency": [function.FunctionArn],
        "lambda:GetFunctionConfiguration": [function.FunctionArn, function.AliasArn],
        "lambda:ListProvisionedConcurrencyConfigs": [function.FunctionArn],
        "lambda:GetAccountSettings": ["*"],
        "lambda:ListEventSourceMappings": ["*"],
    }



def test_workers_do_what_they_have_to(tmp_path):
    versus(tmp_path / "out", "flash-crowd")
    ecs, function = [deploy(tmp_path / "out", it, it) for it in ("ecs", "lambda")]
    inline = {}
    for name, document in documents():
        if not name.startswith("trust of "):
            inline.setdefault(name, []).extend(
                (listed(it["Action"]), it["Resource"]) for it in document["Statement"]
            )
    drain = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    log = ["logs:CreateLogStream", "logs:PutLogEvents"]
    repository = "arn:aws:ecr:us-east-1:123456789012:repository/team/versus-worker"
    layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert {name: sorted(it) for name, it in inline.items()} == {
        "drain-the-queue": sorted(
            [
                ([*drain, "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"], ecs.QueueArn),
                ([*drain, "sqs:GetQueueAttributes"], function.QueueArn),
            ]
        ),
        "pull-the-image": sorted([(["ecr:GetAuthorizationToken"], "*"), (layers, repository)]),
        "write-logs": sorted([(log, ecs.LogGroupArn), (log, function.LogGroupArn)]),
    }


def test_policies_without_lambda_name_nothing_of_it(tmp_path):
    versus(tmp_path / "out", "smoke")
    operate(tmp_path / "out", deploy(tmp_path / "out", "ecs", "ecs"))
    services = {action.split(":")[0] for action in granted("Collector")}
    assert services == {"sqs", "logs", "cloudwatch", "ecs", "application-autoscaling"}


@pytest.mark.parametrize("action", sorted(WITHOUT_RESOURCE))
def test_aws_defines_no_resource_for_what_may_stand_beside_a_star(action):
    service, name = action.split(":")
    defined = {it["resource_arn_format"].split("/")[0] for it in get_action_data(service, name)[service]}
    # A container instance, which Fargate has none of.
    defined.discard("arn:${Partition}:ecs:${Region}:${Account}:container-instance")
    assert defined == {"*"}


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "sqs:*"},
        {"Action": "*"},
        {"Resource": "*"},
        {"Resource": "arn:aws:sqs:us-east-1:123456789012:*"},
        {"NotAction": "sqs:DeleteQueue"},
        {"Action": "ecs:ListTasks", "Resource": "*"},
        {"Action": "ecs:DescribeTasks", "Resource": "arn:aws:ecs:us-east-1:123456789012:task/*"},
    ],
)
def test_what_is_too_much_is_found(change):
    statement = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": "arn:aws:sqs:us-east-1:123456789012:a",
    }
    assert list(findings({"Statement": [statement]})) == []
    assert list(findings({"Statement": [{**statement, **change}]})) != []
