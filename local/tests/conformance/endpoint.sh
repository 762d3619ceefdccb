# For scripts: builds the endpoint, starts it on a free port, stops it when the script ends; makes virtual environments.
root=$(cd "$here/../../.." && pwd)
target=$(cd "$root" && cargo metadata --format-version 1 --no-deps --offline 2>/dev/null |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
: "${PROFILE:=release}"

# Sets url and endpoint, the process. One server, so that short polls see every message, in order.
start_endpoint() {
    if [ -z "${ENDPOINT_BINARY:-}" ]; then
        (cd "$root" && cargo build --quiet --profile "$PROFILE" -p versus-local --example endpoint)
        ENDPOINT_BINARY=$target/$PROFILE/examples/endpoint
    fi
    log=$(mktemp)
    "$ENDPOINT_BINARY" --servers 1 "$@" >"$log" &
    endpoint=$!
    trap 'kill "$endpoint" 2>/dev/null; rm -f "$log"' EXIT
    tries=0
    until url=$(grep -m 1 '^http://' "$log"); do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "the endpoint does not start" >&2; exit 1; }
        sleep 0.1
    done
}

# make_venv NAME REQUIREMENTS: sets venv. It is kept between runs, beside what cargo builds.
make_venv() {
    venv=$target/python/$1
    if ! cmp -s "$2" "$venv/requirements.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$2"
        cp "$2" "$venv/requirements.txt"
    fi
}
