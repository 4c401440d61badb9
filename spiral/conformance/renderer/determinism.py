"""The same program gives the same pixels."""

from __future__ import annotations

import numpy as np

from spiral.conformance.case import case
from spiral.conformance.renderer.subject import RendererTarget, random_program, same

LENGTH, BATCH = 8, 4
SEEDS = (5, 6, 7, 8)


@case("renderer", "determinism")
def the_same_program_gives_the_same_pixels_twice(renderer: RendererTarget) -> None:
    """The same program gives the same pixels twice.

    Paints a random program of 8 actions on 4 canvases with fixed seeds on two streams. All observations must be equal.
    """
    program = random_program(renderer.describe().spec, LENGTH, BATCH, seed=31)
    same(renderer.paint(program, SEEDS), renderer.paint(program, SEEDS), "the second time")


@case("renderer", "determinism")
def a_reset_leaves_nothing_of_the_episode_before(renderer: RendererTarget) -> None:
    """A reset leaves nothing of the previous episode.

    Paints one program, resets, and paints another on the same stream. Its observations must be those of a fresh stream,
    the blank ones included.
    """
    spec = renderer.describe().spec
    program = random_program(spec, LENGTH, BATCH, seed=32)
    with renderer.stream(BATCH) as stream:
        stream.paint(random_program(spec, LENGTH, BATCH, seed=33), SEEDS)
        again = stream.paint(program, SEEDS)
    same(again, renderer.paint(program, SEEDS), "after another episode")


@case("renderer", "determinism")
def the_place_in_the_batch_does_not_matter(renderer: RendererTarget) -> None:
    """The place of a canvas in the batch does not matter.

    Paints 4 programs, then the same ones with their places and seeds in reverse order, then each alone. All
    observations must be equal.
    """
    program = random_program(renderer.describe().spec, LENGTH, BATCH, seed=34)
    right = renderer.paint(program, SEEDS)
    turned = renderer.paint(np.ascontiguousarray(program[:, ::-1]), SEEDS[::-1])
    same(turned[:, ::-1], right, "in other places")
    for place in range(BATCH):
        alone = renderer.paint(np.ascontiguousarray(program[:, place : place + 1]), SEEDS[place : place + 1])
        same(alone[:, 0], right[:, place], f"canvas {place} alone")


@case("renderer", "determinism")
def other_streams_do_not_matter(renderer: RendererTarget) -> None:
    """What others paint at the same time does not matter.

    Paints a program while another stream paints another one, their requests taking turns, over connections of their
    own. The observations must be those of the program painted alone.
    """
    spec = renderer.describe().spec
    program = random_program(spec, LENGTH, BATCH, seed=35)
    others = random_program(spec, LENGTH, BATCH, seed=36)
    right = renderer.paint(program, SEEDS)
    with (
        renderer.connection() as channel,
        renderer.stream(BATCH) as stream,
        renderer.stream(BATCH, channel) as other,
    ):
        frames = [stream.reset(SEEDS)]
        other.reset()
        for actions, theirs in zip(program, others, strict=True):
            other.step(theirs)
            frames.append(stream.step(actions))
    same(np.stack(frames), right, "beside another stream")


@case("renderer", "determinism")
def the_future_does_not_matter(renderer: RendererTarget) -> None:
    """An observation depends only on the actions before it.

    Paints two programs that are equal up to the middle. The observations up to there must be equal.
    """
    spec = renderer.describe().spec
    first, second = (random_program(spec, LENGTH, BATCH, seed) for seed in (37, 38))
    second[: LENGTH // 2] = first[: LENGTH // 2]
    upto = LENGTH // 2 + 1
    same(renderer.paint(second, SEEDS)[:upto], renderer.paint(first, SEEDS)[:upto], "before the programs part")


@case("renderer", "determinism")
def a_restart_does_not_matter(renderer: RendererTarget) -> None:
    """A restart of the renderer does not matter.

    Paints a program, ends the renderer with SIGTERM, starts it again, and paints the program again. The observations
    must be equal. Skipped without ``--command``.
    """
    renderer.needs_command()
    program = random_program(renderer.describe().spec, LENGTH, BATCH, seed=39)
    before = renderer.paint(program, SEEDS)
    renderer.restart()
    same(renderer.paint(program, SEEDS), before, "after a restart")
