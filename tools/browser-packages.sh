#!/usr/bin/env bash
# Installs what `make test-browser` and `make screenshots` drive, by Debian's package manager. Needs root; where it can't
# be installed it says so, and the tests skip with their reason.
set -euo pipefail
for program in chromium-headless-shell chromium chromium-browser google-chrome; do
  if command -v "$program" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "there is no Chromium, and installing Debian's takes root and apt-get" >&2
  exit 0
fi
echo "there is no Chromium: Debian's is a download of 64 MB"
if ! "${0%/*}/debian-packages.sh" chromium-headless-shell fonts-inter fonts-dejavu-core; then
  echo "Debian's Chromium can't be installed here" >&2
fi
