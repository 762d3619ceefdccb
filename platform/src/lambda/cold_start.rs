//! Measured cold starts: Init Duration by runtime, packaging and architecture, and what the first invocation
//! of an environment costs on top.
//!
//! Source: raw data of github.com/maxday/lambda-perf at 6070b794 (2026-08-22), hello-world functions, about 770
//! cold starts per cell between 2026-05-28 and 2026-08-22. Init does not depend on memory there (it runs with
//! about two vCPUs whatever the size). A real function loads more: give its own figures as `init`.

use model::random::Sampler;
use model::scenario::{Architecture, Lambda, Package, Runtime};
use model::time::{MILLISECOND, Nanos};

/// p50, p90 and p99 of Init Duration in ms: zip x86, zip arm, image x86, image arm.
const INIT_MS: [(Runtime, [[u64; 3]; 4]); 12] = [
    (Runtime::Rust, [[16, 22, 48], [14, 16, 43], [36, 59, 104], [30, 40, 101]]),
    (Runtime::Go, [[51, 55, 73], [43, 45, 53], [48, 88, 127], [40, 60, 111]]),
    (Runtime::Python313, [[92, 121, 205], [81, 99, 137], [163, 293, 408], [132, 233, 329]]),
    (Runtime::Python314, [[116, 154, 268], [104, 120, 174], [187, 357, 476], [159, 310, 387]]),
    (Runtime::Nodejs22, [[144, 171, 219], [130, 139, 166], [306, 616, 846], [236, 615, 746]]),
    (Runtime::Nodejs24, [[139, 170, 209], [125, 137, 186], [283, 594, 830], [228, 651, 738]]),
    (Runtime::Java21, [[244, 293, 595], [246, 267, 349], [340, 546, 787], [305, 458, 747]]),
    (Runtime::Java25, [[194, 276, 493], [196, 228, 433], [247, 520, 664], [239, 399, 571]]),
    (Runtime::Dotnet8, [[260, 345, 656], [295, 383, 710], [410, 696, 854], [418, 629, 844]]),
    (Runtime::Dotnet10, [[263, 542, 732], [252, 593, 664], [404, 709, 864], [362, 585, 847]]),
    (Runtime::Dotnet10Aot, [[74, 85, 123], [63, 68, 89], [60, 106, 202], [50, 76, 121]]),
    (Runtime::Ruby34, [[232, 396, 475], [241, 403, 428], [271, 394, 520], [277, 350, 455]]),
];

/// Mean duration in ms of the first invocation at 128, 256, 512 and 1,024 MB (zip, x86). Runtimes that were
/// not read off compile nothing at run time and are taken as 0.
const FIRST_INVOKE_MS: [(Runtime, [f64; 4]); 6] = [
    (Runtime::Rust, [1.3, 1.4, 1.4, 1.4]),
    (Runtime::Python313, [2.5, 2.2, 2.2, 2.3]),
    (Runtime::Nodejs24, [22.0, 7.0, 4.0, 4.0]),
    (Runtime::Java21, [97.0, 35.0, 32.0, 7.0]),
    (Runtime::Java25, [246.0, 97.0, 27.0, 10.0]),
    (Runtime::Dotnet8, [720.0, 358.0, 165.0, 75.0]),
];

/// The distribution of Init Duration for a function.
#[must_use]
pub fn init_duration(function: &Lambda) -> Sampler {
    if let Some(own) = function.init {
        return Sampler::lognormal(own.p50, own.p99);
    }
    let column = match (function.package, function.architecture) {
        (Package::Zip, Architecture::X86) => 0,
        (Package::Zip, Architecture::Arm) => 1,
        (Package::Image, Architecture::X86) => 2,
        (Package::Image, Architecture::Arm) => 3,
    };
    let cells =
        INIT_MS.iter().find(|(runtime, _)| *runtime == function.runtime).map(|(_, cells)| cells[column]);
    let [p50, p90, p99] = cells.unwrap_or([0; 3]).map(|ms| ms * MILLISECOND);
    Sampler::through(&[(0.5, p50), (0.9, p90), (0.99, p99)])
}

/// Extra duration of the first invocation in a new environment.
pub type FirstInvoke = Nanos;

/// What the first invocation takes beyond the work itself: just-in-time compilation, lazy loading.
#[must_use]
pub fn first_invoke(function: &Lambda) -> FirstInvoke {
    let Some((_, row)) = FIRST_INVOKE_MS.iter().find(|(runtime, _)| *runtime == function.runtime) else {
        return 0;
    };
    let column = match function.memory_mb {
        ..=191 => 0,
        192..=383 => 1,
        384..=767 => 2,
        _ => 3,
    };
    (row[column] * MILLISECOND as f64) as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::random::Stream;
    use model::scenario::InitDuration;

    fn percentile(function: &Lambda, p: f64) -> Nanos {
        let (sampler, mut stream) = (init_duration(function), Stream::new(3, "init"));
        let mut draws: Vec<Nanos> = (0..100_000).map(|_| sampler.draw(&mut stream)).collect();
        draws.sort_unstable();
        draws[(p * draws.len() as f64) as usize] / MILLISECOND
    }

    #[test]
    fn every_runtime_has_its_figures() {
        for (runtime, name) in Runtime::ALL {
            let function = Lambda { runtime, ..Lambda::default() };
            assert!(percentile(&function, 0.5) > 0, "{name}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_table() {
        let python = Lambda::default();
        for (p, ms) in [(0.5, 92_u64), (0.9, 121), (0.99, 205)] {
            assert!(percentile(&python, p).abs_diff(ms) <= 4, "p{p}");
        }
        let own = Lambda {
            init: Some(InitDuration { p50: MILLISECOND * 1_000, p99: MILLISECOND * 3_000 }),
            ..python
        };
        assert!(percentile(&own, 0.5).abs_diff(1_000) < 15);
    }

    #[test]
    fn compiling_runtimes_pay_for_small_memory() {
        let java =
            |memory_mb| first_invoke(&Lambda { runtime: Runtime::Java25, memory_mb, ..Lambda::default() });
        assert_eq!([128, 1_024].map(java), [246 * MILLISECOND, 10 * MILLISECOND]);
        assert_eq!(first_invoke(&Lambda { runtime: Runtime::Ruby34, ..Lambda::default() }), 0);
    }
}
