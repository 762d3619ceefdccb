//! A Lambda function and its event source mapping in AWS's own terms.

use super::{Architecture, Parameters};
use crate::time::{Nanos, SECOND};

/// A Lambda function and its event source mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Processor architecture.
    pub architecture: Architecture,
    /// Memory in MB; 1,769 MB is one vCPU.
    pub memory_mb: u32,
    /// Function timeout, at most 15 min.
    pub timeout: Nanos,
    /// Managed runtime: decides how long an initialisation takes.
    pub runtime: Runtime,
    /// Packaging: decides how long an initialisation takes.
    pub package: Package,
    /// The function's own measured Init Duration, instead of the runtime's hello-world.
    pub init: Option<InitDuration>,
    /// BatchSize, 1 to 10,000.
    pub batch_size: u32,
    /// MaximumBatchingWindowInSeconds.
    pub batching_window: Nanos,
    /// MaximumConcurrency of the mapping, 2 to 1,000.
    pub maximum_concurrency: Option<u32>,
    /// Event pollers of provisioned mode.
    pub provisioned_pollers: Option<ProvisionedPollers>,
    /// Reserved concurrency of the function.
    pub reserved_concurrency: Option<u32>,
    /// Provisioned concurrency of the function; counts towards the reserved.
    pub provisioned_concurrency: u32,
    /// Whether the handler reports partial batch failures (ReportBatchItemFailures).
    pub partial_batch_responses: bool,
    /// Whether the handler works on the messages of a batch one after another or all at once.
    pub parallel_batch: bool,
}

impl Default for Lambda {
    fn default() -> Self {
        Self {
            architecture: Architecture::X86,
            memory_mb: 512,
            timeout: 30 * SECOND,
            runtime: Runtime::Python313,
            package: Package::Zip,
            init: None,
            batch_size: 10,
            batching_window: 0,
            maximum_concurrency: None,
            provisioned_pollers: None,
            reserved_concurrency: None,
            provisioned_concurrency: 0,
            partial_batch_responses: false,
            parallel_batch: false,
        }
    }
}

impl Lambda {
    /// Loops of its event source mapping that go on polling when nothing has come for long.
    #[must_use]
    pub fn idle_loops(&self, beliefs: &Parameters) -> u64 {
        let start = beliefs.esm_start.min(beliefs.lambda_account_concurrency);
        match (self.provisioned_pollers, self.maximum_concurrency) {
            (Some(pollers), _) => u64::from(pollers.min) * beliefs.poller_concurrency.max(1),
            (None, Some(maximum)) => start.min(maximum.into()),
            (None, None) => start.min(beliefs.esm_idle).min(beliefs.esm_maximum),
        }
    }
}

/// Bounds of provisioned event pollers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionedPollers {
    /// MinimumPollers, 2 to 200.
    pub min: u32,
    /// MaximumPollers, 2 to 10,000.
    pub max: u32,
}

/// A function's own Init Duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitDuration {
    /// 50th percentile.
    pub p50: Nanos,
    /// 99th percentile.
    pub p99: Nanos,
}

/// Packaging of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// Zip archive on a managed runtime.
    Zip,
    /// Container image.
    Image,
}

/// A Lambda runtime whose cold starts were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Rust on provided.al2023.
    Rust,
    /// Go on provided.al2023.
    Go,
    /// Python 3.13.
    Python313,
    /// Python 3.14.
    Python314,
    /// Node.js 22.
    Nodejs22,
    /// Node.js 24.
    Nodejs24,
    /// Java 21.
    Java21,
    /// Java 25.
    Java25,
    /// .NET 8.
    Dotnet8,
    /// .NET 10.
    Dotnet10,
    /// .NET 10, compiled ahead of time.
    Dotnet10Aot,
    /// Ruby 3.4.
    Ruby34,
}

impl Runtime {
    /// All runtimes with the names that scenarios use.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Rust, "rust"),
        (Self::Go, "go"),
        (Self::Python313, "python3.13"),
        (Self::Python314, "python3.14"),
        (Self::Nodejs22, "nodejs22"),
        (Self::Nodejs24, "nodejs24"),
        (Self::Java21, "java21"),
        (Self::Java25, "java25"),
        (Self::Dotnet8, "dotnet8"),
        (Self::Dotnet10, "dotnet10"),
        (Self::Dotnet10Aot, "dotnet10-aot"),
        (Self::Ruby34, "ruby3.4"),
    ];
}
