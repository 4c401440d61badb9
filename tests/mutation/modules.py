"""Which modules are mutated: what learns, what it optimizes, and what samples and evaluates actions."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
LEARNER = (
    "batch",
    "companions",
    "hindsight",
    "losses",
    "optimising",
    "policy_learner",
    "rewards",
    "schedule",
    "unrolls",
    "update_statistics",
)
OBJECTIVES = ("pictures", "vtrace_returns")
POLICY = ("autoregressive", "categorical", "glimpse", "inputs", "sight")
MODULES = (
    *(f"spiral/services/learner/{name}.py" for name in LEARNER),
    *(f"spiral/objectives/{name}.py" for name in OBJECTIVES),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("spiral/objectives/*/[!_]*.py"))),
    *(f"spiral/policy/{name}.py" for name in POLICY),
)
