"""How well it paints: LeNet-FID against real digits, class histogram, MSE against targets."""

from spiral.evaluation.digits import DigitsReference, DigitsReport, default_reference, evaluate_pictures
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of
from spiral.evaluation.targets import mse

__all__ = [
    "DigitsReference",
    "DigitsReport",
    "Gaussian",
    "default_reference",
    "evaluate_pictures",
    "frechet_distance",
    "gaussian_of",
    "mse",
]
