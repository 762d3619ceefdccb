//! The keys of `platform = "ec2"` and `platform = "eks"`, and the values that they become.

use model::scenario::{
    AlarmMetric, AutoScalingGroup, Delete, Eks, Keda, NodeProvisioner, Platform, Poll, ScalingPolicy,
    Scheduled, TargetTracking, Worker, describe, parse,
};
use model::time::{MINUTE, SECOND};

fn stack(keys: &str) -> model::scenario::Stack {
    let text = format!(
        "title = \"t\"\nanalysis = \"a\"\n[[phases]]\nname = \"p\"\narrivals = \"even\"\nduration = \"1h\"\nrate = 10\n\
         [stacks.x]\n{keys}\n[stacks.other]\nplatform = \"lambda\"\n"
    );
    let mut no_trace = |_: &str| Ok(String::new());
    let read = parse("t.toml", &text, &[], None, &mut no_trace);
    read.unwrap_or_else(|problems| panic!("{problems}")).stacks.remove(0)
}

fn group(keys: &str) -> AutoScalingGroup {
    match stack(&format!("platform = \"ec2\"\n{keys}")).platform {
        Platform::Ec2(group) => group,
        other => panic!("{}", other.name()),
    }
}

fn eks(keys: &str) -> Eks {
    match stack(&format!("platform = \"eks\"\n{keys}")).platform {
        Platform::Eks(eks) => eks,
        other => panic!("{}", other.name()),
    }
}

#[test]
fn every_key_of_a_group() {
    let read = group(concat!(
        "instance-type = \"c7g.xlarge\"\ninstances = 3\nmin-instances = 2\nmax-instances = 9\nwarm-start = false\n",
        "stop-timeout = \"45s\"\ninstance-warmup = \"2m\"\nconcurrency = 40\npoll = \"slot-free\"\n",
        "[[stacks.x.scaling]]\npolicy = \"backlog-per-instance\"\ntarget = 50\ndisable-scale-in = true\n",
        "[[stacks.x.scaling]]\npolicy = \"scheduled\"\nat = \"1m\"\nmin-instances = 5\nmax-instances = 20\n",
    ));
    let backlog = TargetTracking {
        metric: AlarmMetric::BacklogPerTask,
        target: 50.0,
        scale_out_cooldown: 0,
        scale_in_cooldown: 0,
        disable_scale_in: true,
    };
    let action = Scheduled { at: MINUTE, min_tasks: Some(5), max_tasks: Some(20) };
    let expected = AutoScalingGroup {
        instance_type: read.instance_type,
        instances: 3,
        warm_start: false,
        min_instances: 2,
        max_instances: 9,
        worker: Worker { concurrency: 40, poll: Poll::SlotFree, ..Worker::default() },
        stop_timeout: 45 * SECOND,
        instance_warmup: 2 * MINUTE,
        scaling: vec![ScalingPolicy::TargetTracking(backlog), ScalingPolicy::Scheduled(action)],
    };
    assert_eq!((read.instance_type.name, &read), ("c7g.xlarge", &expected));
}

#[test]
fn a_group_has_defaults() {
    let read = group("instance-type = \"t4g.small\"");
    assert_eq!(read, AutoScalingGroup { max_instances: 1, ..AutoScalingGroup::default() });
    let scaling = "[[stacks.x.scaling]]\npolicy = \"backlog-per-instance\"\ntarget = 50";
    let read = group(&format!("instance-type = \"t4g.small\"\n{scaling}"));
    assert_eq!((read.instances, read.min_instances, read.max_instances), (1, 1, 10));
}

#[test]
fn every_key_of_a_deployment() {
    let read = eks(concat!(
        "instance-type = \"m7g.large\"\nmin-nodes = 2\nmax-nodes = 30\nnode-provisioner = \"cluster-autoscaler\"\n",
        "image-cached = true\ncpu = 0.5\nmemory = \"1 GB\"\nimage-size = \"300 MB\"\npods = 4\nwarm-start = false\n",
        "stop-timeout = \"1m\"\nbatch-size = 5\ndelete = \"batch\"\n",
        "[stacks.x.keda]\nqueue-length = 20\nactivation-queue-length = 3\nmin-pods = 2\nmax-pods = 60\n",
        "polling-interval = \"10s\"\ncooldown-period = \"1m\"\nscale-on-in-flight = false\n",
    ));
    let keda = Keda {
        queue_length: 20,
        activation_queue_length: 3,
        min_pods: 2,
        max_pods: 60,
        polling_interval: 10 * SECOND,
        cooldown_period: MINUTE,
        scale_on_in_flight: false,
    };
    let expected = Eks {
        instance_type: read.instance_type,
        min_nodes: 2,
        max_nodes: 30,
        provisioner: NodeProvisioner::ClusterAutoscaler,
        image_cached: true,
        cpu_units: 512,
        memory_mb: 1024,
        image_mb: 300,
        pods: 4,
        warm_start: false,
        keda: Some(keda),
        worker: Worker { batch_size: 5, delete: Delete::Batch, ..Worker::default() },
        stop_timeout: MINUTE,
    };
    assert_eq!((read.instance_type.name, &read), ("m7g.large", &expected));
}

#[test]
fn a_deployment_has_the_defaults_of_keda_and_kubernetes() {
    assert_eq!(eks("instance-type = \"m6i.large\""), Eks::default());
    let read = eks("instance-type = \"m6i.large\"\nkeda = {}");
    assert_eq!((read.keda, read.pods), (Some(Keda::default()), 0), "as few pods as KEDA keeps");
    assert_eq!(eks("instance-type = \"m6i.large\"\npods = 3").pods, 3);
}

#[test]
fn one_line_says_what_a_fleet_is() {
    let said = |keys: &str| describe(&stack(keys));
    assert_eq!(
        said(concat!(
            "platform = \"ec2\"\ninstance-type = \"m6i.large\"\n",
            "[[stacks.x.scaling]]\npolicy = \"backlog-per-instance\"\ntarget = 50"
        )),
        "EC2 group m6i.large, 1-10 instances, concurrency 1, batches of 10, target backlog-per-instance 50, warm-up 5m"
    );
    assert_eq!(
        said("platform = \"eks\"\ninstance-type = \"m6i.large\"\nkeda = { queue-length = 20 }"),
        "EKS m6i.large, 1-10 nodes, Karpenter, 0.25 vCPU, 512 MB, 0-100 pods, concurrency 1, batches of 10, KEDA at 20 \
         messages a pod"
    );
    assert_eq!(
        said("platform = \"eks\"\ninstance-type = \"m6i.large\"\npods = 2\nmax-nodes = 1"),
        "EKS m6i.large, 1 node, Karpenter, 0.25 vCPU, 512 MB, 2 pods, concurrency 1, batches of 10, no scaling"
    );
}
