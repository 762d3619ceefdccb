#!/bin/bash
# Measures the endpoint over loopback with wrk (Debian: apt-get install wrk). Linux only: CPU time and memory are read
# from /proc. Messages have 256 bytes, batches 10 messages.
#   memory              resident bytes per message, with 1,000,000 queued
#   with-...-queued     receive, delete and send as many again, with 100 and with 1,000,000 queued, turn about
#   send                send only
#   drain               receive and delete only
# Prints medians of ROUNDS (default 5): messages per second of wall clock, and CPU time of the server per message.
set -eu
here=$(cd "$(dirname "$0")/../../tests/conformance" && pwd)
. "$here/endpoint.sh"
bench=$root/local/benches/wrk
: "${ROUNDS:=5}" "${SECONDS_EACH:=3}" "${DEEP:=1000000}" "${THREADS:=2}" "${CONNECTIONS:=8}"
command -v wrk >/dev/null || { echo "wrk is missing" >&2; exit 1; }

# call ACTION JSON
call() {
    curl -sS -H "X-Amz-Target: AmazonSQS.$1" -d "$2" "$url"
}

# use QUEUE: what the scripts of wrk work on
use() {
    export QUEUE_URL=$url/000000000000/$1
}

queued() {
    call GetQueueAttributes "{\"QueueUrl\":\"$QUEUE_URL\",\"AttributeNames\":[\"ApproximateNumberOfMessages\"]}" |
        sed 's/[^0-9]//g'
}

server_cpu_us() {
    awk -v hertz="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / hertz }' "/proc/$endpoint/stat"
}

server_rss_kib() {
    awk '/VmRSS/ { print $2 }' "/proc/$endpoint/status"
}

load() {
    wrk -t1 -c"$CONNECTIONS" -d"$SECONDS_EACH" -s "$bench/$1.lua" "$url/"
}

median() {
    sort -n | awk '{ values[NR] = $1 } END { print values[int((NR + 1) / 2)] }'
}

# note NAME MESSAGES SECONDS CPU_US
note() {
    awk -v n="$2" -v s="$3" -v c="$4" 'BEGIN { printf "%.0f\n", n / s }' >>"$notes/$1.rate"
    awk -v n="$2" -v c="$4" 'BEGIN { printf "%.3f\n", c / n }' >>"$notes/$1.cpu"
}

# round NAME SCRIPT: one measurement on the queue in use
round() {
    local before after output messages seconds
    before=$(server_cpu_us)
    output=$(load "$2")
    after=$(server_cpu_us)
    if [ "$2" = send ]; then
        messages=$(echo "$output" | awk '/requests in/ { print $1 * 10 }')
        seconds=$(echo "$output" | sed -n 's/.*requests in \([0-9.]*\)s.*/\1/p')
    else
        messages=$(echo "$output" | sed -n 's/.*deleted: \([0-9]*\) in.*/\1/p')
        seconds=$(echo "$output" | sed -n 's/.* in \([0-9.]*\) s = .*/\1/p')
    fi
    note "$1" "$messages" "$seconds" $((after - before))
}

say() {
    echo "$1: $(median <"$notes/$1.rate") messages/s, $(median <"$notes/$1.cpu") us of CPU per message"
}

start_endpoint --threads "$THREADS"
notes=$(mktemp -d)
trap 'kill "$endpoint" 2>/dev/null; rm -rf "$log" "$notes"' EXIT

for queue in throughput shallow deep; do
    call CreateQueue "{\"QueueName\":\"$queue\"}" >/dev/null
done

# Memory comes first: what was freed later is not all given back to the system.
use deep
empty=$(server_rss_kib)
while [ "$(queued)" -lt "$DEEP" ]; do
    SECONDS_EACH=1 load send >/dev/null
done
depth=$(queued)
echo "memory: $((($(server_rss_kib) - empty) * 1024 / depth)) bytes per message of 256 bytes ($depth queued)"

# wrk stops wherever it is: what it had received or deleted by then is not sent again.
entries=$(seq -s, 10 | sed 's/[0-9]\+/{"Id":"&","MessageBody":"x"}/g')
fill_up() {
    for _ in $(seq 10); do
        [ "$(queued)" -lt 100 ] || return 0
        call SendMessageBatch "{\"QueueUrl\":\"$QUEUE_URL\",\"Entries\":[$entries]}" >/dev/null
    done
}

for _ in $(seq "$ROUNDS"); do
    use shallow
    fill_up
    REFILL=1 round with-100-queued drain
    use deep
    REFILL=1 round "with-$DEEP-queued" drain
done
say with-100-queued
say "with-$DEEP-queued"

for _ in $(seq "$ROUNDS"); do
    use throughput
    round send send
    round drain drain
done
say send
say drain
