"""What actions and observations mean."""

from __future__ import annotations

import numpy as np

from spiral.conformance.case import Skip, case, require
from spiral.conformance.renderer.subject import RendererTarget, random_program, same

LENGTH, BATCH = 8, 16


@case("renderer", "semantics")
def components_that_do_not_count_have_no_effect(renderer: RendererTarget) -> None:
    """Components that do not count have no effect.

    Paints a random program on 16 canvases, then the same one with other values wherever ``counts`` says that a
    component has no effect. All observations must be equal. Skipped if all components always count.
    """
    spec = renderer.describe().spec
    program = random_program(spec, LENGTH, BATCH, seed=41)
    masked = ~spec.mask(program)
    if not masked.any():
        raise Skip("all components of this engine always count")
    others = np.where(masked, (program + 1) % np.array(spec.sizes), program).astype(np.int32)
    same(renderer.paint(others), renderer.paint(program), "with other values where they do not count")


@case("renderer", "semantics")
def actions_have_an_effect(renderer: RendererTarget) -> None:
    """Actions have an effect, and different programs give different pictures.

    Paints a random program of 8 actions on 16 canvases. At least one canvas must differ from its blank start, and not
    all canvases may be equal at the end.
    """
    frames = renderer.paint(random_program(renderer.describe().spec, LENGTH, BATCH, seed=42))
    require((frames[-1] != frames[0]).any(), "8 random actions on 16 canvases changed no pixel")
    require((frames[-1] != frames[-1, :1]).any(), "16 different programs gave 16 equal pictures")


@case("renderer", "semantics")
def blank_canvases_are_all_alike(renderer: RendererTarget) -> None:
    """Blank canvases are all alike, and without seeds every seed is 0.

    Resets 16 canvases with no seeds, and again with 16 zeros. All observations must be equal.
    """
    with renderer.stream(BATCH) as stream:
        unsaid, said = stream.reset(), stream.reset([0] * BATCH)
    same(said, unsaid, "with seeds that are all 0")
    same(unsaid, np.repeat(unsaid[:1], BATCH, axis=0), "blank canvases")


@case("renderer", "idempotency")
def resetting_twice_is_resetting_once(renderer: RendererTarget) -> None:
    """Resetting twice is resetting once.

    Paints, resets twice, and paints a program. Both blank observations must be equal, and the program's observations
    must equal those after one reset.
    """
    spec = renderer.describe().spec
    program = random_program(spec, 4, 2, seed=43)
    right = renderer.paint(program)
    with renderer.stream(2) as stream:
        stream.paint(random_program(spec, 1, 2, seed=44))
        first = stream.reset()
        frames = stream.paint(program)
    same(first, right[0], "the first blank observation")
    same(frames, right, "after a second reset")
