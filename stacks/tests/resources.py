"""Resource types that moto's CloudFormation lacks, or of which it drops half: created through the API calls that
CloudFormation makes, so that botocore checks their shapes and moto keeps what it was given.

A resource is made with boto3; what is not of the call is a default of moto's.
"""

import json

import boto3
from moto.cloudformation import parsing

# What there is, by its physical id.
made = {}
# What moto keeps, but does not tell: by the name of the resource.
untold = {}


def coerce(value, shape):
    """What a template says, as the API takes it: numbers may be strings there, and members begin with a capital."""
    kind = shape.type_name
    if kind == "structure":
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        unknown = [key for key in value if key.lower() not in members]
        assert not unknown, f"{shape.name} has no {unknown}"
        return {members[key.lower()][0]: coerce(it, members[key.lower()][1]) for key, it in value.items()}
    if kind == "list":
        return [coerce(it, shape.member) for it in value]
    if kind == "map":
        return {key: coerce(it, shape.value) for key, it in value.items()}
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("double", "float"):
        return float(value)
    if kind == "boolean":
        assert str(value).lower() in ("true", "false"), value
        return str(value).lower() == "true"
    return str(value)


def call(api, operation, /, **arguments):
    client = boto3.client(api)
    method = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(method).input_shape
    return getattr(client, operation)(**coerce(arguments, shape))


def tag_map(properties):
    return {tag["Key"]: tag["Value"] for tag in properties.pop("Tags", [])}


class Resource:
    """A resource that is made in `make`, which returns its physical id, and undone in `undo`.

    The rest is what moto's CloudFormation asks of its models; it wants no base class of them.
    """

    kind = ""

    def __init__(self, name, properties, stack):
        self.name, self.stack = name, stack
        self.attributes = {}
        self.physical_resource_id = self.make(name, dict(properties))
        made[self.physical_resource_id] = self

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        return cls(resource_name, cloudformation_json["Properties"], more["StackId"])

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def is_created(self):
        return True

    def get_cfn_attribute(self, attribute_name):
        return self.attributes[attribute_name]

    def delete(self, account_id, region):
        # Last made, first deleted, as CloudFormation does; moto tries again what raises.
        if [it for it in made.values() if it.stack == self.stack][-1] is not self:
            raise RuntimeError("something that was made later is still there")
        try:
            self.undo()
        except (AttributeError, TypeError) as error:
            # moto takes these for the lack of this method.
            raise RuntimeError(f"{self.kind} {self.name}") from error
        del made[self.physical_resource_id]


class Cluster(Resource):
    kind = "AWS::ECS::Cluster"

    def make(self, name, properties):
        properties["settings"] = properties.pop("ClusterSettings")
        cluster = call("ecs", "create_cluster", clusterName=name, **properties)["cluster"]
        self.attributes["Arn"] = cluster["clusterArn"]
        return name

    def undo(self):
        call("ecs", "delete_cluster", cluster=self.name)


class TaskDefinition(Resource):
    kind = "AWS::ECS::TaskDefinition"

    def make(self, name, properties):
        answer = call("ecs", "register_task_definition", family=name, **properties)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def undo(self):
        call("ecs", "deregister_task_definition", taskDefinition=self.physical_resource_id)


class Service(Resource):
    kind = "AWS::ECS::Service"

    def make(self, name, properties):
        self.cluster = properties["Cluster"]
        service = call("ecs", "create_service", serviceName=name, **properties)["service"]
        self.attributes["Name"] = name
        untold[name] = properties
        return service["serviceArn"]

    def undo(self):
        call("ecs", "delete_service", cluster=self.cluster, service=self.name, force=True)


class Function(Resource):
    kind = "AWS::Lambda::Function"

    def make(self, name, properties):
        reserved = properties.pop("ReservedConcurrentExecutions", None)
        properties["Tags"] = tag_map(properties)
        function = call("lambda", "create_function", FunctionName=name, **properties)
        if reserved is not None:
            call("lambda", "put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=reserved)
        self.attributes["Arn"] = function["FunctionArn"]
        untold[name] = properties
        return name

    def undo(self):
        call("lambda", "delete_function", FunctionName=self.name)


class Version(Resource):
    kind = "AWS::Lambda::Version"

    def make(self, name, properties):
        assert len(properties["Description"]) <= 256, properties
        version = call("lambda", "publish_version", **properties)
        self.attributes["Version"] = version["Version"]
        return version["FunctionArn"]

    def undo(self):
        """Goes with its function."""


class Alias(Resource):
    kind = "AWS::Lambda::Alias"

    def make(self, name, properties):
        self.function, self.alias = properties["FunctionName"], properties["Name"]
        provisioned = properties.pop("ProvisionedConcurrencyConfig", None)
        arn = call("lambda", "create_alias", **properties)["AliasArn"]
        untold[arn] = provisioned
        return arn

    def undo(self):
        call("lambda", "delete_alias", FunctionName=self.function, Name=self.alias)


class Mapping(Resource):
    kind = "AWS::Lambda::EventSourceMapping"

    def make(self, name, properties):
        properties["Tags"] = tag_map(properties)
        mapping = call("lambda", "create_event_source_mapping", **properties)["UUID"]
        untold[mapping] = properties
        return mapping

    def undo(self):
        call("lambda", "delete_event_source_mapping", UUID=self.physical_resource_id)


class ScalableTarget(Resource):
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"

    def make(self, name, properties):
        call("application-autoscaling", "register_scalable_target", **properties)
        return "|".join(properties[key] for key in ("ResourceId", "ScalableDimension", "ServiceNamespace"))

    def undo(self):
        call("application-autoscaling", "deregister_scalable_target", **target(self.physical_resource_id))


class ScalingPolicy(Resource):
    kind = "AWS::ApplicationAutoScaling::ScalingPolicy"

    def make(self, name, properties):
        self.key = {"PolicyName": properties["PolicyName"], **target(properties.pop("ScalingTargetId"))}
        return call("application-autoscaling", "put_scaling_policy", **{**properties, **self.key})["PolicyARN"]

    def undo(self):
        policies = boto3.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")
        # moto deletes the policies of a target with it, as AWS does.
        if any(it["PolicyARN"] == self.physical_resource_id for it in policies["ScalingPolicies"]):
            call("application-autoscaling", "delete_scaling_policy", **self.key)


class Policy(Resource):
    kind = "AWS::IAM::ManagedPolicy"

    def make(self, name, properties):
        properties["PolicyDocument"] = json.dumps(properties["PolicyDocument"])
        return call("iam", "create_policy", PolicyName=name, **properties)["Policy"]["Arn"]

    def undo(self):
        call("iam", "delete_policy", PolicyArn=self.physical_resource_id)


class Alarm(Resource):
    kind = "AWS::CloudWatch::Alarm"

    def make(self, name, properties):
        call("cloudwatch", "put_metric_alarm", AlarmName=name, **properties)
        return name

    def undo(self):
        call("cloudwatch", "delete_alarms", AlarmNames=[self.name])


def target(identifier):
    return dict(zip(("ResourceId", "ScalableDimension", "ServiceNamespace"), identifier.split("|")))


def install():
    """Puts the types above into moto's CloudFormation, before and instead of its own."""
    known = parsing.get_model_map()
    known.update({resource.kind: resource for resource in Resource.__subclasses__()})
    clean = parsing.clean_json

    def without_none(value, resources):
        """AWS::NoValue takes an element out of a list; moto leaves None in its place."""
        if isinstance(value, list):
            return [it for it in (without_none(it, resources) for it in value) if it is not None]
        return clean(value, resources)

    parsing.clean_json = without_none
