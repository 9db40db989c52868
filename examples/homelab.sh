#!/usr/bin/env bash
# Starts and stops the small servers that examples/configs/homelab.yml watches, all on 127.0.0.1:
# wiki and cloud (HTTP, ports 18080 and 18081) and mail (TCP, port 18025). Needs bash and python3.
set -euo pipefail

names=(wiki cloud mail)
# One folder for each person, which nobody else can write to.
folder="${TMPDIR:-/tmp}/hallmonitor-homelab-$(id -u)"

usage() {
    echo "usage: $0 start [NAME] | stop [NAME] | status | down" >&2
    echo "  NAME is one of: ${names[*]}; all of them when left out" >&2
    exit 2
}

port_of() {
    case "$1" in
        wiki) echo 18080 ;;
        cloud) echo 18081 ;;
        mail) echo 18025 ;;
        *) echo "$0: there is no server named $1" >&2; usage ;;
    esac
}

# The process id of a server that runs; fails when it does not.
running() {
    local pid
    pid="$(cat "$folder/$1.pid" 2>/dev/null)" || return 1
    kill -0 "$pid" 2>/dev/null || return 1
    # After a restart of the machine the number may belong to something else.
    if command -v ps >/dev/null; then
        [[ "$(ps -p "$pid" -o args=)" == *python3* ]] || return 1
    fi
    echo "$pid"
}

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start() {
    local name="$1" port
    port="$(port_of "$name")"
    if running "$name" >/dev/null; then
        echo "$name runs already on 127.0.0.1:$port"
        return
    fi
    if answers "$port"; then
        echo "$0: something else listens on 127.0.0.1:$port" >&2
        exit 1
    fi
    if [[ "$name" == mail ]]; then
        python3 - "$port" >"$folder/$name.log" 2>&1 <<'PYTHON' &
import socketserver, sys

class Greeting(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.request.sendall(b"220 homelab\r\n")
        except OSError:
            pass

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

Server(("127.0.0.1", int(sys.argv[1])), Greeting).serve_forever()
PYTHON
    else
        mkdir -p "$folder/$name"
        echo "<h1>$name</h1>" >"$folder/$name/index.html"
        python3 -m http.server --bind 127.0.0.1 --directory "$folder/$name" "$port" >"$folder/$name.log" 2>&1 &
    fi
    echo $! >"$folder/$name.pid"
    for _ in $(seq 100); do
        if answers "$port"; then
            echo "$name listens on 127.0.0.1:$port"
            return
        fi
        sleep 0.1
    done
    echo "$0: $name does not listen; see $folder/$name.log" >&2
    exit 1
}

stop() {
    local name="$1" pid
    port_of "$name" >/dev/null
    if pid="$(running "$name")"; then
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        echo "$name is stopped"
    else
        echo "$name does not run"
    fi
    rm -f "$folder/$name.pid"
}

each() {
    local action="$1" name
    shift
    if [[ $# -eq 0 ]]; then set -- "${names[@]}"; fi
    for name in "$@"; do "$action" "$name"; done
}

status() {
    if running "$1" >/dev/null; then echo "$1 runs"; else echo "$1 does not run"; fi
}

[[ $# -ge 1 ]] || usage
action="$1"
shift
(umask 077 && mkdir -p "$folder")
if [[ ! -O "$folder" ]]; then
    echo "$0: $folder belongs to somebody else" >&2
    exit 1
fi
case "$action" in
    start | stop | status) each "$action" "$@" ;;
    down)
        each stop
        rm -rf "$folder"
        ;;
    *) usage ;;
esac
