#!/usr/bin/env bash
# Installs Podman for `make test-agent-soak`, by Debian's package manager. Needs root; where it can't be installed it says so,
# and what needs it is left out with its reason.
set -euo pipefail
if command -v podman >/dev/null && [ -x /bin/busybox ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "there is no Podman, and installing Debian's takes root and apt-get" >&2
  exit 0
fi
echo "there is no Podman: Debian's is a download of 100 MB"
if ! "${0%/*}/debian-packages.sh" podman runc busybox-static; then
  echo "Debian's Podman can't be installed here" >&2
fi
