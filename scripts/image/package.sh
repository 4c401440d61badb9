#!/bin/sh
# Installs the wheel of this package into an image's virtual environment, makes that where torch.sh hasn't, takes out what
# nothing needs at run time, and compiles the rest: on a read-only file system Python can't keep what it compiles, and would
# do so again at every start.
# Usage: package.sh [EXTRA]
set -eu
[ -d /opt/venv ] || python -m venv --without-pip /opt/venv
python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile -c constraints.txt \
  "$(echo wheels/*.whl)${1:+[$1]}"

packages=$(echo /opt/venv/lib/python3*/site-packages)
# Headers and C++ tests; torch_shm_manager is the only program that torch itself calls.
rm -rf "$packages/torch/include" "$packages/torch/test"
[ ! -d "$packages/torch/bin" ] || find "$packages/torch/bin" -mindepth 1 -maxdepth 1 ! -name torch_shm_manager -exec rm -rf {} +
# Test suites of the packages; numpy.testing and torch.testing are modules of their own and stay.
find "$packages" -type d -name tests -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.a' -o -name '*.pyx' -o -name '*.pxd' \) -delete
# Checked by nobody: file times do not survive every way of copying an image's layers.
# torch's own test code is left out: some of it is for newer Pythons alone.
/opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/testing/_internal/' "$packages"
