"""The first discriminator weights of a run that begins with a model, if the model comes with a discriminator."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load

from spiral.runs.directory import Run
from spiral.services.discriminator.judge import Judge
from spiral.services.discriminator.learned_judge import LearnedJudge


def load_initial_weights(judge: Judge, run: Run) -> bool:
    """Give a new ``judge`` the weights that the run began with; False if there are none.

    Raises ValueError if they belong to another network.
    """
    try:
        data = run.initial_discriminator_file.read_bytes()
    except FileNotFoundError:
        return False
    if not isinstance(judge, LearnedJudge):
        return False
    try:
        judge.begin({name: tensor.float() for name, tensor in load(data).items()})
    except SafetensorError as error:
        raise ValueError(f"{run.initial_discriminator_file}: not a safetensors file: {error}") from error
    return True
