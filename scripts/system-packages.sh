#!/bin/sh
# Installs what pip cannot: libmypaint, its brushes, a C compiler, Python's headers and venv.
# Uses apt as root or with passwordless sudo; otherwise prints the command to run and fails.
# Usage: system-packages.sh PYTHON
set -eu
python=${1:-}
missing=""

if [ -z "$python" ]; then
  echo "setup: no Python 3.11 or newer on the path; install one (Debian, Ubuntu: apt-get install python3), or name it with PYTHON=" >&2
  exit 1
fi

has_header() { [ -n "$(find /usr/include /usr/local/include -maxdepth 2 -name "$1" 2>/dev/null | head -n 1)" ]; }
need() { missing="$missing $1"; }

command -v cc >/dev/null 2>&1 || need build-essential
has_header mypaint-tiled-surface.h || need libmypaint-dev
for data in "${XDG_DATA_HOME:-$HOME/.local/share}" /usr/local/share /usr/share; do
  [ -d "$data/mypaint-data/1.0/brushes" ] && brushes=found
done
[ "${brushes:-}" = found ] || [ -n "${SPIRAL_BRUSHES:-}" ] || need mypaint-brushes
# Headers and venv come from apt only for the system's Python; any other Python includes them.
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
  need python3-dev

[ -z "$missing" ] && exit 0
install="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: missing:$missing (Debian's names); install them with this system's package manager, then run make again" >&2
  exit 1
elif [ "$(id -u)" = 0 ]; then
  as_root=""
elif sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  echo "setup: these system packages are missing; run this line, then make again:" >&2
  echo "  sudo apt-get update && sudo $install" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# An old package list names versions that no longer exist, so update the list before installing.
$as_root apt-get update -q && $as_root $install
