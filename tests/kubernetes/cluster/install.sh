#!/usr/bin/env bash
# Installs what the cluster needs: Debian packages, and the Kubernetes programs built from their Go modules into K8S_BIN.
# The build is made again only when its sources here or the Go toolchain change.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
packages=(etcd-server containerd runc containernetworking-plugins podman iptables iproute2 util-linux openssl curl gcc libc6-dev)
missing=()
for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# build FOLDER OUT PACKAGE [LDFLAGS]: PACKAGE of the module in FOLDER
build() {
  local stamp; stamp=$(cd "$K8S_HERE/$1" && { go env GOVERSION; cat go.mod go.sum ./*.go 2>/dev/null; } | sha256sum)
  [ "$(cat "$K8S_BIN/$2.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  log "building $2"
  mkdir -p "$K8S_BIN"
  (cd "$K8S_HERE/$1" && CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false" go build -trimpath -ldflags "-s -w ${4:-}" -o "$K8S_BIN/$2" "$3")
  echo "$stamp" >"$K8S_BIN/$2.stamp"
  log "built $2"
}

version=$(cd "$K8S_HERE/hyperkube" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}; minor=${minor%%.*}
x=k8s.io/component-base/version
build hyperkube hyperkube . "-X $x.gitVersion=$version -X $x.gitMajor=1 -X $x.gitMinor=$minor -X $x.gitTreeState=clean -X $x.gitCommit=$(printf '0%.0s' {1..40})"
for p in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl coredns; do ln -sf hyperkube "$K8S_BIN/$p"; done
