#!/usr/bin/env bash
# Installs what `make e2e` runs beside our own builds, by Debian's package manager. Needs root.
set -euo pipefail
packages=(
  buildah                    # builds the image
  containerd                 # runs it; the node starts one of its own
  containernetworking-plugins
  conntrack iptables nftables # kubelet's and kube-proxy's tools
  iproute2 util-linux
  mmdebstrap                 # makes the image below it
  runc
)
exec "${0%/*}/debian-packages.sh" "${packages[@]}"
