"""The agent's network: actor and learner both run it."""

from spiral.policy.build import build_policy
from spiral.policy.inputs import Inputs
from spiral.policy.interface import Judged, Policy, Sampled, State

__all__ = ["Inputs", "Judged", "Policy", "Sampled", "State", "build_policy"]
