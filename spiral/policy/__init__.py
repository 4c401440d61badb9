"""The agent's networks, which actor and learner both run."""

from spiral.policy.autoregressive import EvaluatedActions, Policy, Sampled, State
from spiral.policy.build import build_policy
from spiral.policy.inputs import Inputs

__all__ = ["EvaluatedActions", "Inputs", "Policy", "Sampled", "State", "build_policy"]
