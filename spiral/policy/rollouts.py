"""Rollouts of a policy on an engine; the caller provides the engine's side.

:class:`Painter` never waits: its caller brings the frames, from a remote renderer or from an engine in the same
process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spiral.computing.machine import require_memory
from spiral.engines import Engine
from spiral.policy import Inputs, Policy, State
from spiral.values.trajectories import Trajectory, last_start

KEPT = 50
"""Observations of a long episode that :func:`paint` keeps at a time; it needs none of them afterwards."""


class Painter:
    """``B`` episodes painted in lockstep::

        painter.begin(blank)
        while not painter.done:
            while not painter.full:
                painter.observe(canvases.step(painter.act()))
            trajectory = painter.trajectory()

    An episode is one trajectory or is cut into unrolls of ``unroll`` actions. ``policy`` may be replaced between two
    steps.
    """

    def __init__(
        self,
        policy: Policy,
        batch: int,
        generator: torch.Generator,
        unroll: int | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.policy = policy
        self._temperature = temperature
        self._batch = batch
        self._generator = generator
        self._unroll = policy.num_actions if unroll is None else min(unroll, policy.num_actions)
        self._step = self._start = policy.num_actions
        self._state: State = ()

    @property
    def done(self) -> bool:
        """Whether all actions of the episode have been executed and observed; also True before the first episode."""
        return self._step == self.policy.num_actions

    @property
    def full(self) -> bool:
        """Whether the trajectory is complete: at the end of an unroll or of the episode."""
        return self._step == min(self._start + self._unroll, self.policy.num_actions)

    def begin(self, blank: NDArray[np.uint8], targets: NDArray[np.uint8] | None = None) -> None:
        """Start new episodes from the blank observations ``[B, H, W, C]``."""
        T, B, K = self.policy.num_actions, self._batch, len(self.policy.spec)
        self._step = self._start = 0
        self._state = self.policy.initial_state(B)
        self._actions: NDArray[np.int32] = np.zeros((T, B, K), np.int32)
        self._blank = blank.copy()
        self._record(blank)
        self._targets = targets
        # Copied, once per episode: torch warns about read-only arrays, such as those from the wire.
        self._seen_targets = None if targets is None else self.policy.see(self._tensor(targets.copy()))
        self._noise = (
            torch.randn(B, self.policy.noise, generator=self._generator).numpy() if self.policy.noise else None
        )

    @torch.inference_mode()
    def act(self) -> NDArray[np.int32]:
        """Choose the next action of each episode: ``[B, K]``, components in the spec's order."""
        t = self._step
        at = t - self._start
        previous = self._actions[t - 1 : t] if t else np.zeros((1, *self._actions.shape[1:]), np.int32)
        inputs = Inputs(
            seen=self.policy.watch(self._tensor(self._observations[at : at + 1])),
            previous_action=self._tensor(previous).long(),
            step=torch.tensor([t], device=self.policy.counts.device),
            noise=None if self._noise is None else self._tensor(self._noise),
            target=self._seen_targets,
        )
        sampled = self.policy.act(inputs, self._state, self._generator, self._temperature)
        self._state = sampled.state
        self._log_prob[at] = sampled.log_prob.cpu().numpy()
        actions: NDArray[np.int32] = self._actions[t]
        actions[:] = sampled.actions.cpu().numpy()
        return actions

    def observe(self, frames: NDArray[np.uint8]) -> None:
        """Take in the observations ``[B, H, W, C]`` after the last actions."""
        self._step += 1
        self._observations[self._step - self._start] = frames

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.policy.counts.device)

    def trajectory(self) -> Trajectory:
        """The record of the finished episodes, or of the full unroll, whose last observation begins the next one."""
        if self._unroll == self.policy.num_actions:
            return Trajectory(self._observations, self._actions, self._log_prob, self._noise, self._targets)
        start, end, length = self._start, self._step, self._step - self._start
        actions = np.zeros((self._unroll, *self._actions.shape[1:]), np.int32)
        actions[:length] = self._actions[start:end]
        earlier = np.zeros_like(self._actions[: last_start(self.policy.num_actions, self._unroll)])
        earlier[:start] = self._actions[:start]
        self._observations[length + 1 :] = self._observations[length]
        self._log_prob[length:] = 0
        unroll = Trajectory(
            self._observations,
            actions,
            self._log_prob,
            self._noise,
            self._targets,
            first_step=np.full(self._batch, start, np.int32),
            earlier=earlier,
            blank=self._blank,
            state=self._memory,
        )
        self._start = end
        if not self.done:
            self._record(self._observations[length])
        return unroll

    def _record(self, first: NDArray[np.uint8]) -> None:
        """Begin an unroll in new memory; the previous one belongs to the caller."""
        self._observations = np.empty((self._unroll + 1, *first.shape), np.uint8)
        self._observations[0] = first
        self._log_prob = np.empty((self._unroll, self._batch), np.float32)
        self._memory = self.policy.pack_state(self._state).cpu().numpy() if self._state else None


def paint(
    policy: Policy,
    engine: Engine,
    num: int,
    generator: torch.Generator,
    targets: NDArray[np.uint8] | None = None,
    *,
    batch: int = 64,
    threads: int = 1,
    temperature: float = 1.0,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Paint ``num`` pictures: canvases ``[num, H, W, C]`` (not the view) and actions ``[num, T, K]``.

    Before anything is painted: MemoryError if there is not enough memory now, ValueError if there never is.
    """
    each = math.prod(engine.canvas_shape) + 4 * policy.num_actions * len(policy.spec)
    require_memory(2 * num * each, f"{num:,} pictures of {engine.canvas_shape[1]}×{engine.canvas_shape[0]} pixels")
    pictures, actions = [], []
    for start in range(0, num, batch):
        size = min(batch, num - start)
        canvases = engine.open(size, threads)
        painter = Painter(policy, size, generator, KEPT, temperature)
        painter.begin(
            canvases.reset(np.zeros(size, np.int64)), None if targets is None else targets[start : start + size]
        )
        while not painter.done:
            while not painter.full:
                painter.observe(canvases.step(painter.act()))
            program = painter.trajectory().program(policy.num_actions)
        pictures.append(canvases.canvas())
        actions.append(program.transpose(1, 0, 2))
        canvases.close()
    return np.concatenate(pictures), np.concatenate(actions)
