#!/usr/bin/env bash
# Installs what `make test-platforms` runs, by Debian's package manager. Needs root.
set -euo pipefail
packages=(
  buildah          # builds the image
  mmdebstrap       # makes the images below it
  qemu-user-static # runs what is for another architecture
)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
