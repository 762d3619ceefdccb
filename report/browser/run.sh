#!/bin/sh
# Tests the HTML report in Chromium. Needs Node.js 20 with npm, access to the npm registry, and Chromium.
#
#   run.sh [options of node --test]   e.g. --test-name-pattern=week
#   run.sh --screenshots FOLDER       makes the README's pictures instead
#
# VERSUS     the program that makes the reports, from the root of the repository [default: what cargo builds]
# CHROMIUM   the browser [default: the usual places]
#
# Where Node.js or Chromium is missing, this says so and passes; but with CI set, it installs Chromium or fails.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
pictures=
[ "${1:-}" != --screenshots ] || pictures=$(cd "$2" && pwd)

absent() {
    if [ -n "${CI:-}" ]; then
        printf 'report/browser/run.sh: %s\n' "$*" >&2
        exit 1
    fi
    printf 'skipped: %s\n' "$*"
    exit 0
}

find_chromium() {
    for program in ${CHROMIUM:+"$CHROMIUM"} /usr/bin/chromium chromium chromium-browser google-chrome; do
        if command -v "$program"; then return 0; fi
    done
    return 1
}

command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || absent "Node.js with npm is missing"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || absent "Node.js is older than 20: $(node --version)"
if ! find_chromium >/dev/null; then
    if [ -z "${CI:-}" ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        absent "Chromium is missing (Debian: apt-get install chromium), or name it in CHROMIUM"
    fi
    apt-get update -q
    # The fonts that pages are laid out with where a browser has no others: labels have the widths of theirs.
    apt-get install -q -y --no-install-recommends chromium fonts-liberation
fi
CHROMIUM=$(find_chromium)
export CHROMIUM

cd "$here"
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --loglevel=error

if [ -z "${VERSUS:-}" ]; then
    cargo build --locked --manifest-path "$root/Cargo.toml" -p versus
    VERSUS=$(cargo metadata --format-version 1 --no-deps --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/versus
fi
case $VERSUS in /*) ;; *) VERSUS=$root/$VERSUS ;; esac
REPORTS=$root/target/browser
export REPORTS
./reports.sh "$VERSUS" "$REPORTS"

if [ -n "$pictures" ]; then
    exec node screenshots.mjs "$pictures"
fi
exec node --test --test-reporter=spec "$@" report.test.mjs broken.test.mjs
