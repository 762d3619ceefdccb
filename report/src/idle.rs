//! What a stack costs while it does nothing.
//!
//! Goals: the share of a run's compute that was paid for and did no work; what a month without any message costs.
//! Both need the stack's configuration, which is in the run: its scenario, read again.
//! Non-goals: guesses. What a run does not tell is `None`.

use crate::cost;
use crate::prices::{HOURS_PER_MONTH, Prices, natural_unit};
use crate::view::StackView;
use model::merged::Merger;
use model::random::Sampler;
use model::run::Manifest;
use model::scenario::{
    self, AutoScalingGroup, Capacity, Ecs, Eks, Fleet, Lambda, Parameters, Platform, Scenario, Split, Stack,
    Worker,
};
use model::series::metric;
use model::time::{MILLISECOND, SECOND, seconds};
use model::usage::Item;
use model::windows::Stage;

const SECONDS_PER_MONTH: f64 = HOURS_PER_MONTH * 3_600.0;

/// More work than was paid for, beyond rounding: the run contradicts its scenario.
const MOST_BUSY: f64 = 1.01;

/// The scenario of a run with its overrides; `None` if the run has none that can be read.
pub(crate) fn scenario(manifest: &Manifest) -> Option<Scenario> {
    // Traces are not in the run and say nothing about stacks: any will do that is longer than warm-up and faults, here
    // four weeks.
    let mut any_trace = |_: &str| Ok("time,count\n0,1\n1209600,1\n".to_owned());
    let Manifest { scenario_path, scenario, overrides, seed, .. } = manifest;
    scenario::parse(scenario_path, scenario, overrides, Some(*seed), &mut any_trace).ok()
}

/// Quantities of a month in natural units.
type Month = Vec<(Item, String, f64)>;

impl StackView<'_> {
    /// The share of the compute bill that paid for capacity which did not work on a message, 0 to 1. Work is that of
    /// the completed messages, each counted once: failed attempts are in the share.
    #[must_use]
    pub fn idle_share(&self) -> Option<f64> {
        let work = self.work_seconds()?;
        if self.consumers_differ() {
            return None;
        }
        match self.platform()? {
            Platform::Ecs(ecs) => idle(work, self.slot_seconds(Fleet::Ecs(ecs))),
            Platform::Ec2(group) => idle(work, self.slot_seconds(Fleet::Ec2(group))),
            Platform::Eks(eks) => idle(work, self.slot_seconds(Fleet::Eks(eks))),
            Platform::Lambda(function) => self.lambda_idle_share(function, work),
        }
    }

    /// US dollars for a month in which no message comes.
    ///
    /// A service, a group or a Deployment stands at the least desired count that the run shows; a mapping at the loops it
    /// keeps when quiet.
    #[must_use]
    pub fn idle_cost_per_month(&self) -> Option<f64> {
        let beliefs = &self.scenario.as_deref()?.parameters;
        if self.consumers_differ() && !self.is_lambda() {
            return None;
        }
        let mut month = match self.platform()? {
            Platform::Ecs(ecs) => self.standing_tasks(ecs, beliefs)?,
            Platform::Ec2(group) => self.standing_instances(group, beliefs)?,
            Platform::Eks(eks) => self.standing_pods(eks, beliefs)?,
            Platform::Lambda(function) => self.standing_mappings(function, beliefs),
        };
        // Whoever finds nothing has asked every queue.
        let asked = |(item, variant, quantity): (Item, String, f64)| {
            let each = item == Item::SqsRequests && variant == "empty-receive";
            let queues = if each { self.queues() } else { 1.0 };
            (item, variant, quantity * queues)
        };
        month = month.into_iter().map(asked).collect();
        month.extend(self.standing_alarms());
        let prices = Prices::for_region(&self.manifest.region).ok()?;
        let quantities: Vec<(Item, &str, f64)> = month.iter().map(|(i, v, q)| (*i, v.as_str(), *q)).collect();
        let months = cost::month(&prices, &quantities).into_iter();
        months.map(|month| Some(month?.usd(self.options.free_tier))).sum::<Option<f64>>().map(|usd| usd + 0.0)
    }

    fn configured(&self) -> Option<&Stack> {
        self.scenario.as_deref()?.stacks.iter().find(|stack| stack.name == self.name())
    }

    fn platform(&self) -> Option<&Platform> {
        self.configured().map(|stack| &stack.platform)
    }

    /// Whether streams have consumers that are not like the stack: what it used is then of several sizes.
    fn consumers_differ(&self) -> bool {
        let stack = self.configured();
        stack.is_some_and(|stack| stack.consumers.iter().any(|one| one.platform != stack.platform))
    }

    /// Queues that one consumer reads in turn.
    fn queues(&self) -> f64 {
        let streams = self.scenario.as_deref().map_or(0, |scenario| scenario.streams.len());
        match self.configured() {
            Some(stack) if stack.split == Split::Queues => stack.drained(streams).len() as f64,
            _ => 1.0,
        }
    }

    /// Those of the function, or of the functions of its streams.
    fn standing_mappings(&self, function: &Lambda, beliefs: &Parameters) -> Month {
        let consumers = self.configured().map_or(&[][..], |stack| &stack.consumers);
        let own = consumers.iter().filter_map(|one| match &one.platform {
            Platform::Lambda(function) => Some(standing_mapping(function, beliefs)),
            _ => None,
        });
        let all: Month = own.flatten().collect();
        if all.is_empty() { standing_mapping(function, beliefs) } else { all }
    }

    /// Seconds of work on the completed messages of the whole run, warm-up included as in the bill.
    fn work_seconds(&self) -> Option<f64> {
        match self.entry.ledger.done() {
            0 => Some(0.0),
            // Where the work of some is not known, that of the others stands for it.
            done => {
                let mut merger = Merger::default();
                self.histogram(Stage::Work).into_iter().for_each(|after| merger.add_all(after));
                let warmup = self.manifest.warmup;
                let all = self.stack.windows.merged_by(&mut merger, Stage::Work, 0, warmup)?;
                Some(all.mean() / 1e6 * done as f64)
            }
        }
    }

    fn used(&self, item: Item) -> f64 {
        let metered = self.stack.usage.metered.iter().filter(|metered| metered.item == item);
        metered.map(|metered| metered.quantity as f64).sum()
    }

    /// Seconds of slots, each of which works on one message at a time, that the capacity would have had room for.
    fn slot_seconds(&self, fleet: Fleet<'_>) -> f64 {
        let instances = self.used(Item::Ec2Instances);
        let units = match fleet {
            Fleet::Ec2(_) => instances,
            Fleet::Eks(eks) => instances * f64::from(eks.pods_per_node().max(1)),
            Fleet::Ecs(ecs) => match &ecs.capacity {
                Capacity::Ec2(ec2) => instances * f64::from(ec2.tasks_per_instance(ecs)),
                _ => {
                    (self.used(Item::FargateVcpu) + self.used(Item::FargateSpotVcpu))
                        / f64::from(ecs.cpu_units)
                }
            },
        };
        units * f64::from(fleet.worker().concurrency)
    }

    /// Duration is idle for initialisations, roundings and what the handler does beside the work; provisioned
    /// concurrency is idle whenever no invocation uses it.
    fn lambda_idle_share(&self, function: &Lambda, work: f64) -> Option<f64> {
        let slots = if function.parallel_batch { function.batch_size } else { 1 };
        let (on_demand, provisioned) =
            (self.used(Item::LambdaDuration), self.used(Item::LambdaProvisionedDuration));
        let billed = (on_demand + provisioned) / f64::from(function.memory_mb) / 1e3;
        let of_duration = if billed > 0.0 { idle(work, billed * f64::from(slots))? } else { 1.0 };
        let mb_s_held = self.used(Item::LambdaProvisionedConcurrency);
        let of_held = 1.0 - (1.0 - of_duration) * (provisioned / 1e3 / mb_s_held).min(1.0);
        let (mut spent, mut idle) = (0.0, 0.0);
        for line in &self.cost.as_ref().ok()?.lines {
            let share = match line.item {
                Item::LambdaDuration | Item::LambdaProvisionedDuration => of_duration,
                Item::LambdaProvisionedConcurrency => of_held,
                _ => continue,
            };
            let usd = line.at_list_price()?;
            (spent, idle) = (spent + usd, idle + usd * share);
        }
        (spent > 0.0).then(|| idle / spent)
    }

    fn standing_tasks(&self, ecs: &Ecs, beliefs: &Parameters) -> Option<Month> {
        let tasks = self.standing_units()?;
        let variant = ecs.architecture.name().to_owned();
        let task_s = tasks * SECONDS_PER_MONTH;
        let mut month = match &ecs.capacity {
            Capacity::Ec2(ec2) => {
                let instances = self.least_once_begun(metric::INSTANCES)?;
                let of_type = ec2.instance_type.name.to_owned();
                vec![entry(Item::Ec2Instances, of_type, instances * SECONDS_PER_MONTH)]
            }
            fargate => {
                let (vcpu, memory) = match fargate {
                    Capacity::FargateSpot => (Item::FargateSpotVcpu, Item::FargateSpotMemory),
                    _ => (Item::FargateVcpu, Item::FargateMemory),
                };
                vec![
                    entry(vcpu, variant.clone(), task_s * f64::from(ecs.cpu_units)),
                    entry(memory, variant, task_s * f64::from(ecs.memory_mb)),
                ]
            }
        };
        month.push(standing_receives(tasks, &ecs.worker, beliefs));
        Some(month)
    }

    fn standing_instances(&self, group: &AutoScalingGroup, beliefs: &Parameters) -> Option<Month> {
        let instances = self.standing_units()?;
        let of_type = group.instance_type.name.to_owned();
        let paid = entry(Item::Ec2Instances, of_type, instances * SECONDS_PER_MONTH);
        Some(vec![paid, standing_receives(instances, &group.worker, beliefs)])
    }

    /// The cluster is paid for whether or not anything runs in it, and its autoscaler goes on asking.
    fn standing_pods(&self, eks: &Eks, beliefs: &Parameters) -> Option<Month> {
        let nodes = self.least(metric::INSTANCES)?;
        let of_type = eks.instance_type.name.to_owned();
        let asks_per_s = |keda: scenario::Keda| {
            // The autoscaler asks only while there are pods.
            let has_pods = if keda.min_pods > 0 { 1.0 } else { 0.0 };
            1.0 / seconds(keda.polling_interval) + has_pods / seconds(beliefs.hpa_sync_period.max(SECOND))
        };
        let asks = eks.keda.map_or(0.0, asks_per_s) * SECONDS_PER_MONTH;
        Some(vec![
            entry(Item::Ec2Instances, of_type, nodes * SECONDS_PER_MONTH),
            entry(Item::EksClusters, String::new(), SECONDS_PER_MONTH),
            entry(Item::SqsRequests, "get-attributes".into(), asks),
            standing_receives(self.standing_units()?, &eks.worker, beliefs),
        ])
    }

    /// The least units that the run wanted.
    fn standing_units(&self) -> Option<f64> {
        self.least(metric::DESIRED_TASKS).or_else(|| self.least_once_begun(metric::RUNNING_TASKS))
    }

    /// Alarms are there whether or not anything comes.
    fn standing_alarms(&self) -> Option<(Item, String, f64)> {
        let alarms = self.used(Item::CloudwatchAlarms) / seconds(self.entry.end);
        (alarms > 0.0 && self.entry.end > 0)
            .then(|| entry(Item::CloudwatchAlarms, String::new(), alarms * SECONDS_PER_MONTH))
    }

    /// The smallest point of a series, warm-up included.
    fn least(&self, name: &str) -> Option<f64> {
        self.stack.series(name)?.points.iter().map(|point| point.1).reduce(f64::min)
    }

    /// The same from the first point on that is not 0: before it the capacity was on its way.
    fn least_once_begun(&self, name: &str) -> Option<f64> {
        let points = self.stack.series(name)?.points.iter().map(|point| point.1);
        points.skip_while(|value| *value <= 0.0).reduce(f64::min)
    }
}

/// The share of `paid` that is not `work`.
fn idle(work: f64, paid: f64) -> Option<f64> {
    (paid > 0.0 && work <= paid * MOST_BUSY).then(|| (1.0 - work / paid).max(0.0))
}

/// `quantity` is in the item's metered unit.
fn entry(item: Item, variant: String, quantity: f64) -> (Item, String, f64) {
    (item, variant, quantity / natural_unit(item).1)
}

fn standing_receives(units: f64, worker: &Worker, beliefs: &Parameters) -> (Item, String, f64) {
    let receives = units * SECONDS_PER_MONTH / seconds_between_polls(worker, beliefs);
    entry(Item::SqsRequests, "empty-receive".into(), receives)
}

/// From one empty receive of a unit to its next.
fn seconds_between_polls(worker: &Worker, beliefs: &Parameters) -> f64 {
    let answer = if worker.wait_time > 0 {
        seconds(worker.wait_time)
    } else {
        Sampler::lognormal(beliefs.sqs_receive_median, beliefs.sqs_receive_p99).mean() / SECOND as f64
    };
    (answer + seconds(worker.idle_sleep)).max(seconds(MILLISECOND))
}

fn standing_mapping(function: &Lambda, beliefs: &Parameters) -> Month {
    let loops = function.idle_loops(beliefs) as f64;
    let receives = loops * SECONDS_PER_MONTH / seconds(beliefs.esm_wait_time.max(SECOND));
    let held = f64::from(function.provisioned_concurrency) * f64::from(function.memory_mb);
    let pollers = function.provisioned_pollers.map_or(0, |pollers| pollers.min);
    let variant = function.architecture.name().to_owned();
    let mut month = vec![
        entry(Item::SqsRequests, "empty-receive".into(), receives),
        entry(Item::LambdaProvisionedConcurrency, variant, held * SECONDS_PER_MONTH),
        entry(Item::LambdaEventPollers, String::new(), f64::from(pollers) * SECONDS_PER_MONTH),
    ];
    month.retain(|one| one.2 > 0.0);
    month
}
