"""Programs: pictures as lists of brush commands, which replay at any resolution."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spiral import pictures
from spiral.computing.machine import require_memory
from spiral.engines import Engine, create
from spiral.engines.program_files import FORMAT, FORMER, MAX_ACTIONS, MAX_BYTES, MAX_COMPONENTS, ProgramFile, parse
from spiral.values import strict_json
from spiral.values.area_average import area_average
from spiral.values.strokes import laid

MAX_PICTURES_BYTES = 4 << 30
"""Most bytes of pictures that :func:`render` returns; use :func:`frames` for more, one by one."""
ALIKE = 0.9
"""Correlation from which a larger picture counts as the same; for most brushes it is above 0.95."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One picture: the engine, its settings, and the actions that paint it.

    ``actions``: int32 ``[T, K]``, ``T`` ≥ 1, one column for each component of the engine's action spec, in its order.
    ``settings``: the engine's own, JSON values. ``engine_version`` says what painted it, and ``digests`` (SHA-256 by
    setting) with which files. Any version may replay it; if that is another one, a warning says what differs.
    ``canvas``: ``(H, W, C)`` if it is known. ``format``: of its file. ValueError if actions have another shape, are not
    integers or are negative.
    """

    engine: str
    settings: Mapping[str, Any]
    actions: NDArray[np.int32]
    seed: int = 0
    engine_version: str = field(default="", kw_only=True)
    digests: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    canvas: tuple[int, int, int] | None = field(default=None, kw_only=True)
    format: str = field(default=FORMAT, kw_only=True)

    def __post_init__(self) -> None:
        given = np.asarray(self.actions)
        if given.ndim != 2 or not 1 <= len(given) <= MAX_ACTIONS or not 1 <= given.shape[1] <= MAX_COMPONENTS:
            raise ValueError(
                f"actions: shape {list(given.shape)} is not [T, K] with 1…{MAX_ACTIONS} actions of 1…{MAX_COMPONENTS} "
                "components"
            )
        if given.dtype.kind not in "iu":
            raise ValueError(f"actions: {given.dtype} are not integers; expected int32")
        if given.min() < 0 or given.max() >= 1 << 31:
            raise ValueError(f"actions: values {given.min()}…{given.max()} do not fit into 0…{(1 << 31) - 1}")
        actions = np.array(given, dtype=np.int32, order="C")
        actions.flags.writeable = False
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "settings", dict(self.settings))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        return self._facts() == other._facts() and np.array_equal(self.actions, other.actions)

    def __hash__(self) -> int:
        return hash((self.engine, self.seed, self.actions.tobytes()))

    def _facts(self) -> tuple[object, ...]:
        return self.engine, self.settings, self.seed, self.engine_version, self.digests, self.canvas, self.format

    @classmethod
    def of(cls, engine: Engine, settings: Mapping[str, Any], actions: NDArray[np.int32]) -> Self:
        """The program of actions ``[T, K]`` that ``engine``, made with ``settings``, has painted; its seed is 0."""
        return cls(
            engine.name,
            settings,
            actions,
            engine_version=engine.version,
            digests=dict(engine.digests),
            canvas=engine.canvas_shape,
        )

    def with_settings(self, **settings: Any) -> Program:
        """The same actions with some settings of the engine changed, for example ``brush``; nothing painted it yet."""
        changed = {**self.settings, **settings}
        return replace(self, settings=changed, engine_version="", digests={}, canvas=None, format=FORMAT)

    def first(self, strokes: int) -> Program:
        """The program up to its ``strokes``-th stroke; all of it if it has no more. ValueError for less than one."""
        if strokes < 1:
            raise ValueError(f"first: {strokes} is less than 1; expected a number of strokes")
        spec = create(self.engine, self.settings).spec
        spec.validate(self.actions, self.engine)
        ends = np.flatnonzero(laid(self.actions[:, None], spec)[:, 0])
        return self if len(ends) <= strokes else replace(self, actions=self.actions[: ends[strokes - 1] + 1])

    def to_json(self) -> str:
        """The program file's text, one action per line."""
        head: dict[str, Any] = {"format": self.format, "engine": self.engine, "engine_version": self.engine_version}
        if self.format != FORMER:
            head |= {"digests": dict(self.digests), "canvas": self.canvas}
        lines = strict_json.exact(head | {"settings": self.settings, "seed": self.seed}, indent=1)
        rows = ",\n  ".join(strict_json.exact(row) for row in self.actions.tolist())
        return f'{lines.removesuffix("}").rstrip()},\n "actions": [\n  {rows}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str | bytes) -> Program:
        """Read a program file's text; ValueError with a sentence if it is not one."""
        read = parse(text)
        about: dict[str, Any] = {"engine_version": read.engine_version, "format": read.format}
        if isinstance(read, ProgramFile):
            canvas = None if read.canvas is None else tuple(read.canvas)
            about |= {"digests": read.digests, "canvas": canvas}
        return cls(read.engine, read.settings, np.array(read.actions, dtype=np.int32), read.seed, **about)

    def save(self, path: str | Path) -> None:
        """Write the program file (.json), or another format by its ending (:func:`spiral.export`).

        ValueError for an unknown ending, OSError if the file can't be written.
        """
        if Path(path).suffix == ".json":
            Path(path).write_text(self.to_json(), encoding="utf-8")
            return
        from spiral.engines.exporting import export  # noqa: PLC0415  (it imports this, and a tenth of a second more)

        export(self, path)

    def render(self, scale: int = 1) -> NDArray[np.uint8]:
        """The final picture, the canvas ``scale`` times as large: uint8 ``[H, W, C]``; errors as for :func:`render`."""
        image: NDArray[np.uint8] = render(self, scale)[0]
        return image

    def _repr_png_(self) -> bytes:
        """The final picture as a PNG, which notebooks show."""
        file = io.BytesIO()
        pictures.picture(self.render()).save(file, "PNG")
        return file.getvalue()

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """Read a program file; ValueError that names the file and what is wrong, OSError if it cannot be read."""
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{path}: {size} bytes are more than a program has, {MAX_BYTES}")
        try:
            return cls.from_json(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def frames(
    program: Program, scale: int = 1, every: int | None = None, *, transparent: bool = False, strict: bool = False
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Paint a program; yield ``(number of actions executed, canvas uint8 [H, W, C])`` as for :func:`render`.

    Errors are raised before the first frame.
    """
    _check_every(every)
    return _paint(_scaled(engine_for(program, strict), scale, transparent), program, every)


def engine_for(program: Program, strict: bool = False) -> Engine:
    """The engine that paints a program; ValueError if it can't.

    A warning says what differs from the engine that it was made with; with ``strict`` that is a ValueError.
    """
    engine = create(program.engine, program.settings)
    engine.spec.validate(program.actions, program.engine)
    difference = engine.differs(program.engine_version) or _other_files(program, engine)
    if difference is None and program.format == FORMER:
        if not program.engine_version and strict:
            difference = f"{FORMER} is from before digests were kept, and this one does not say what painted it"
        else:
            warnings.warn(f"program: {FORMER} was made before digests of its files were kept", stacklevel=3)
    if difference is not None and strict:
        raise ValueError(f"program: {difference}; expected the same ones (strict)")
    if difference is not None:
        warnings.warn(f"program: {difference}; the picture may look different", stacklevel=3)
    return engine


def _other_files(program: Program, engine: Engine) -> str | None:
    """Which file is another one than it was made with, as a sentence; None if none is."""
    for setting, digest in program.digests.items():
        here = engine.digests.get(setting)
        if here != digest:
            return (
                f"the file of {setting} was another one: its SHA-256 began with {digest[:16]}, "
                f"{f'that of the one here begins with {here[:16]}' if here else 'and here there is none'}"
            )
    return None


def _scaled(engine: Engine, scale: int, transparent: bool) -> Engine:
    return (engine.transparent() if transparent else engine).scaled(scale)


def _check_every(every: int | None) -> None:
    if every is not None and every < 1:
        raise ValueError(f"every: {every} is less than 1; leave it out for the final picture only")


def _paint(engine: Engine, program: Program, every: int | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    canvases = engine.open(1)
    try:
        canvases.reset(np.array([program.seed], dtype=np.int64))
        for step, action in enumerate(program.actions, start=1):
            canvases.step(action[None])
            if step == len(program.actions) or (every is not None and step % every == 0):
                yield step, canvases.canvas()[0]
    finally:
        canvases.close()


def render(
    program: Program, scale: int = 1, every: int | None = None, *, transparent: bool = False, strict: bool = False
) -> NDArray[np.uint8]:
    """Paint a program: the canvas (not the view) ``scale`` times as large, uint8 ``[frames, H, W, C]``.

    ``every=None``: only the final picture, one frame. ``every=k``: the picture after each k-th action and the last;
    ``every=1`` gives all ``T``. ``transparent``: no paper under the strokes, ``C`` is 4. ValueError for settings,
    actions or ``every`` out of range, for a scale beyond the engine's limits, and for more than MAX_PICTURES_BYTES. A
    warning says if another engine painted the program (with ``strict``: ValueError), or if the picture looks different
    at that scale.
    """
    _check_every(every)
    engine = _scaled(engine_for(program, strict), scale, transparent)
    shape = _shape(engine, program, every)
    if (size := math.prod(shape)) > MAX_PICTURES_BYTES:
        raise ValueError(
            f"scale: {scale} makes {shape[0]} pictures of {size} bytes in all; expected at most {MAX_PICTURES_BYTES}: "
            "choose a smaller scale or a larger every"
        )
    require_memory(size, f"scale: {scale}: {shape[0]} pictures of {shape[2]}×{shape[1]} pixels")
    images = np.empty(shape, np.uint8)
    for image, (_, frame) in zip(images, _paint(engine, program, every), strict=True):
        image[:] = frame
    if scale > 1 and (alike := _alike(program, images[-1], scale, transparent)) < ALIKE:
        warnings.warn(
            f"scale: {scale} times as large, the picture looks different: its correlation with the original is "
            f"{alike:.2f}, expected {ALIKE} or more; these settings do not keep their look",
            stacklevel=2,
        )
    return images


def shape_of(
    program: Program, scale: int = 1, every: int | None = None, *, transparent: bool = False
) -> tuple[int, int, int, int]:
    """The shape ``[frames, H, W, C]`` that :func:`render` would return; ValueError as there. Nothing is painted."""
    _check_every(every)
    return _shape(_scaled(create(program.engine, program.settings), scale, transparent), program, every)


def _shape(engine: Engine, program: Program, every: int | None) -> tuple[int, int, int, int]:
    return (math.ceil(len(program.actions) / every) if every else 1, *engine.canvas_shape)


def _alike(program: Program, large: NDArray[np.uint8], scale: int, transparent: bool) -> float:
    """Correlation of the final picture with the area average of the larger one; 0 if only one of them is plain."""
    engine = _scaled(create(program.engine, program.settings), 1, transparent)
    small = next(frame for _, frame in _paint(engine, program, None))
    pair = np.stack([small.ravel(), area_average(large[None], scale)[0].ravel()]).astype(np.float64)
    plain = [row.min() == row.max() for row in pair]
    if any(plain):
        return float(all(plain) and pair[0, 0] == pair[1, 0])
    return float(np.asarray(np.corrcoef(pair))[0, 1])
