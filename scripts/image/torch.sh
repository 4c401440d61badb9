#!/bin/sh
# Makes the virtual environment of an image, without pip, and installs torch in it: what rarely changes and is large has
# a layer of its own.
# Usage: torch.sh cpu|cuda [INDEX]; INDEX is where pip also looks for torch.
set -eu
here=$(dirname "$0")
build=$1
index=${2:-}
python -m venv --without-pip /opt/venv
python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile -c constraints.txt \
  ${index:+--extra-index-url "$index"} torch
/opt/venv/bin/python "$here/check-torch.py" "$build"
