"""Graphics back ends. An engine turns actions into pictures and is a black box to everything else."""

from spiral.engines.interface import Canvases, Engine, EngineMissingError
from spiral.engines.registry import create

__all__ = ["Canvases", "Engine", "EngineMissingError", "create"]
