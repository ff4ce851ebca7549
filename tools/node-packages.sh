#!/usr/bin/env bash
# Installs what `make e2e` runs beside our own builds, by Debian's package manager. Needs root.
set -euo pipefail
packages=(
  buildah                    # builds the image
  containerd                 # runs it
  containernetworking-plugins
  conntrack iptables nftables # kubelet's and kube-proxy's tools
  iproute2 util-linux
  mmdebstrap                 # makes the image below it
  runc
)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Services that packages bring are not started: the node has a containerd of its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
fi
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
