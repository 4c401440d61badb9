"""A scene as MJCF, MuJoCo's file format: the same objects, camera and light, for its viewer and its renderer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from spiral.engines.scenes import geometry

FAR = 20.0
"""Half side of the ground, which fills the picture."""
THICK = 0.1
"""Half height of table and ground."""
STEP = 0.002
"""Height of the table above the ground: MuJoCo cannot order two surfaces in the same plane."""

SLICES = 96


@dataclass(frozen=True, slots=True)
class Geom:
    """An object in MuJoCo's terms: its own names, and lengths in meters, which are half sides of the table."""

    type: str
    size: tuple[float, float, float]
    pos: tuple[float, float, float]
    quat: tuple[float, float, float, float]
    rgba: tuple[float, float, float, float]


def geom(attributes: Sequence[int]) -> Geom:
    """The geom of an object whose six attributes are those of an action."""
    kind, place, size, *color = attributes
    row, column = divmod(place, geometry.GRID)
    radius = geometry.RADII[size]
    sizes, height, quat = _shape(geometry.TYPES[kind], radius)
    pos = ((2 * column + 1) / geometry.GRID - 1, 1 - (2 * row + 1) / geometry.GRID, height)
    red, green, blue = (geometry.LEVELS[level] for level in color)
    return Geom(geometry.TYPES[kind], sizes, pos, quat, (red, green, blue, 1.0))


def _shape(kind: str, radius: float) -> tuple[tuple[float, float, float], float, tuple[float, float, float, float]]:
    """``size`` and ``quat`` of a geom, and the height of its center."""
    upright = (1.0, 0.0, 0.0, 0.0)
    if kind == "box":
        half, cosine = geometry.BOX_HALF * radius, geometry.BOX_TURN[0]
        return (half, half, half), half, (math.sqrt((1 + cosine) / 2), 0.0, 0.0, math.sqrt((1 - cosine) / 2))
    if kind == "cylinder":
        thick, half = (ratio * radius for ratio in geometry.CYLINDER)
        return (thick, half, 0.0), half, upright
    if kind == "capsule":
        thick, half = (ratio * radius for ratio in geometry.CAPSULE)
        return (thick, half, 0.0), thick, (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)  # its axis is z until turned
    return (radius, 0.0, 0.0), radius, upright


def mjcf(objects: Iterable[Sequence[int]], side: int = 640, slices: int = SLICES) -> str:
    """MJCF of a scene: objects ``[N, 6]``, seen by the camera ``scene``.

    ``side``: of the largest picture, pixels; ``slices``: flat pieces around a sphere, a cylinder or a capsule.
    """
    model = ElementTree.Element("mujoco", model="scene")
    visual = ElementTree.SubElement(model, "visual")
    # Of the scene, not of the person who looks at it.
    ElementTree.SubElement(visual, "headlight", ambient="0 0 0", diffuse="0 0 0", specular="0 0 0")
    ElementTree.SubElement(visual, "global", offwidth=str(side), offheight=str(side))
    ElementTree.SubElement(
        visual, "quality", shadowsize="0", offsamples="0", numslices=str(slices), numstacks=str(slices // 2)
    )
    ElementTree.SubElement(model, "statistic", extent="4", center="0 0 0")
    world = ElementTree.SubElement(model, "worldbody")
    ElementTree.SubElement(
        world,
        "light",
        directional="true",
        castshadow="false",
        pos="0 0 4",
        dir=_text(-value for value in geometry.LIGHT),
        ambient=_text([geometry.AMBIENT] * 3),
        diffuse=_text([geometry.DIFFUSE] * 3),
        specular="0 0 0",
    )
    camera = geometry.camera()
    ElementTree.SubElement(
        world,
        "camera",
        name="scene",
        pos=_text(camera.eye),
        xyaxes=_text((*_unit(camera.right), *_unit(camera.up))),
        fovy=_text([geometry.field_of_view()]),
    )
    for name, half, top, color in (("ground", FAR, -STEP, geometry.GROUND), ("table", 1.0, 0.0, geometry.TABLE)):
        plate = Geom("box", (half, half, THICK), (0.0, 0.0, top - THICK), (1.0, 0.0, 0.0, 0.0), (*color, 1.0))
        _add(world, name, plate)
    for number, attributes in enumerate(objects, start=1):
        _add(world, f"object{number}", geom(attributes))
    ElementTree.indent(model)
    return ElementTree.tostring(model, encoding="unicode") + "\n"


def _add(world: ElementTree.Element, name: str, it: Geom) -> None:
    ElementTree.SubElement(
        world,
        "geom",
        name=name,
        type=it.type,
        size=_text(it.size),
        pos=_text(it.pos),
        quat=_text(it.quat),
        rgba=_text(it.rgba),
    )


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector)
    return [value / length for value in vector]


def _text(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)
