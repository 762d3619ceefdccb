"""Every variant of the templates deploys with the parameters of a scenario, holds its values, and leaves nothing."""

import boto3
import pytest
from conftest import IMAGE, ROOT, deploy, left, network, versus
from resources import untold

VISIBLE = "ApproximateNumberOfMessagesVisible"


def tags(listed):
    """Of whichever kind: a map, or a list of keys and values in one of two spellings."""
    if isinstance(listed, dict):
        return listed
    return {it.get("Key", it.get("key")): it.get("Value", it.get("value")) for it in listed}


def delete(stack):
    boto3.client("cloudformation").delete_stack(StackName=stack)
    assert left() == {}


def queue(url):
    sqs = boto3.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return attributes, sqs.list_queue_tags(QueueUrl=url)["Tags"]


def ecs(tmp_path, scenario, *overrides):
    versus(tmp_path / "out", scenario, overrides)
    return deploy(tmp_path / "out", "ecs", "ecs")


def function(tmp_path, scenario, *overrides):
    versus(tmp_path / "out", scenario, overrides)
    return deploy(tmp_path / "out", "lambda", "lambda")


def task_definition(out):
    return boto3.client("ecs").describe_task_definition(taskDefinition=out.TaskDefinition)["taskDefinition"]


def scaling():
    """Scalable targets, policies by name, alarms by the policy that they drive."""
    client = boto3.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    found = client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    driven = {it["PolicyARN"]: it["PolicyName"] for it in found}
    # Those of target tracking are made by Application Auto Scaling itself, in moto, too.
    own = [it for it in alarms if "TargetTracking" not in it["AlarmName"]]
    return targets, {it["PolicyName"]: it for it in found}, {driven[it["AlarmActions"][0]]: it for it in own}


def dimensions(metric):
    return {it["Name"]: it["Value"] for it in metric["Dimensions"]}


def subset(actual, **expected):
    assert {key: actual.get(key) for key in expected} == expected


# Instances and pods are only simulated: `versus stacks` refuses them.
@pytest.mark.parametrize("scenario", sorted(path.stem for path in (ROOT / "scenarios").glob("*.toml") if path.stem != "platforms"))
@pytest.mark.parametrize("stack", ["ecs", "lambda"])
def test_every_scenario_deploys_and_deletes(tmp_path, scenario, stack):
    out = (ecs if stack == "ecs" else function)(tmp_path, scenario)
    assert (out.StackName, out.Platform) == (stack, stack)
    assert queue(out.QueueUrl)[1] == {"versus": "queue", "versus-stack": stack}
    delete(stack)


def test_a_queue_has_the_attributes_of_the_scenario(tmp_path):
    out = ecs(tmp_path, "flash-crowd", 'queue.delay="7s"', 'queue.retention="2h"')
    attributes, _ = queue(out.QueueUrl)
    arn, dead = out.QueueArn, out.DeadLetterQueueArn
    subset(
        attributes,
        QueueArn=arn,
        VisibilityTimeout="180",
        MessageRetentionPeriod="7200",
        DelaySeconds="7",
        SqsManagedSseEnabled="true",
    )
    assert attributes["RedrivePolicy"].replace(" ", "") in (
        f'{{"deadLetterTargetArn":"{dead}","maxReceiveCount":5}}',
        f'{{"deadLetterTargetArn":"{dead}","maxReceiveCount":"5"}}',
    )
    attributes, kept = queue(out.DeadLetterQueueUrl)
    subset(attributes, QueueArn=dead, MessageRetentionPeriod="1209600", SqsManagedSseEnabled="true")
    assert kept["versus"] == "queue"
    delete("ecs")


def test_a_queue_without_max_receive_count_has_no_dead_letter_queue(tmp_path):
    out = ecs(tmp_path, "smoke")
    assert "RedrivePolicy" not in queue(out.QueueUrl)[0]
    assert not hasattr(out, "DeadLetterQueueUrl")
    assert len(boto3.client("sqs").list_queues()["QueueUrls"]) == 1


def test_tasks_are_those_of_the_scenario(tmp_path):
    out = ecs(tmp_path, "steady", 'stacks.ecs.stop-timeout="90s"', 'stacks.ecs.visibility-timeout="75s"')
    definition = task_definition(out)
    subset(
        definition,
        cpu="512",
        memory="1024",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        runtimePlatform={"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    )
    (worker,) = definition["containerDefinitions"]
    subset(worker, image=IMAGE, stopTimeout=90, essential=True)
    environment = {it["name"]: it["value"] for it in worker["environment"]}
    assert environment == {
        "QUEUE_URL": out.QueueUrl,
        "VERSUS_BATCH_SIZE": "10",
        "VERSUS_WAIT_TIME_S": "20",
        "VERSUS_VISIBILITY_TIMEOUT_S": "75",
        "VERSUS_CONCURRENCY": "10",
        "VERSUS_POLL": "slot-free",
        "VERSUS_DELETE": "each",
        "VERSUS_IDLE_SLEEP_MS": "0",
        "VERSUS_DRAINS_ON_SIGTERM": "1",
    }
    log = worker["logConfiguration"]
    assert log["logDriver"] == "awslogs"
    subset(log["options"], **{"awslogs-group": out.LogGroup, "awslogs-region": "us-east-1", "mode": "blocking"})
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]
    subset(group, logGroupName=out.LogGroup, retentionInDays=7)
    delete("ecs")


def test_the_worker_loop_is_that_of_the_scenario(tmp_path):
    changes = ['delete="batch"', 'poll="all-done"', "drains-on-sigterm=false", "batch-size=3", "concurrency=4"]
    out = ecs(tmp_path, "classic-seeder", *[f"stacks.ecs.{change}" for change in changes])
    (worker,) = task_definition(out)["containerDefinitions"]
    environment = {it["name"]: it["value"] for it in worker["environment"]}
    subset(
        environment,
        VERSUS_BATCH_SIZE="3",
        VERSUS_WAIT_TIME_S="0",
        VERSUS_VISIBILITY_TIMEOUT_S="",
        VERSUS_CONCURRENCY="4",
        VERSUS_POLL="all-done",
        VERSUS_DELETE="batch",
        VERSUS_IDLE_SLEEP_MS="1000",
        VERSUS_DRAINS_ON_SIGTERM="0",
    )
    assert task_definition(out)["runtimePlatform"]["cpuArchitecture"] == "X86_64"


@pytest.mark.parametrize("launch, provider", [("fargate", "FARGATE"), ("fargate-spot", "FARGATE_SPOT")])
@pytest.mark.parametrize("architecture, processor", [("arm", "ARM64"), ("x86", "X86_64")])
def test_a_service_runs_on_its_capacity(tmp_path, launch, provider, architecture, processor):
    out = ecs(
        tmp_path,
        "steady",
        f'stacks.ecs.launch-type="{launch}"',
        f'stacks.ecs.architecture="{architecture}"',
    )
    client = boto3.client("ecs")
    (service,) = client.describe_services(cluster=out.Cluster, services=[out.Service])["services"]
    subset(service, desiredCount=3, taskDefinition=out.TaskDefinition, serviceArn=out.ServiceArn)
    asked = untold[out.Service]
    assert asked["CapacityProviderStrategy"] == [{"CapacityProvider": provider, "Weight": 1}]
    subnets, groups = network()
    assert asked["NetworkConfiguration"]["AwsvpcConfiguration"] == {
        "Subnets": subnets,
        "SecurityGroups": groups,
        "AssignPublicIp": "ENABLED",
    }
    (cluster,) = client.describe_clusters(clusters=[out.Cluster], include=["SETTINGS"])["clusters"]
    assert cluster["clusterArn"] == out.ClusterArn
    assert cluster["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert sorted(cluster["capacityProviders"]) == ["FARGATE", "FARGATE_SPOT"]
    assert task_definition(out)["runtimePlatform"]["cpuArchitecture"] == processor
    assert scaling() == ([], {}, {})
    delete("ecs")


def test_step_scaling_is_that_of_the_scenario(tmp_path):
    out = ecs(tmp_path, "flash-crowd")
    (target,), policies, alarms = scaling()
    resource = f"service/{out.Cluster}/{out.Service}"
    subset(target, ResourceId=resource, MinCapacity=4, MaxCapacity=20)
    assert sorted(policies) == sorted(alarms) == ["scale-in", "scale-out"]
    assert policies["scale-out"]["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 60,
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5000.0, "ScalingAdjustment": 4},
            {"MetricIntervalLowerBound": 5000.0, "ScalingAdjustment": 8},
        ],
    }
    assert policies["scale-in"]["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 120,
        "StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -4}],
    }
    name = out.QueueUrl.rsplit("/", 1)[1]
    common = {"Namespace": "AWS/SQS", "MetricName": VISIBLE, "Statistic": "Average", "Period": 60}
    subset(
        alarms["scale-out"],
        **common,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=500.0,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        TreatMissingData="missing",
    )
    subset(
        alarms["scale-in"],
        **common,
        ComparisonOperator="LessThanThreshold",
        Threshold=50.0,
        EvaluationPeriods=5,
        DatapointsToAlarm=5,
    )
    assert dimensions(alarms["scale-out"]) == dimensions(alarms["scale-in"]) == {"QueueName": name}
    delete("ecs")


def test_a_night_scales_in_to_nothing_by_another_metric(tmp_path):
    ecs(tmp_path, "overnight-idle")
    (target,), policies, alarms = scaling()
    subset(target, MinCapacity=0, MaxCapacity=8)
    assert policies["scale-in"]["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ExactCapacity",
        "Cooldown": 60,
        "StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": 0}],
    }
    subset(
        alarms["scale-in"],
        MetricName="NumberOfMessagesSent",
        Statistic="Sum",
        ComparisonOperator="LessThanOrEqualToThreshold",
        EvaluationPeriods=10,
        TreatMissingData="breaching",
    )
    subset(alarms["scale-out"], Statistic="Maximum", Threshold=1.0)


def test_four_steps_by_percent_of_the_cpu(tmp_path):
    # Out of order, for a scenario may be: the template goes from the threshold on.
    steps = "[{from=20,to=25,change=50},{from=0,to=10,change=10},{from=25,change=100},{from=10,to=20,change=20}]"
    down = "[{to=-30,change=-50},{from=-10,to=0,change=-1},{from=-20.5,to=-10,change=-20},{from=-30,to=-20.5,change=-30}]"
    common = 'policy="step",metric="cpu-utilization",adjustment="percent-change-in-capacity"'
    policies = f"""[
        {{{common},threshold=70,comparison=">",min-adjustment=2,evaluation-periods=3,datapoints-to-alarm=2,
          period="5m",missing-data="not-breaching",statistic="minimum",cooldown="0s",steps={steps}}},
        {{{common},threshold=40,comparison="<=",missing-data="ignore",steps={down}}}
    ]""".replace("\n", " ")
    out = ecs(tmp_path, "steady", f"stacks.ecs.scaling={policies}")
    _, policies, alarms = scaling()
    assert policies["scale-out"]["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": 2,
        "Cooldown": 0,
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 10},
            {"MetricIntervalLowerBound": 10.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 20},
            {"MetricIntervalLowerBound": 20.0, "MetricIntervalUpperBound": 25.0, "ScalingAdjustment": 50},
            {"MetricIntervalLowerBound": 25.0, "ScalingAdjustment": 100},
        ],
    }
    assert policies["scale-in"]["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalUpperBound": 0.0, "MetricIntervalLowerBound": -10.0, "ScalingAdjustment": -1},
        {"MetricIntervalUpperBound": -10.0, "MetricIntervalLowerBound": -20.5, "ScalingAdjustment": -20},
        {"MetricIntervalUpperBound": -20.5, "MetricIntervalLowerBound": -30.0, "ScalingAdjustment": -30},
        {"MetricIntervalUpperBound": -30.0, "ScalingAdjustment": -50},
    ]
    subset(
        alarms["scale-out"],
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Statistic="Minimum",
        Period=300,
        EvaluationPeriods=3,
        DatapointsToAlarm=2,
        TreatMissingData="notBreaching",
        ComparisonOperator="GreaterThanThreshold",
    )
    assert dimensions(alarms["scale-in"]) == {"ClusterName": out.Cluster, "ServiceName": out.Service}
    subset(alarms["scale-in"], TreatMissingData="ignore", ComparisonOperator="LessThanOrEqualToThreshold")
    delete("ecs")


def backlog(metrics, out, period=None):
    """Metric math of visible messages by running tasks, in an alarm or in a policy."""
    visible, running, ratio = metrics
    for one, name, dimension in (
        (visible, VISIBLE, {"QueueName": out.QueueUrl.rsplit("/", 1)[1]}),
        (running, "RunningTaskCount", {"ClusterName": out.Cluster, "ServiceName": out.Service}),
    ):
        assert one["ReturnData"] is False
        assert one["MetricStat"]["Metric"]["MetricName"] == name
        assert dimensions(one["MetricStat"]["Metric"]) == dimension
        assert one["MetricStat"].get("Period") == period
    assert ratio["Expression"] == "visible / IF(FILL(running, 0) > 0, running, 1)"
    assert (visible["Id"], running["Id"]) == ("visible", "running")
    (cluster,) = boto3.client("ecs").describe_clusters(clusters=[out.Cluster], include=["SETTINGS"])["clusters"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]


def test_backlog_per_task_is_tracked(tmp_path):
    policy = '{policy="backlog-per-task",target=120.5,scale-out-cooldown="30s",scale-in-cooldown="10m"}'
    out = ecs(tmp_path, "steady", f"stacks.ecs.scaling=[{policy}]")
    (target,), policies, alarms = scaling()
    subset(target, MinCapacity=1, MaxCapacity=10)
    (policy,) = policies.values()
    assert policy["PolicyType"] == "TargetTrackingScaling" and alarms == {}
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    subset(configuration, TargetValue=120.5, ScaleOutCooldown=30, ScaleInCooldown=600, DisableScaleIn=False)
    backlog(configuration["CustomizedMetricSpecification"]["Metrics"], out)
    delete("ecs")


def test_an_alarm_on_the_backlog_per_task(tmp_path):
    step = '{policy="step",metric="backlog-per-task",threshold=50,period="2m",steps=[{from=0,change=3}]}'
    out = ecs(tmp_path, "steady", f"stacks.ecs.scaling=[{step}]")
    _, policies, alarms = scaling()
    assert list(policies) == list(alarms) == ["scale-out"]
    assert "MetricName" not in alarms["scale-out"]
    backlog(alarms["scale-out"]["Metrics"], out, period=120)
    delete("ecs")


@pytest.mark.parametrize(
    "metric, specification",
    [
        ("cpu-utilization", {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}),
        ("visible-messages", {"MetricName": VISIBLE, "Namespace": "AWS/SQS", "Statistic": "Average"}),
        ("oldest-message-age", {"MetricName": "ApproximateAgeOfOldestMessage", "Namespace": "AWS/SQS"}),
    ],
)
def test_a_metric_is_tracked(tmp_path, metric, specification):
    policy = f'{{policy="target-tracking",metric="{metric}",target=60,disable-scale-in=true}}'
    ecs(tmp_path, "steady", f"stacks.ecs.scaling=[{policy}]")
    _, policies, _ = scaling()
    (policy,) = policies.values()
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    subset(configuration, TargetValue=60.0, ScaleOutCooldown=300, ScaleInCooldown=300, DisableScaleIn=True)
    kind = "PredefinedMetricSpecification" if metric == "cpu-utilization" else "CustomizedMetricSpecification"
    subset(configuration[kind], **specification)
    delete("ecs")


def test_a_function_is_that_of_the_scenario(tmp_path):
    out = function(tmp_path, "flash-crowd")
    client = boto3.client("lambda")
    made = client.get_function(FunctionName=out.Function)
    assert made["Code"]["ImageUri"] == IMAGE
    subset(
        made["Configuration"],
        FunctionArn=out.FunctionArn,
        PackageType="Image",
        Architectures=["x86_64"],
        MemorySize=1024,
        Timeout=30,
    )
    assert made["Configuration"]["Environment"]["Variables"] == {
        "VERSUS_PARTIAL_BATCH_RESPONSES": "1",
        "VERSUS_PARALLEL_BATCH": "0",
    }
    assert untold[out.Function]["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": out.LogGroup}
    assert "Concurrency" not in made and tags(made["Tags"])["versus-stack"] == "lambda"
    mapping = client.get_event_source_mapping(UUID=out.EventSourceMapping)
    subset(
        mapping,
        EventSourceArn=out.QueueArn,
        FunctionArn=out.FunctionArn,
        BatchSize=10,
        MaximumBatchingWindowInSeconds=0,
        ScalingConfig={"MaximumConcurrency": 200},
    )
    asked = untold[out.EventSourceMapping]
    assert asked["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "ProvisionedPollerConfig" not in asked and not hasattr(out, "Alias")
    delete("lambda")


def test_a_function_without_options(tmp_path):
    out = function(tmp_path, "smoke", "stacks.lambda.parallel-batch=true", 'stacks.lambda.architecture="arm"')
    made = boto3.client("lambda").get_function(FunctionName=out.Function)
    assert made["Configuration"]["Architectures"] == ["arm64"]
    assert made["Configuration"]["Environment"]["Variables"] == {
        "VERSUS_PARTIAL_BATCH_RESPONSES": "0",
        "VERSUS_PARALLEL_BATCH": "1",
    }
    asked = untold[out.EventSourceMapping]
    assert not {"ScalingConfig", "ProvisionedPollerConfig", "FunctionResponseTypes"} & set(asked)


def test_a_batching_window_and_provisioned_pollers(tmp_path):
    changes = ["batch-size=500", 'batching-window="5s"', "provisioned-pollers={min=3,max=40}"]
    out = function(tmp_path, "smoke", *[f"stacks.lambda.{change}" for change in changes])
    mapping = boto3.client("lambda").get_event_source_mapping(UUID=out.EventSourceMapping)
    subset(mapping, BatchSize=500, MaximumBatchingWindowInSeconds=5)
    pollers = untold[out.EventSourceMapping]["ProvisionedPollerConfig"]
    assert {key: int(value) for key, value in pollers.items()} == {"MinimumPollers": 3, "MaximumPollers": 40}
    delete("lambda")


def test_reserved_and_provisioned_concurrency(tmp_path):
    changes = ["reserved-concurrency=50", "provisioned-concurrency=20"]
    out = function(tmp_path, "smoke", *[f"stacks.lambda.{change}" for change in changes])
    client = boto3.client("lambda")
    concurrency = client.get_function_concurrency(FunctionName=out.Function)
    assert concurrency["ReservedConcurrentExecutions"] == 50
    alias = client.get_alias(FunctionName=out.Function, Name=out.Alias)
    subset(alias, AliasArn=out.AliasArn, FunctionVersion="1")
    assert untold[out.AliasArn] == {"ProvisionedConcurrentExecutions": "20"}
    # The mapping has to invoke what is provisioned.
    assert untold[out.EventSourceMapping]["FunctionName"] == out.AliasArn
    delete("lambda")
