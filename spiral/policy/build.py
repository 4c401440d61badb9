"""Builds the network that a configuration names."""

from __future__ import annotations

from spiral.configuration.cross_checks import check_lattices
from spiral.configuration.schema import PolicyConfig
from spiral.policy.autoregressive import Policy
from spiral.policy.paper import PaperPolicy
from spiral.policy.small import SmallPolicy
from spiral.values.actions import ActionSpec
from spiral.values.imported import imported_class
from spiral.values.strokes import is_compound


def build_policy(
    config: PolicyConfig,
    spec: ActionSpec,
    observation_shape: tuple[int, int, int],
    num_actions: int,
    conditional: bool,
) -> Policy:
    """A freshly initialized policy; ValueError if the network can't handle the engine or can't be imported."""
    policy: Policy
    check_lattices(spec)
    if config.network != "small" and (config.patch or config.glimpse):
        raise ValueError(
            f'policy.patch: {config.patch}, policy.glimpse: {config.glimpse}, but only the network "small" has them; '
            "expected 0 for both"
        )
    if config.network == "paper":
        policy = PaperPolicy(spec, observation_shape, num_actions, noise=config.noise, conditional=conditional)
    elif config.network != "small":
        network = imported_class(config.network, Policy, "policy.network")
        policy = network(spec, observation_shape, num_actions, noise=config.noise, conditional=conditional)
    else:
        policy = SmallPolicy(
            spec,
            observation_shape,
            num_actions,
            width=config.width,
            pooled_size=config.pooled_size,
            patch=config.patch,
            glimpse=config.glimpse,
            noise=config.noise,
            conditional=conditional,
        )
    policy.blind = config.blind
    policy.moves = config.moves
    if policy.moves != "free" and is_compound(spec):
        raise ValueError(
            f'policy.moves: "{policy.moves}" says which actions move the pen without painting; in this engine\'s '
            'interface, compound, no action paints by itself; expected "free"'
        )
    return policy
