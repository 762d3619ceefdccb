#!/bin/sh
# Makes the reports under test, one folder each. Every one is a page that the tool really writes, and each is there
# for what it alone does to the page.
#
#   reports.sh VERSUS FOLDER
set -eu
versus=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
scenarios=$(cd "$here/../../scenarios" && pwd)

# run NAME SCENARIO [options]: a run without a verdict ends with 4, which is fine here.
run() {
    name=$1
    shift
    status=0
    "$versus" run "$@" --quiet --out "$folder/$name" || status=$?
    case $status in
        0 | 4) ;;
        *) exit "$status" ;;
    esac
}

# A hundred phases, every seventh with a name that is wider than its band.
hundred_phases() {
    printf 'title = "A hundred phases: more of everything than has room"\nanalysis = "Much has to be thinned."\n'
    phase=0
    while [ "$phase" -lt 100 ]; do
        phase=$((phase + 1))
        name="phase $phase"
        [ $((phase % 7)) -ne 0 ] || name="$name with a name that goes on for longer than its band is wide"
        printf '[[phases]]\nname = "%s"\narrivals = "poisson"\nduration = "%ss"\nrate = %s\n' \
            "$name" $((30 + phase * 37 % 50)) $((5 + phase * 13 % 40))
    done
    cat <<'END'
[message]
work = "200ms"
body = "1 KB"
[queue]
visibility-timeout = "1m"
[stacks.ecs]
platform = "ecs"
tasks = 1
max-tasks = 4
cpu = 0.5
memory = "1 GB"
concurrency = 4
scaling = [{ policy = "backlog-per-task", target = 20 }]
[stacks.lambda]
platform = "lambda"
memory = "512 MB"
runtime = "nodejs24"
END
}

rm -rf "$folder"
mkdir -p "$folder"

run spike "$scenarios/flash-crowd.toml"
run idle "$scenarios/overnight-idle.toml"
run repeats "$scenarios/steady.toml" --repeat 3
run faults "$scenarios/faults.toml"
# Six stacks, a week of data, long names.
run week "$here/scenarios/week.toml"
# Ends while the backlog is at its largest.
run invalid "$scenarios/flash-crowd.toml" --set phases.recovery.duration=5s --set drain-max=1s
hundred_phases >"$folder/phases.toml"
run phases "$folder/phases.toml"
# One message, then none.
run single "$here/scenarios/single.toml"
# At an hour between messages, ten seconds bring none.
run empty "$here/scenarios/single.toml" --set phases.only.arrivals=poisson --set phases.only.rate=1/h
# A measured run that was cut off says so in its manifest.
run cut "$here/scenarios/single.toml" --set phases.only.rate=5
sed -i.whole 's/"complete": true/"complete": false/' "$folder/cut/run.json"
! cmp -s "$folder/cut/run.json" "$folder/cut/run.json.whole"
"$versus" report --quiet "$folder/cut" || [ $? -eq 4 ]
