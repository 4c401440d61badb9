#!/bin/sh
# The first optimiser of a process imports torch's compiler, which costs about as much as importing torch.
#
# Versions: torch 2.13.0, CPU.
# One would guess: torch.optim.Adam(parameters) makes a few dictionaries; torch._dynamo, torch._inductor and sympy are
# for those who call torch.compile.
# Seen: all three are absent after `import torch` and after a forward and a backward pass, and present after the first
# optimiser was made, fused or not. A service that starts often pays for it at each start.
# Source: torch/optim/optimizer.py decorates add_param_group with torch._disable_dynamo, which imports torch._dynamo on first use.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import torch

network = torch.nn.Linear(4, 4)
network(torch.ones(1, 4)).sum().backward()
compiler = ("torch._dynamo", "torch._inductor", "sympy")
before = [name for name in compiler if name in sys.modules]
start = time.process_time()
torch.optim.SGD(network.parameters(), lr=0.1)
seconds = time.process_time() - start
after = [name for name in compiler if name in sys.modules]
print(f"imported before: {before}; after the first optimiser: {after}; {seconds:.2f} s of processor time")
assert before == [], before
assert after == list(compiler), after
PYTHON
