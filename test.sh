#!/bin/sh
# Passes the tests of versus. Needs a Rust toolchain; Node.js 20 and Chromium for the tests of the report in a browser;
# Python 3 with venv for the tests with foreign clients.
#
#   ./test.sh             format, lints, tests, gate, the report in Chromium, boto3 and the AWS CLI, CloudFormation
#                         in moto (ten to twenty minutes, 6 GB of disk)
#   ./test.sh --foreign   moto's own SQS tests against the endpoint; seeder, worker and collector against MiniStack and
#                         moto; Python's Lambda runtime (ten minutes)
#   ./test.sh --slow      kills runs at fifty random instants, fuzzes the scenario reader, runs the benchmarks;
#                         FUZZ_SECONDS says for how long (default 650)
#
# Stops at the first failure.
set -eu
cd "$(dirname "$0")"
# As developers build. Without it rustc 1.95 dropped the argument of a closure twice in one test of local/, which is
# rust-lang/rust#155241, mended in 1.97; the test is written otherwise now.
export CARGO_INCREMENTAL=1
# Most of what takes long waits for messages and not for processors.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}"

heading() {
    printf '\n== %s\n' "$*"
}

fail() {
    printf 'test.sh: %s\n' "$*" >&2
    exit 1
}

command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install a Rust toolchain first (https://rustup.rs)"

# A minimal toolchain has neither rustfmt nor clippy.
component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null 2>&1 || fail "cargo $1 is missing, and so is rustup to add it with"
    heading "rustup component add $2"
    rustup component add "$2"
}

quick() {
    component fmt rustfmt
    component clippy clippy
    heading "Format"
    cargo fmt --all --check
    heading "Lints"
    cargo clippy --workspace --all-targets --locked -- -D warnings
    heading "Tests"
    cargo test --workspace --locked
    # The tests have built the program.
    versus=$(target)/debug/versus
    heading "Gate"
    gate smoke --metric cost-per-million --metric backlog-max
    gate steady --metric cost-per-million
    # Both mostly wait for one process of theirs, so they share the processors; a group of processes can be ended whole.
    log=$(mktemp)
    setsid ./test.sh --clients "$versus" >"$log" 2>&1 &
    clients=$!
    trap 'kill -- "-$clients" 2>/dev/null || true; rm -f "$log"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    heading "Browser"
    VERSUS=$versus report/browser/run.sh
    heading "Foreign clients and readers"
    if wait "$clients"; then
        cat "$log"
    else
        cat "$log"
        fail "a test with foreign clients failed"
    fi
}

# boto3 and the AWS CLI at the endpoint, readers of the formats, CloudFormation in moto.
clients() {
    if python3 -c 'import ensurepip, venv' 2>/dev/null; then
        # cargo test has built the examples.
        ENDPOINT_BINARY=$(target)/debug/examples/endpoint local/tests/foreign/run.sh
        cli/tests/formats/run.sh "$1"
        stacks/tests/run.sh "$1"
    elif [ -n "${CI:-}" ]; then
        fail "python3 with venv is missing (Debian: apt-get install python3-venv)"
    else
        printf 'skipped: python3 with venv is missing (Debian: apt-get install python3-venv)\n'
    fi
}

# Checks a scenario against its baseline. Simulated runs are always the same: what moves by more than a percent has to
# be explained by a new baseline.
gate() {
    name=$1
    shift
    run=$(target)/gate/$name
    baseline=results/baselines/$name.baseline.json
    rm -rf "$run"
    "$versus" run "scenarios/$name.toml" --out "$run" --quiet
    "$versus" check --baseline "$baseline" "$run" --margin 1 "$@" && return
    fail "the check of $name ended with $?. If the change is meant, put a new baseline into the commit that explains it:
  $versus baseline $run -o $baseline --force"
}

# Where cargo builds.
target() {
    cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

foreign() {
    heading "moto's SQS tests"
    local/tests/conformance/run.sh
    heading "MiniStack and moto as the queue"
    cargo build --release --locked -p versus
    cli/tests/foreign/run.sh "$(target)/release/versus"
    heading "Lambda runtimes"
    local/tests/foreign/lambda.sh
}

slow() {
    heading "Fifty random kills"
    cargo test --locked -p versus --test it fifty -- --ignored
    heading "A hundred thousand messages under faults"
    cargo test --locked -p versus --test it hundred_thousand -- --ignored
    if ! cargo fuzz --version >/dev/null 2>&1; then
        heading "cargo install cargo-fuzz"
        cargo install --locked cargo-fuzz
    fi
    heading "Fuzzing the scenario reader for ${FUZZ_SECONDS:=650} s"
    (
        cd fuzz
        mkdir -p corpus/scenario
        # The address sanitizer needs a nightly compiler, or this variable on a stable one.
        RUSTC_BOOTSTRAP=1 cargo fuzz run scenario corpus/scenario seeds ../scenarios -- \
            -dict=scenario.dict -max_total_time="$FUZZ_SECONDS"
    )
    heading "Benchmarks"
    cargo bench --workspace --locked
}

case "${1-}" in
    '') quick ;;
    # For itself: what --clients is given is the program.
    --clients)
        clients "$2"
        exit
        ;;
    --foreign) foreign ;;
    --slow) slow ;;
    *) fail "unknown argument $1; see the head of this file" ;;
esac

heading "All passed"
