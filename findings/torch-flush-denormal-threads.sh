#!/bin/sh
# Flushing denormals in torch reaches the threads that start afterwards, not those that run already.
#
# Versions: torch 2.13.0, CPU, x86-64 Linux, its OpenMP runtime libgomp.
# One would guess: torch.set_flush_denormal(True) is a setting of the process, so every number of a tensor is treated alike.
# Seen: after anything was computed in parallel, only the calling thread's part of a tensor is flushed; the workers keep
# the floating-point flags of the moment they were started. Set before the first parallel work, all parts are flushed.
# Source: measured; the documentation of torch.set_flush_denormal names no threads.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.3.5
cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch

torch.set_num_threads(2)
if sys.argv[1] == "after":
    torch.ones(1 << 20) * 2  # starts the worker
assert torch.set_flush_denormal(True)
smallest_normal = torch.full((1 << 20,), 2.0**-126)
print((smallest_normal * 0.25 == 0).float().mean().item())
PYTHON
before=$("$folder/venv/bin/python" "$folder/seen.py" before)
after=$("$folder/venv/bin/python" "$folder/seen.py" after)
echo "share flushed: $before where set first, $after where a parallel computation came before"
[ "$before" = 1.0 ] && [ "$after" = 0.5 ]
