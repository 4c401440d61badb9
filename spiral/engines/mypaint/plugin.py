"""The part of the engine ``mypaint`` that works without libmypaint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from spiral.engines.interface import EngineMissingError
from spiral.engines.mypaint.brushes import BUNDLED, brushes_in, find_pack
from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.engines.plugin import EnginePlugin, Environment
from spiral.values.finding import Finding

if TYPE_CHECKING:
    from spiral.engines.mypaint.engine import MyPaint


class MyPaintPlugin(EnginePlugin):
    """libmypaint and its brushes."""

    name = "mypaint"
    environment = Environment(
        "spiral/MyPaint-v0", single="spiral.gym.single:MyPaintEnv", vector="spiral.gym.vector:MyPaintVectorEnv"
    )
    debian_packages = ("libmypaint-1.5-1", "mypaint-brushes")
    file_settings: ClassVar[Mapping[str, str]] = {"brush": ".myb"}

    def create(self, settings: Mapping[str, Any]) -> MyPaint:
        """See :class:`EnginePlugin`."""
        from spiral.engines.mypaint.engine import MyPaint  # noqa: PLC0415  (it needs libmypaint)

        return MyPaint.from_settings(settings)

    def large(
        self, settings: Mapping[str, Any], canvas: tuple[int, int], places: tuple[int, int], zooms: Sequence[int]
    ) -> dict[str, Any]:
        """See :class:`EnginePlugin`."""
        sizes = settings.get("brush_sizes", MyPaintSettings().brush_sizes)
        kept = {key: value for key, value in settings.items() if key != "view"}
        many = [size * zoom for zoom in zooms for size in sizes]
        return {**kept, "canvas": list(canvas), "grid": list(places), "brush_sizes": many}

    def examine(self) -> Iterator[Finding]:
        """See :class:`EnginePlugin`: the library and the pack of brushes."""
        try:
            yield Finding("libmypaint", "good", self.create({}).version)
        except EngineMissingError as error:
            subject = "brushes" if "brush" in str(error) else "libmypaint"
            yield Finding(subject, "bad", str(error), "make setup installs what is missing")
            return
        try:
            folder = find_pack(os.environ)
        except EngineMissingError as error:
            yield Finding("brushes", "good", f"{', '.join(brushes_in(BUNDLED))}; for others: {error}")
            return
        yield Finding("brushes", "good", f"{len(brushes_in(folder))} in {folder}")

    def blank(self, settings: Mapping[str, Any]) -> tuple[str, str]:
        """See :class:`EnginePlugin`. Erasers and blenders leave nothing, and neither do brushes for other pens."""
        brush = settings.get("brush", MyPaintSettings().brush)
        return (
            f'the brush "{brush}" leaves nothing on a blank canvas with these settings: no random stroke changes it, '
            "so there is nothing to learn from"
        ), "choose another brush for a new run, for example --set engine.settings.brush=classic/pen"


PLUGIN = MyPaintPlugin()
