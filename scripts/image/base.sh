#!/bin/sh
# What every service's image has of the system: tini, the user it runs as, and the Debian packages that it needs.
# Usage: base.sh [PACKAGE…]
set -eu
apt-get update
apt-get install -y --no-install-recommends tini "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin spiral
