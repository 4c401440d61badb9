"""Policies for engines of the tests' own, and rollouts of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from spiral.configuration.schema import PolicyConfig
from spiral.policy import Inputs, Policy, build_policy
from spiral.policy.small import SmallPolicy
from spiral.values.actions import ActionSpec, Component


def spec_of(grid: int = 8, sizes: int = 4, colour: bool = False) -> ActionSpec:
    components = [
        Component("flag", 2, "choice"),
        Component("end", grid**2, "grid"),
        Component("control", grid**2, "grid"),
        Component("size", sizes, "choice"),
        Component("pressure", 10, "choice"),
        *(Component(name, 20, "choice") for name in ("red", "green", "blue") if colour),
    ]
    K = len(components)
    return ActionSpec(tuple(components), ((True, True, *[False] * (K - 2)), (True,) * K))


NETWORKS = ("small", "looking", "glimpsing", "paper")
"""``looking``: the small one that looks about its places; ``glimpsing``: that sees what lies about the pen, too."""


def policy_of(network: str, *, spec: ActionSpec, view: tuple[int, int, int], conditional: bool = False) -> Policy:
    torch.manual_seed(0)
    policy = build_policy(config_of(network, noise=10), spec, view, num_actions=5, conditional=conditional)
    as_if_learnt(policy)
    return policy


def config_of(network: str, **settings: Any) -> PolicyConfig:
    if network == "glimpsing":
        return PolicyConfig(network="small", patch=3, glimpse=7, **settings)
    if network == "looking":
        return PolicyConfig(network="small", patch=3, **settings)
    return PolicyConfig(network=network, **settings)


def as_if_learnt(policy: Policy) -> None:
    """Weights for what it looks at, which begin at 0."""
    if isinstance(policy, SmallPolicy):
        for look in policy.looks:
            nn.init.normal_(look.weight, std=0.1)
        if policy.glimpse is not None:
            for head in policy.glimpse.heads.values():
                nn.init.normal_(head.weight, std=0.1)


def roll_out(
    policy: Policy, view: tuple[int, int, int], conditional: bool, B: int = 6
) -> tuple[torch.Tensor, torch.Tensor, Inputs]:
    """Sampled actions, their log-probabilities and the inputs they were drawn from, on random pictures."""
    generator = torch.Generator().manual_seed(1)
    T, K = policy.num_actions, len(policy.spec)
    observations = policy.see(torch.randint(0, 256, (T, B, *view), generator=generator).byte())
    noise = torch.randn(B, 10, generator=generator)
    target = policy.see(torch.randint(0, 256, (B, *view), generator=generator).byte()) if conditional else None
    previous, state = torch.zeros(1, B, K, dtype=torch.long), policy.initial_state(B)
    actions, log_probs = [], []
    with torch.inference_mode():
        for t in range(T):
            sampled = policy.act(
                Inputs(observations[t : t + 1], previous, torch.tensor([t]), noise, target), state, generator
            )
            previous, state = sampled.actions.unsqueeze(0), sampled.state
            actions.append(sampled.actions)
            log_probs.append(sampled.log_prob)
    taken = torch.stack(actions)
    before = torch.cat([torch.zeros_like(taken[:1]), taken[:-1]])
    return taken, torch.stack(log_probs), Inputs(observations, before, torch.arange(T), noise, target)
