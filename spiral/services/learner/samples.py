"""Pictures, programs and snapshots that a learner leaves in the run's directory for people to look at."""

from __future__ import annotations

from pathlib import Path

from spiral import pictures
from spiral.configuration.schema import EngineConfig
from spiral.engines.programs import Program
from spiral.policy import Policy
from spiral.policy.weights import dump_weights
from spiral.values.atomic_file import atomic_write
from spiral.values.trajectories import Trajectory

SHEET = 64
"""Paintings on a contact sheet."""
PROGRAMS = 8
"""Programs kept of each sampled batch: enough to replay, few enough to browse."""
KEPT_SHEETS = 20
"""Contact sheets kept; otherwise a long run would fill the disk."""
FRAME_MS = 400
"""Time that the animation shows each stroke, ms."""
SNAPSHOTS = ("start", "quarter-1", "quarter-2", "quarter-3", "end")
"""Names of the snapshots, in order."""


def write_samples(folder: Path, frames: int, trajectory: Trajectory, engine: EngineConfig, engine_version: str) -> None:
    """Write a contact sheet, an animation and some programs of a learned trajectory, beside the targets if any."""
    final, targets = trajectory.observations[-1, :SHEET], trajectory.targets
    if targets is None:
        sheet = pictures.contact_sheet(final)
    else:
        sheet = pictures.side_by_side({"painted": final, "targets": targets[:SHEET]})
    pictures.save_png(sheet, folder / f"sheet-{frames:010d}.png")
    shown = [trajectory.observations[1:, 0], *([] if targets is None else [targets[:1]])]
    pictures.save_painting_gif(folder / f"painting-{frames:010d}.gif", shown, ms_per_frame=FRAME_MS)
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for b in range(min(PROGRAMS, trajectory.batch)):
        program = Program(
            engine=engine.name,
            settings=engine.settings,
            actions=trajectory.actions[:, b],
            engine_version=engine_version,
        )
        program.save(programs / f"{frames:010d}-{b}.json")
    for old in sorted(folder.glob("sheet-*.png"))[:-KEPT_SHEETS]:
        number = old.stem.removeprefix("sheet-")
        for file in (old, folder / f"painting-{number}.gif", *programs.glob(f"{number}-*.json")):
            file.unlink(missing_ok=True)


def write_snapshot(folder: Path, name: str, average: Policy) -> None:
    """Write the averaged weights under one of :data:`SNAPSHOTS`, apart from the checkpoints that rotate."""
    with atomic_write(folder / f"{name}.safetensors") as aside:
        aside.write_bytes(dump_weights(average.state_dict()))
