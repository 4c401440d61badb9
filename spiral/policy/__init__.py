"""The agent's network: actor and learner both run it."""

from spiral.policy.build import build_policy
from spiral.policy.inputs import Inputs
from spiral.policy.interface import EvaluatedActions, Policy, Sampled, State

__all__ = ["EvaluatedActions", "Inputs", "Policy", "Sampled", "State", "build_policy"]
