"""Checks, before anything of a run is created or changed, that this machine can paint with the run's engine."""

from __future__ import annotations

from collections.abc import Sequence

from spiral.configuration.cross_checks import check_components, check_convolutions, check_lattices, check_terms
from spiral.configuration.files import blame
from spiral.configuration.schema import RunConfig
from spiral.engines import EngineMissingError, create
from spiral.values.imported import is_path


def check_engine(config: RunConfig, settings: Sequence[str]) -> tuple[int, int, int]:
    """Shape (H, W, C) of the engine's observations.

    ValueError if the renderer would refuse the engine or its settings, if learner or discriminator would refuse its
    observations, or if the user's own network or score term can't be imported. The error names the ``settings`` at
    fault.
    """
    try:
        engine = create(config.engine.name, config.engine.settings)
    except EngineMissingError as error:
        raise ValueError(f"engine: {error}") from error
    except ValueError as error:
        raise _blamed(settings, ("engine.",), error) from error
    try:
        check_lattices(engine.spec)
        check_terms(config.learner.terms, config.discriminator)
        check_components(config.learner.entropy_costs, engine.spec.names)
        if config.discriminator.kind == "learned":
            check_convolutions(config.discriminator.channels, engine.observation_shape)
        if is_path(config.policy.network):
            from spiral.policy import build_policy  # noqa: PLC0415  (a network of ours needs no look, and no torch here)

            build_policy(config.policy, engine.spec, engine.observation_shape, config.num_actions, config.conditional)
    except ValueError as error:
        key, _, _ = str(error).partition(":")
        raise _blamed(settings, ("engine.", key), error) from error
    return engine.observation_shape


def _blamed(settings: Sequence[str], keys: tuple[str, ...], error: ValueError) -> ValueError:
    """The error, preceded by the settings that may be at fault: those whose key begins like one of ``keys``."""
    chosen = [setting for setting in settings if setting.startswith(keys)]
    return ValueError(f"{blame(chosen, str(error))}: {error}" if chosen else str(error))
