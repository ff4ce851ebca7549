#!/usr/bin/env bash
# Installs what `make test-browser` and `make screenshots` drive, by Debian's package manager. Needs root; where it can't
# be installed it says so, and the tests skip with their reason.
set -euo pipefail
fonts=(fonts-inter fonts-dejavu-core)
for program in chromium-headless-shell chromium chromium-browser google-chrome; do
  if command -v "$program" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "there is no Chromium, and installing Debian's takes root and apt-get" >&2
  exit 0
fi
echo "installing chromium-headless-shell (64 MB)"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends chromium-headless-shell "${fonts[@]}" >/dev/null; }; then
  echo "Debian's Chromium can't be installed here" >&2
fi
