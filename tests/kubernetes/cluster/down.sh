#!/usr/bin/env bash
# Stops everything up.sh started, by process id, and takes its files, namespaces and bridge away.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
for ns in /run/netns/kt-n*; do [ -e "$ns" ] && bash "$K8S_HERE/node.sh" rm "${ns##*kt-n}"; done
for p in coredns kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$p" KILL; done
ip link del "$BRIDGE" 2>/dev/null || true
rm -rf "$K8S_STATE"
