#!/usr/bin/env bash
# Installs what `make test-platforms` runs, by Debian's package manager. Needs root.
set -euo pipefail
packages=(
  buildah          # builds the image
  mmdebstrap       # makes the images below it
  qemu-user-static # runs what is for another architecture
)
exec "${0%/*}/debian-packages.sh" "${packages[@]}"
