//! The templates, as they are in the binary.
//!
//! Goals: which parameters are the operator's, and where policies find what they name.
//! Non-goals: reading YAML; that these lists and the templates agree is a test.

use model::scenario::Platform;

/// A template of `stacks/`.
pub(super) struct Template {
    /// File name without its ending.
    pub(super) name: &'static str,
    /// All of it.
    pub(super) text: &'static str,
    /// Parameters that no scenario has, and that have no default.
    pub(super) required: &'static [&'static str],
    /// Parameters that no scenario has, and that have a default.
    pub(super) optional: &'static [&'static str],
}

impl Template {
    pub(super) fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }

    /// The parameters that no scenario has.
    pub(super) fn operator(&self) -> Vec<&'static str> {
        [self.required, self.optional].concat()
    }
}

const ECS: Template = Template {
    name: "ecs",
    text: include_str!("../../../stacks/ecs.yaml"),
    required: &["Image", "Subnets", "SecurityGroups"],
    optional: &["AssignPublicIp", "LogRetention"],
};

const LAMBDA: Template = Template {
    name: "lambda",
    text: include_str!("../../../stacks/lambda.yaml"),
    required: &["Image"],
    optional: &["LogRetention", "LogFormat"],
};

const OPERATOR: Template = Template {
    name: "operator",
    text: include_str!("../../../stacks/operator.yaml"),
    required: &[],
    optional: &[],
};

/// All of them.
pub(super) static ALL: [Template; 3] = [ECS, LAMBDA, OPERATOR];

/// Parameters of the policies, and the output of each stack that they list.
pub(super) const POLICIES: [(&str, &str); 7] = [
    ("Queues", "QueueArn"),
    ("DeadLetterQueues", "DeadLetterQueueArn"),
    ("LogGroups", "LogGroupArn"),
    ("Clusters", "ClusterArn"),
    ("Services", "ServiceArn"),
    ("Functions", "FunctionArn"),
    ("Aliases", "AliasArn"),
];

/// The template that deploys a platform, if there is one.
pub(super) fn of(platform: &Platform) -> Option<&'static Template> {
    match platform {
        Platform::Ecs(_) => Some(&ALL[0]),
        Platform::Lambda(_) => Some(&ALL[1]),
        Platform::Ec2(_) | Platform::Eks(_) => None,
    }
}
