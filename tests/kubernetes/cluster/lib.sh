# shellcheck shell=bash disable=SC2034 # the names are for who sources this
# Sourced by the other scripts. Every setting can be overridden from outside.
set -euo pipefail

K8S_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
K8S_BIN=${K8S_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/k8s-test/bin}   # built programs, kept between runs
K8S_STATE=${K8S_STATE:-/tmp/k8s-test}                              # everything else, thrown away by down.sh
K8S_NODES=${K8S_NODES:-2}
K8S_API_PORT=${K8S_API_PORT:-25443}
K8S_ETCD_PORT=${K8S_ETCD_PORT:-25379}

# One bridge in the host's network; each node is a network namespace on it.
BRIDGE=kt-br0
HOST_IP=10.250.0.1
node_ip()   { echo "10.250.0.$((10 + $1))"; }
pod_cidr()  { echo "10.244.$1.0/24"; }
node_ns()   { echo "kt-n$1"; }
SERVICE_CIDR=10.96.0.0/16
CLUSTER_CIDR=10.244.0.0/16

export PATH="$K8S_BIN:/usr/sbin:/sbin:$PATH"
export KUBECONFIG=${KUBECONFIG:-$K8S_STATE/admin.kubeconfig}
export CONTAINERS_CONF=${CONTAINERS_CONF:-$K8S_HERE/containers.conf}

log() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { log "$*"; exit 1; }

# start NAME CMD...: run in the background, with its log and its process id kept. Nothing where it runs already.
start() {
  local name=$1 f=$K8S_STATE/pid/$1; shift
  ! { [ -f "$f" ] && alive "$(cat "$f")"; } || return 0
  setsid "$@" >>"$K8S_STATE/log/$name.log" 2>&1 </dev/null &
  echo $! >"$K8S_STATE/pid/$name"
}

# wait_for SECONDS WHAT CMD...: poll until CMD succeeds.
wait_for() {
  local limit=$1 what=$2 end; shift 2
  end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { log "not within $limit s: $what"; return 1; }
    sleep 0.2
  done
}

# alive PID: it runs (a zombie does not: nobody may be there to reap it)
alive() { [ -e "/proc/$1/stat" ] && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null; }

# stop NAME [SIGNAL]: stop one process that start started.
stop() {
  local f=$K8S_STATE/pid/$1 pid
  [ -f "$f" ] || return 0
  pid=$(cat "$f")
  if alive "$pid"; then
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 50); do alive "$pid" || break; sleep 0.1; done
    ! alive "$pid" || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$f"
}
