//! Experiments on ECS tasks: a burst, launches by the thousand, single starts.

use crate::experiment::{Experiment, Kind, Published, Row, Rows};
use crate::runs::{play, play_recorded, seconds};
use model::series::metric;
use model::time::MINUTE;

pub(crate) fn all() -> Vec<Experiment> {
    vec![burst(), launch(), launch_2020(), start()]
}

fn burst() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play("burst", &[]);
    let (lambda, ecs) = (run.stack("lambda"), run.stack("ecs"));
    let began = seconds(10 * MINUTE);
    let burst = seconds(run.load_end()) - began;
    let length = |end: f64| (end - began) / burst;
    rows.add(
        Kind::Predicted,
        "Lambda: until all are done, as a multiple of the time it takes to send them",
        "",
        1.0,
        length(lambda.end_s()),
    );
    rows.add(
        Kind::Predicted,
        "ECS: until all are done, as a multiple of the same",
        "",
        1.0,
        length(ecs.end_s()),
    );
    let oldest = lambda.most(metric::OLDEST_AGE, 10 * MINUTE, lambda.end);
    rows.add(Kind::Predicted, "Lambda: age of the oldest message, at most", "s", 0.0, oldest);
    let scaled = (ecs.first_s(metric::DESIRED_TASKS, 3.0) - began) / 60.0;
    let working = (ecs.first_s(metric::RUNNING_TASKS, 3.0) - began) / 60.0;
    let range = |what, least, most, simulated| Row {
        what,
        unit: "min",
        published: Published::Range(least, most),
        simulated,
        kind: Kind::Input,
        why: "",
    };
    rows.0.push(range("ECS by CloudWatch's metric: until the service is scaled", 2.0, 3.0, scaled));
    rows.0.push(range("ECS: until the first extra task works", 1.5, 4.0, working));
    Experiment {
        title: "A burst of 300,000 messages",
        source: "[rehanvdm.com, Scaling ECS Fargate like Lambda]\
                 (https://rehanvdm.com/blog/scaling-ecs-fargate-like-lambda)",
        date: "2026-02-11",
        scenario: "burst",
        setup: "75 messages a second, then 300,000 over ten minutes (about 500 a second); 200 ms of sleep each; Lambda with \
                512 MB; ECS in tasks of 0.25 vCPU and 512 MB, some 50 at the peak, batches of ten. Both were done when the last \
                message was sent (7 min for both in one copy of the article, 8 and 7 in another), Lambda with an oldest message \
                of 0 s. ECS by CloudWatch's metric lags two to three minutes. The 1.5 to 4 min until a task works add to that the \
                lags that AWS documents, and a start.",
        assumed: "A message each 2 ms. Lambda's batch size is ten, and both work on the messages of a batch at once. ECS \
                  stands at two tasks, which is enough for 75 a second, and goes to its maximum of 50 in one step at 500 visible \
                  messages: the steps of the source are not in the copies at hand. Image 200 MB.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

const BUCKET: &str = "\
    875 launches a minute are more than the 500 of one service, so there were several; the account's bucket then allows \
    100 and 20 a second, which is 2.8 min and a start. The published rate, 14.6 a second, stays below that bucket; \
    two services of 500 a minute each would take 4.0 min here, and one 7.5";
const FIRST_TASK: &str = "\
    read off a drawn chart, and the image is not known: at 10.5 MB/s each 50 MB are five seconds. Counts of \
    running tasks are in steps of five seconds here";
const FIRST_INSTANCE: &str = "\
    an instance is assumed to accept tasks after 60 to 120 s, for no distribution is published, and managed scaling sees the \
    pending tasks at the next full minute";

fn launch() -> Experiment {
    let mut rows = Rows(Vec::new());
    let fargate = play("launch", &["parameters.ecs-service-launch-per-minute=5000"]);
    let one = play("launch", &[]);
    let (tasks, instances) = (fargate.stack("fargate"), one.stack("ec2"));
    let first = |stack: crate::runs::Of<'_>| stack.first_s(metric::RUNNING_TASKS, 1.0);
    let last = |stack: crate::runs::Of<'_>| stack.first_s(metric::RUNNING_TASKS, 3_500.0) / 60.0;
    rows.miss(Kind::Predicted, "Fargate: first task", "s", 30.0, first(tasks), FIRST_TASK);
    rows.miss(Kind::Predicted, "Fargate: 3,500 tasks", "min", 4.5, last(tasks), BUCKET);
    let simulated = first(instances) / 60.0;
    rows.miss(Kind::Predicted, "EC2: first task", "min", 2.5, simulated, FIRST_INSTANCE);
    rows.add(Kind::Predicted, "EC2: 3,500 tasks", "min", 10.0, last(instances));
    Experiment {
        title: "From nothing to 3,500 tasks",
        source: "[vladionescu.me, Scaling containers on AWS in 2022]\
                 (https://www.vladionescu.me/posts/scaling-containers-on-aws-in-2022/)",
        date: "2022",
        scenario: "launch",
        setup: "The time from 0 to 3,500 containers, drawn by hand in a chart: ECS on Fargate begins after 30 s and is there \
                after 4.5 min, ECS on EC2 after 2.5 and 10 min.",
        assumed: "On Fargate several services, as the rate implies: `ecs-service-launch-per-minute` is 5,000, so that the \
                  account's bucket decides. On EC2 one service, at its documented 500 a minute, and the published 467 a minute \
                  agree with that; m5.large by managed scaling from zero, the image pulled on each. Tasks of 0.25 vCPU, \
                  image 200 MB.",
        overridden: fargate.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

fn launch_2020() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play(
        "launch",
        &[
            "parameters.ecs-service-launch-per-minute=5000",
            "parameters.ecs-launch-burst=10",
            "parameters.ecs-launch-per-second=1",
        ],
    );
    let tasks = run.stack("fargate");
    let simulated = tasks.first_s(metric::RUNNING_TASKS, 3_500.0) / 60.0;
    rows.add(Kind::Predicted, "Fargate: 3,500 tasks", "min", 60.0, simulated);
    let (two, twenty) =
        (tasks.first_s(metric::RUNNING_TASKS, 120.0), tasks.first_s(metric::RUNNING_TASKS, 1_200.0));
    let per_minute = 1_080.0 / (twenty - two) * 60.0;
    rows.add(Kind::Input, "Fargate: tasks a minute", "", 60.0, per_minute);
    Experiment {
        title: "The same two years earlier",
        source: "[dev.to, Vlad Ionescu, Scaling containers in AWS](https://dev.to/aws-heroes/scaling-containers-in-aws-3e82)",
        date: "2020",
        scenario: "launch",
        setup: "Several services on Fargate under the limits of that time: ten at once, then 60 a minute; 3,500 containers in \
                about an hour.",
        assumed: "`ecs-launch-burst` is 10 and `ecs-launch-per-second` 1, as published; `ecs-service-launch-per-minute` is \
                  5,000. Image 200 MB.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

const OTHER_RATE: &str = "\
    one pull rate is taken for all images, and that of the 413 MB; this image came at 15 MB/s. Rates differ by layers, \
    compression and registry, which the simulator does not know: set `ecs-pull-mb-per-second`";

fn start() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play_recorded("start", &[]);
    rows.add(Kind::Input, "413 MB: mean start", "s", 57.0, run.stack("mb413").first_lines_s());
    rows.miss(Kind::Input, "900 MB: start", "s", 70.0, run.stack("mb900").first_lines_s(), OTHER_RATE);
    Experiment {
        title: "One Fargate start",
        source: "[elasticscale.com, Reduce AWS Fargate pull times with SOCI]\
                 (https://elasticscale.com/reduce-aws-fargate-pull-times-with-soci) and [containers-roadmap, issue 696]\
                 (https://github.com/aws/containers-roadmap/issues/696)",
        date: "2024-04-10 and 2020",
        scenario: "start",
        setup: "Ten starts of a 413 MB image without lazy loading, 53 to 62 s; about 70 s for one of 900 MB.",
        assumed: "Fifty tasks of each. A start ends with the first line of work.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}
