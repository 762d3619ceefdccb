use super::*;
use crate::cloudwatch::Datapoint;
use model::scenario::{Adjustment, AutoScalingGroup, Ecs, Step};
use model::time::{HOUR, SECOND};

fn step_policy(change: i32, cooldown: Nanos) -> ScalingPolicy {
    let steps = vec![Step { lower: Some(0.0), upper: None, change }];
    ScalingPolicy::Step(scaling_of(Adjustment::ChangeInCapacity, steps, cooldown))
}

fn scaling_of(adjustment: Adjustment, steps: Vec<Step>, cooldown: Nanos) -> StepScaling {
    StepScaling { alarm: alarm(), adjustment, steps, cooldown, min_adjustment: 0 }
}

fn alarm() -> Alarm {
    Alarm {
        metric: AlarmMetric::VisibleMessages,
        statistic: Statistic::Average,
        comparison: Comparison::AtLeast,
        threshold: 100.0,
        period: MINUTE,
        evaluation_periods: 1,
        datapoints_to_alarm: 1,
        missing_data: MissingData::Missing,
    }
}

fn service(policies: Vec<ScalingPolicy>) -> AutoScaling {
    let ecs = Ecs { tasks: 1, min_tasks: 1, max_tasks: 100, scaling: policies, ..Ecs::default() };
    AutoScaling::new(Fleet::Ecs(&ecs), &Parameters::default())
}

/// Publishes a value per minute and evaluates with tasks that start `start` after they are asked for;
/// returns the desired count after each evaluation.
fn play(scaling: &mut AutoScaling, values: &[f64], start: Nanos) -> Vec<u32> {
    let mut metrics = Metrics::default();
    let (mut running, mut asked) = (scaling.desired(), Vec::<(Nanos, u32)>::new());
    let mut seen = Vec::new();
    for (minute, &value) in values.iter().enumerate() {
        let end = (minute as u64 + 1) * MINUTE;
        let now = end + MINUTE + 5 * SECOND;
        metrics.visible.publish(Datapoint::single(end - MINUTE, end + MINUTE, value));
        asked.retain(|&(at, count)| {
            if at <= now {
                running = count;
                scaling.settle(at, running);
            }
            at > now
        });
        scaling.evaluate(now, &metrics, running);
        if scaling.desired() != running && asked.last().is_none_or(|a| a.1 != scaling.desired()) {
            asked.push((now + start, scaling.desired()));
        }
        seen.push(scaling.desired());
    }
    seen
}

#[test]
fn a_step_policy_fires_again_each_minute_while_in_alarm() {
    let mut scaling = service(vec![step_policy(5, 0)]);
    assert_eq!(play(&mut scaling, &[500.0; 4], 30 * SECOND), [6, 11, 16, 21]);
}

#[test]
fn but_not_within_its_cooldown() {
    let mut scaling = service(vec![step_policy(5, 300 * SECOND)]);
    // Fulfilled 30 s after the first firing; the next comes with the first evaluation 300 s later.
    assert_eq!(play(&mut scaling, &[500.0; 8], 30 * SECOND), [6, 6, 6, 6, 6, 6, 11, 11]);
}

#[test]
fn slow_starts_stretch_the_cooldown_and_do_not_run_away() {
    let mut scaling = service(vec![step_policy(5, 0)]);
    // Base is the running count: while tasks are pending, the same answer comes out.
    assert_eq!(play(&mut scaling, &[500.0; 5], 150 * SECOND), [6, 6, 6, 11, 11]);
}

#[test]
fn a_larger_step_in_the_cooldown_adds_the_difference() {
    let steps = vec![
        Step { lower: Some(0.0), upper: Some(1_000.0), change: 2 },
        Step { lower: Some(1_000.0), upper: None, change: 3 },
    ];
    let policy = ScalingPolicy::Step(scaling_of(Adjustment::ChangeInCapacity, steps, 300 * SECOND));
    let mut scaling = service(vec![policy]);
    assert_eq!(play(&mut scaling, &[500.0, 500.0, 5_000.0], 600 * SECOND), [3, 3, 4]);
}

fn two_steps(adjustment: Adjustment, first: i32, second: i32) -> ScalingPolicy {
    let steps = vec![
        Step { lower: Some(0.0), upper: Some(1_000.0), change: first },
        Step { lower: Some(1_000.0), upper: None, change: second },
    ];
    ScalingPolicy::Step(scaling_of(adjustment, steps, 300 * SECOND))
}

#[test]
fn a_percentage_does_not_grow_with_its_own_tasks_during_the_cooldown() {
    let mut scaling = service(vec![two_steps(Adjustment::PercentChangeInCapacity, 50, 80)]);
    scaling.desired = 10;
    assert_eq!(play(&mut scaling, &[500.0; 5], 10 * SECOND), [15, 15, 15, 15, 15]);
}

#[test]
fn a_larger_exact_capacity_in_the_cooldown_is_reached_whole() {
    let mut scaling = service(vec![two_steps(Adjustment::ExactCapacity, 10, 20)]);
    assert_eq!(play(&mut scaling, &[500.0, 5_000.0], 10 * SECOND), [10, 20]);
}

/// Capacity that never comes must not hold back everything for ever.
#[test]
fn a_scale_out_that_is_never_fulfilled_ends() {
    for (minutes, given_up) in [(10, false), (20, true)] {
        let mut scaling = service(vec![step_policy(5, 60 * SECOND)]);
        play(&mut scaling, &vec![500.0; minutes], 1_000 * MINUTE);
        assert_eq!(scaling.steps[0].cooldown.goal.is_none(), given_up, "after {minutes} min");
    }
}

#[test]
fn a_step_scale_in_needs_no_tracking_policy_to_agree() {
    let down = StepScaling {
        alarm: Alarm { comparison: Comparison::AtMost, threshold: 5.0, ..alarm() },
        steps: vec![Step { lower: None, upper: Some(0.0), change: -1 }],
        ..scaling_of(Adjustment::ChangeInCapacity, Vec::new(), 0)
    };
    let mut scaling = service(vec![ScalingPolicy::Step(down), tracking(100.0, 0)]);
    scaling.desired = 20;
    assert_eq!(play(&mut scaling, &[0.0; 3], SECOND), [19, 18, 17]);
}

#[test]
fn only_the_policy_that_won_cools_down() {
    let mut scaling = service(vec![step_policy(5, 300 * SECOND), step_policy(7, 60 * SECOND)]);
    let counts = play(&mut scaling, &[500.0; 3], SECOND);
    assert_eq!(counts, [8, 13, 20], "+7 wins; then only +5 is free; then +7 again");
}

/// CPU has no data without tasks: an old point is not demand.
#[test]
fn zero_is_not_left_for_an_old_datapoint() {
    let ecs =
        Ecs { tasks: 0, min_tasks: 0, max_tasks: 9, scaling: vec![tracking(50.0, 0)], ..Ecs::default() };
    let mut scaling = AutoScaling::new(Fleet::Ecs(&ecs), &Parameters::default());
    let mut metrics = Metrics::default();
    metrics.visible.publish(Datapoint::single(0, 2 * MINUTE, 12.0));
    scaling.evaluate(10 * MINUTE, &metrics, 0);
    assert_eq!(scaling.desired(), 0);
}

#[test]
fn bounds_are_inclusive_where_documented() {
    let steps = [
        Step { lower: Some(0.0), upper: Some(10.0), change: 1 },
        Step { lower: Some(10.0), upper: None, change: 2 },
    ];
    let high = scaling_of(Adjustment::ChangeInCapacity, steps.to_vec(), 0).alarm;
    let change = |alarm: &Alarm, steps: &[Step], value| matching_step(steps, alarm, value).map(|s| s.change);
    assert_eq!(change(&high, &steps, 109.9), Some(1));
    assert_eq!(change(&high, &steps, 110.0), Some(2));
    let low = Alarm { comparison: Comparison::LessThan, ..high };
    let down = [
        Step { lower: Some(-10.0), upper: Some(0.0), change: -1 },
        Step { lower: None, upper: Some(-10.0), change: -2 },
    ];
    assert_eq!(change(&low, &down, 90.1), Some(-1));
    assert_eq!(change(&low, &down, 90.0), Some(-2));
}

#[test]
fn percentages_round_as_documented() {
    let of = |running, change, least| {
        let scaling = scaling_of(Adjustment::PercentChangeInCapacity, Vec::new(), 0);
        adjusted(running, change, &StepScaling { min_adjustment: least, ..scaling })
    };
    // 12.7 rounds to 12, 0.67 to 1, -0.58 to -1, -6.67 to -6.
    assert_eq!(of(10, 127, 0), 22);
    assert_eq!(of(1, 67, 0), 2);
    assert_eq!(of(10, -6, 0), 9);
    assert_eq!(of(10, -67, 0), 4);
    assert_eq!(of(4, 25, 2), 6);
    let exact = scaling_of(Adjustment::ExactCapacity, Vec::new(), 0);
    assert_eq!(adjusted(9, 4, &exact), 4);
}

fn tracking(target: f64, cooldown: Nanos) -> ScalingPolicy {
    ScalingPolicy::TargetTracking(TargetTracking {
        metric: AlarmMetric::VisibleMessages,
        target,
        scale_out_cooldown: cooldown,
        scale_in_cooldown: cooldown,
        disable_scale_in: false,
    })
}

#[test]
fn target_tracking_needs_three_high_points_and_fifteen_low_ones() {
    let mut scaling = service(vec![tracking(100.0, 0)]);
    let out = play(&mut scaling, &[450.0; 3], 10 * SECOND);
    assert_eq!(out, [1, 1, 5]);
    let mut scaling = service(vec![tracking(100.0, 0)]);
    scaling.desired = 20;
    let inward = play(&mut scaling, &[10.0; 16], 10 * SECOND);
    assert_eq!(inward[..14], [20; 14]);
    assert_eq!(inward[14..], [18, 17], "gradually");
}

#[test]
fn target_tracking_leaves_zero_on_the_first_sign_of_demand() {
    let ecs =
        Ecs { tasks: 0, min_tasks: 0, max_tasks: 10, scaling: vec![tracking(100.0, 0)], ..Ecs::default() };
    let mut scaling = AutoScaling::new(Fleet::Ecs(&ecs), &Parameters::default());
    assert_eq!(play(&mut scaling, &[0.0, 3.0], 10 * SECOND), [0, 1]);
}

#[test]
fn the_largest_scale_out_wins_and_bounds_hold() {
    let mut scaling = service(vec![step_policy(5, 0), step_policy(200, 0)]);
    assert_eq!(play(&mut scaling, &[500.0], 0), [100]);
}

#[test]
fn scheduled_actions_move_the_count_with_the_bounds() {
    let action = Scheduled { at: MINUTE, min_tasks: Some(7), max_tasks: None };
    let mut scaling = service(vec![ScalingPolicy::Scheduled(action)]);
    assert_eq!(scaling.next_scheduled(), Some(MINUTE));
    scaling.apply_scheduled(MINUTE);
    assert_eq!((scaling.desired(), scaling.next_scheduled()), (7, None));
}

/// The example of the EC2 Auto Scaling user guide: ten instances, 10 % more from the threshold on and 30 % more from ten
/// beyond it. What warms up counts: the same step again adds nothing, the larger one adds three less the one on its way.
#[test]
fn a_group_adds_only_what_is_not_warming_up() {
    let steps = vec![
        Step { lower: Some(0.0), upper: Some(10.0), change: 10 },
        Step { lower: Some(10.0), upper: None, change: 30 },
    ];
    let step = ScalingPolicy::Step(scaling_of(Adjustment::PercentChangeInCapacity, steps, 0));
    let group = AutoScalingGroup {
        instances: 10,
        max_instances: 100,
        scaling: vec![step],
        ..AutoScalingGroup::default()
    };
    let mut scaling = AutoScaling::new(Fleet::Ec2(&group), &Parameters::default());
    // The warm-up outlasts the example: ten instances count throughout.
    assert_eq!(play(&mut scaling, &[100.0, 102.0, 110.0, 112.0], HOUR), [11, 11, 13, 13]);
    // Thirteen count, and the step is taken from them.
    scaling.settle(0, 13);
    assert_eq!(play(&mut scaling, &[100.0], HOUR), [14]);
}

#[test]
fn a_group_speaks_of_instances() {
    let action = Scheduled { at: MINUTE, min_tasks: Some(7), max_tasks: None };
    let scaling = vec![ScalingPolicy::Scheduled(action)];
    let group = AutoScalingGroup { scaling, ..AutoScalingGroup::default() };
    let mut scaling = AutoScaling::new(Fleet::Ec2(&group), &Parameters::default());
    scaling.apply_scheduled(MINUTE);
    let told: Vec<String> = scaling.activities().map(|activity| activity.detail).collect();
    assert_eq!(told, ["desired 1 to 7: scheduled action: between 7 and 10 instances"]);
}
