"""Reconstructs targets: makes several attempts at each, keeps the best and may refine it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.engines.programs import Program, render
from spiral.evaluation.targets import SSIM_WINDOW, mse, ssim
from spiral.models.trained import Trained
from spiral.reconstruction.search import Search


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The best of several attempts, refined or as it was painted."""

    program: Program
    painted: NDArray[np.uint8]
    """The canvas as the policy painted it, uint8 ``[H, W, C]``."""
    painted_mse: float
    """Mean squared error of its view against the target, pixels from 0 to 1."""
    canvas: NDArray[np.uint8]
    """The canvas that the program paints; the same as ``painted`` without refinement."""
    mse: float
    ssim: float | None
    """Structural similarity to the target; None if the view is too small for it."""
    changes: int
    """Number of changes tried."""


def reconstruct(
    trained: Trained, target: NDArray[np.uint8], attempts: int, seed: int, refine: int = 0
) -> Reconstruction:
    """Paint ``target`` ``[H, W, C]`` ``attempts`` times and keep the attempt with the least squared error.

    Then ``refine`` changes of it are tried, and those that lower the error are kept. Raises ValueError if the
    policy takes no target.
    """
    wanted = np.repeat(target[None], attempts, axis=0)
    canvases, actions = trained.paint(attempts, seed, wanted)
    errors = mse(trained.view(canvases), wanted)
    best = int(errors.argmin())
    program, canvas, error, changes = trained.program(actions[best]), canvases[best], errors[best], 0
    if refine:
        search = Search(trained.engine, target[None], actions[best][None], trained.config.policy.moves, seed)
        search.advance(refine)
        search.close()
        program, error, changes = trained.program(search.programs[0]), search.errors[0], search.tried
        canvas = render(program)[0]
    large_enough = min(target.shape[:2]) >= SSIM_WINDOW
    return Reconstruction(
        program,
        painted=canvases[best],
        painted_mse=float(errors[best]),
        canvas=canvas,
        mse=float(error),
        ssim=float(ssim(trained.view(canvas[None]), target[None])[0]) if large_enough else None,
        changes=changes,
    )
