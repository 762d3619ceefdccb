//! Bills computed by hand from the rules that AWS publishes: the arithmetic is in the comments, the rule's source
//! above each test. What is metered goes through the functions that meter runs; prices are those of the list.
#![allow(missing_docs, clippy::unwrap_used)]

use model::time::{HOUR, MILLISECOND, MINUTE, Nanos, SECOND};
use model::usage::{Item, Metered, Usage, fargate_billed, lambda_billed_ms, sqs_requests};
use report::cost::{Cost, Terms};
use report::prices::Prices;

const KB: u64 = 1_024;
const MILLION: u64 = 1_000_000;
const MONTH: Nanos = 730 * HOUR;
const MONTH_S: u64 = MONTH / SECOND;

/// The bill of a run that is a month long: what was used is what the month uses.
fn bill(used: &[(Item, &str, u64)], free_tier: bool) -> Cost {
    let metered =
        used.iter().map(|&(item, variant, quantity)| Metered::new(item, variant, quantity)).collect();
    let terms = Terms { load: MONTH, run: MONTH, free_tier };
    Cost::of(&Usage { metered }, &Prices::for_region("us-east-1").unwrap(), terms)
}

/// At list prices, rounded to a millionth of a dollar.
#[track_caller]
fn costs(used: &[(Item, &str, u64)], usd: f64) {
    near(bill(used, false).total().unwrap(), usd);
}

#[track_caller]
fn near(computed: f64, by_hand: f64) {
    assert!((computed - by_hand).abs() < 5e-7 * by_hand.max(1.0), "{computed}, by hand {by_hand}");
}

/// A Fargate task of 1 vCPU and 2 GB for so long.
fn task(architecture: &'static str, billed: Nanos) -> [(Item, &'static str, u64); 2] {
    let seconds = billed / SECOND;
    [(Item::FargateVcpu, architecture, 1_024 * seconds), (Item::FargateMemory, architecture, 2_048 * seconds)]
}

/// aws.amazon.com/fargate/pricing: by the second, with a minimum of one minute.
#[test]
fn a_fargate_task_of_15_seconds_is_billed_a_minute() {
    let billed = fargate_billed(15 * SECOND, MINUTE);
    assert_eq!(billed, MINUTE);
    // (1 x 0.04048 + 2 x 0.004445) an hour = 0.04937; / 60 = 0.000822833.
    costs(&task("x86", billed), 0.000_822_833);
}

/// aws.amazon.com/fargate/pricing: above the minute, by started seconds.
#[test]
fn a_fargate_task_of_90_point_2_seconds_is_billed_91() {
    let billed = fargate_billed(90 * SECOND + 200 * MILLISECOND, MINUTE);
    // 91 / 3,600 x 0.04937 = 0.001247964.
    costs(&task("x86", billed), 0.001_247_964);
}

/// aws.amazon.com/lambda/pricing: duration is rounded up to the next millisecond.
#[test]
fn lambda_is_billed_by_started_milliseconds() {
    let ms = lambda_billed_ms(12 * MILLISECOND + 1, 0);
    assert_eq!(ms, 13);
    // 1 M x 0.013 s x 1 GB = 13,000 GB-s x 0.0000166667 = 0.2166671; 1 M requests = 0.20.
    let used = [(Item::LambdaDuration, "x86", MILLION * ms * 1_024), (Item::LambdaRequests, "", MILLION)];
    costs(&used, 0.416_667_1);
}

/// AWS Compute Blog, 2025-04-29: since 2025-08-01 initialisation is billed as duration; both are added, then rounded.
#[test]
fn the_initialisation_of_an_environment_is_billed() {
    let ms = lambda_billed_ms(133_610_000, 80 * MILLISECOND);
    assert_eq!(ms, 214, "213.61");
    // 1 M cold starts x 0.214 s x 0.5 GB = 107,000 GB-s x 0.0000166667 = 1.7833369.
    costs(&[(Item::LambdaDuration, "x86", MILLION * ms * 512)], 1.783_336_9);
}

/// aws.amazon.com/sqs/pricing: every 64 KB chunk of a payload is a request.
#[test]
fn a_message_of_200_kb_is_four_requests() {
    assert_eq!(sqs_requests(200 * KB), 4, "3.125 chunks");
    // 1 M messages: sent 4 M, received 4 M, deleted 1 M (a receipt has no payload) = 9 x 0.40.
    let used = [
        (Item::SqsRequests, "delete", MILLION * sqs_requests(0)),
        (Item::SqsRequests, "receive", MILLION * sqs_requests(200 * KB)),
        (Item::SqsRequests, "send", MILLION * sqs_requests(200 * KB)),
    ];
    costs(&used, 3.6);
}

/// aws.amazon.com/sqs/pricing: the chunks of a batch are those of its payload as a whole.
#[test]
fn a_batch_of_ten_messages_of_1_kb_is_one_request() {
    assert_eq!(sqs_requests(10 * KB), 1);
    // 1 M messages in 100,000 batches = 0.1 x 0.40.
    costs(&[(Item::SqsRequests, "send", MILLION / 10 * sqs_requests(10 * KB))], 0.04);
}

/// aws.amazon.com/sqs/pricing: a receive that finds nothing is a request, too.
#[test]
fn a_task_that_polls_an_empty_queue_for_a_month_pays() {
    // One long poll of 20 s after another: 2,628,000 s / 20 = 131,400 requests x 0.40 / 1 M.
    costs(&[(Item::SqsRequests, "empty-receive", MONTH_S / 20 * sqs_requests(0))], 0.052_56);
}

/// aws.amazon.com/lambda/pricing: provisioned concurrency is paid while it is held, and its duration at a lower price.
#[test]
fn provisioned_concurrency_is_paid_for_twice() {
    let used = [
        // 1 M invocations of 100 ms at 1 GB = 100,000 GB-s x 0.0000097222 = 0.97222; requests 0.20.
        (Item::LambdaRequests, "", MILLION),
        (Item::LambdaProvisionedDuration, "x86", MILLION * lambda_billed_ms(100 * MILLISECOND, 0) * 1_024),
        // 10 environments x 2,628,000 s x 1 GB = 26.28 M GB-s x 0.0000041667 = 109.500876.
        (Item::LambdaProvisionedConcurrency, "x86", 10 * 1_024 * MONTH_S),
    ];
    costs(&used, 110.673_096);
    // Its GB-s are not in the free tier, its requests are.
    near(bill(&used, true).total().unwrap(), 110.473_096);
}

/// aws.amazon.com/sqs/pricing: 0.40 for the first 100 billion requests of a month, 0.30 up to 200, then 0.24.
#[test]
fn a_quarter_of_a_trillion_requests_crosses_both_tiers_of_sqs() {
    // The actions fill the tiers together: 100,000 x 0.40 + 100,000 x 0.30 + 50,000 x 0.24 = 82,000.
    let of = |variant, billions: u64| (Item::SqsRequests, variant, billions * 1_000 * MILLION);
    let cost = bill(&[of("delete", 80), of("receive", 80), of("send", 90)], false);
    near(cost.per_month(false).unwrap(), 82_000.0);
    // The run itself does not know what else the month holds: 250,000 x 0.40.
    near(cost.total().unwrap(), 100_000.0);
}

/// aws.amazon.com/lambda/pricing: GB-s of x86 above 6 and above 15 billion a month, of Arm above 7.5 and 18.75.
#[test]
fn lambda_duration_has_tiers() {
    let month = |architecture, billions: u64| {
        let mb_ms = billions * 1_000 * MILLION * 1_024 * 1_000;
        bill(&[(Item::LambdaDuration, architecture, mb_ms)], false).per_month(false).unwrap()
    };
    // 6 B x 0.0000166667 = 100,000.2; 9 B x 0.000015 = 135,000; 5 B x 0.0000133334 = 66,667.
    near(month("x86", 20), 301_667.2);
    // 7.5 B x 0.0000133334 = 100,000.5; 2.5 B x 0.0000120001 = 30,000.25.
    near(month("arm", 10), 130_000.75);
}

/// aws.amazon.com/lambda/pricing has this example, a backend of 3 M calls: 2.73 a month.
#[test]
fn a_month_of_lambda_within_reach_of_the_free_tier() {
    // 3 M x 0.12 s x 1.5 GB = 540,000 GB-s, less 400,000 = 140,000 x 0.0000166667 = 2.333338. (3 M - 1 M) = 0.40.
    let used = [
        (Item::LambdaRequests, "", 3 * MILLION),
        (Item::LambdaDuration, "x86", 3 * MILLION * lambda_billed_ms(120 * MILLISECOND, 0) * 1_536),
    ];
    let cost = bill(&used, true);
    near(cost.per_month(true).unwrap(), 2.733_338);
    // Without: 540,000 x 0.0000166667 + 0.60 = 9.600018.
    near(cost.per_month(false).unwrap(), 9.600_018);
}

/// aws.amazon.com/fargate/pricing: Spot is up to 70 % off; the list assumes 68 %.
#[test]
fn fargate_spot_is_a_third_of_on_demand() {
    // Ten tasks of 1 vCPU and 2 GB for an hour: 10 x 0.012954 + 20 x 0.0014224 = 0.157988 (on demand 0.4937).
    let used = [
        (Item::FargateSpotVcpu, "x86", 10 * 1_024 * 3_600),
        (Item::FargateSpotMemory, "x86", 20 * 1_024 * 3_600),
    ];
    costs(&used, 0.157_988);
    assert!(bill(&used, false).lines.iter().all(|line| line.assumed()), "no price list has Spot");
}

/// aws.amazon.com/fargate/pricing and aws.amazon.com/lambda/pricing: Graviton is a fifth cheaper.
#[test]
fn arm_is_a_fifth_cheaper() {
    // 0.03238 + 2 x 0.00356 = 0.0395 (x86 0.04937).
    costs(&task("arm", HOUR), 0.039_5);
    // 1 M GB-s x 0.0000133334 (x86 16.6667).
    costs(&[(Item::LambdaDuration, "arm", MILLION * 1_024 * 1_000)], 13.333_4);
}

/// aws.amazon.com/cloudwatch/pricing: 0.10 per alarm and month, ten are free.
#[test]
fn the_eleventh_alarm_costs() {
    let cost = bill(&[(Item::CloudwatchAlarms, "", 12 * MONTH_S)], true);
    near(cost.per_month(false).unwrap(), 1.2);
    near(cost.per_month(true).unwrap(), 0.2);
}

/// aws.amazon.com/cloudwatch/pricing: 0.50 per GB ingested, 5 GB are free.
#[test]
fn logs_are_paid_by_the_byte() {
    // 40 M invocations x 350 bytes = 14,000,000,000 / 2^30 = 13.038516 GB x 0.50; less 5 GB, 8.038516 x 0.50.
    let cost = bill(&[(Item::LogBytes, "", 40 * MILLION * 350)], true);
    near(cost.per_month(false).unwrap(), 6.519_258);
    near(cost.per_month(true).unwrap(), 4.019_258);
}
