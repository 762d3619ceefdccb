//! Amounts that follow from list prices.

use crate::experiment::{Experiment, Kind, Rows};
use crate::runs::{Of, Played, play, seconds};
use model::series::metric;
use model::usage::Item;
use report::cost::{Cost, Terms};
use report::prices::Prices;

pub(crate) fn all() -> Vec<Experiment> {
    vec![month(), break_even()]
}

/// What a month of this load costs for `items`, in dollars at list prices.
fn monthly(run: &Played, stack: Of<'_>, items: &[Item]) -> f64 {
    let prices = Prices::for_region("us-east-1").unwrap();
    let terms = Terms { load: run.load_end(), run: stack.end, free_tier: false };
    let cost = Cost::of(&stack.run.usage, &prices, terms);
    let lines = cost.lines.iter().filter(|line| items.contains(&line.item));
    lines.map(|line| line.month.unwrap().usd(false)).sum()
}

const FARGATE: [Item; 2] = [Item::FargateVcpu, Item::FargateMemory];

fn month() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play("month", &[]);
    let lambda = monthly(&run, run.stack("lambda"), &[Item::LambdaRequests, Item::LambdaDuration]);
    let task = monthly(&run, run.stack("ecs"), &FARGATE);
    rows.add(Kind::Computed, "Lambda: a month", "$", 188.33, lambda);
    rows.add(Kind::Computed, "a Fargate task: a month", "$", 9.07, task);
    rows.add(Kind::Computed, "tasks that cost as much as Lambda", "", 20.0, lambda / task);
    Experiment {
        title: "A hundred million messages a month",
        source: "[rehanvdm.com, Scaling ECS Fargate like Lambda]\
                 (https://rehanvdm.com/blog/scaling-ecs-fargate-like-lambda)",
        date: "2026-02-11",
        scenario: "month",
        setup: "100 million invocations of 202 ms at 512 MB, requests included; a task of 0.25 vCPU and 512 MB.",
        assumed: "us-east-1, x86, without the free tier, queue and logs left out; an hour at the mean rate, of 730 in a month.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}

fn break_even() -> Experiment {
    let mut rows = Rows(Vec::new());
    let run = play("break-even", &[]);
    let sizes = ["stacks.function-small.memory=1024MB", "stacks.function-large.memory=2048MB"];
    let tasks = ["stacks.task-small.cpu=0.5", "stacks.task-small.memory=1GB"];
    let other = play("break-even", &[sizes, tasks].concat());
    let share = |run: &Played, side: &str| {
        let function = run.stack(&format!("function-{side}"));
        let busy =
            function.total(metric::INVOCATIONS) * function.mean(metric::DURATION, 0, function.end) / 1_000.0;
        let busy = busy / seconds(run.load_end());
        let paid = monthly(run, function, &[Item::LambdaDuration]);
        busy * monthly(run, run.stack(&format!("task-{side}")), &FARGATE) / paid
    };
    rows.add(Kind::Computed, "512 MB against 0.25 vCPU, 0.5 GB", "", 0.41, share(&run, "small"));
    rows.add(Kind::Computed, "1,024 MB against 0.5 vCPU, 1 GB", "", 0.41, share(&other, "small"));
    rows.add(Kind::Computed, "1,769 MB against 1 vCPU, 2 GB", "", 0.48, share(&run, "large"));
    rows.add(Kind::Computed, "2,048 MB against 1 vCPU, 2 GB", "", 0.41, share(&other, "large"));
    Experiment {
        title: "Busy share at which a task costs what a function does",
        source: "arithmetic on the list prices of [Lambda](https://aws.amazon.com/lambda/pricing/) and \
                 [Fargate](https://aws.amazon.com/fargate/pricing/)",
        date: "price lists of 2026-09",
        scenario: "break-even",
        setup: "One message at a time on both, x86, us-east-1, duration alone: the hourly price of the task over that of a \
                function that is always busy.",
        assumed: "Busy 40 % of an hour, in messages of a second. A worker that overlaps messages has its share divided by \
                  their number.",
        overridden: run.overridden.clone(),
        rows: rows.0,
        note: String::new(),
    }
}
