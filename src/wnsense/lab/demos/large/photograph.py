"""Phase retrieval at the size of a photograph, from its diffraction intensities behind a few masks."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.demos.large.recovery_table import with_recovery
from wnsense.recovery import Recovery, recover
from wnsense.running.stop import Callback
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

_BRIGHTEST = 255.0


def photograph(path: Path | None = None, side: int = 1024) -> Float[Tensor, "side side"]:
    """Read the middle of a photograph in grey, brightness from 0 to 1.

    Args:
        path: Image file with sides of at least `side`; by default the retina in scikit-image (1411 x 1411, CC0).
        side: Side of the square in pixels.

    Raises:
        InputError: If there is no such image, or it is too small.
    """
    if path is None:
        path = _retina()
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"), dtype=np.float64)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"needed an image file at {path}, got {type(error).__name__}; give another") from error
    require(
        min(grey.shape) >= side, f"an image of at least {side} x {side} pixels", f"{grey.shape[0]} x {grey.shape[1]}"
    )
    top, left = ((length - side) // 2 for length in grey.shape)
    return torch.from_numpy(grey[top : top + side, left : left + side] / _BRIGHTEST)


def _retina() -> Path:
    try:
        import skimage
    except ImportError as error:
        raise InputError(
            "needed the photograph in the package scikit-image, got none; "
            "pip install 'wnsense[studies]', or name an image"
        ) from error
    return Path(skimage.__file__).parent / "data" / "retina.jpg"


def diffraction_problem(image: Float[Tensor, "side side"], *, masks: int = 8, seed: int = 0) -> Problem:
    """Return the coded diffraction problem of a photograph `x`, without phases; the truth is `x x^T`.

    Args:
        image: Real photograph.
        masks: Number of octanary masks, `L`; `n` is `L` times the number of pixels.
        seed: Seed of the masks.
    """
    x = image.reshape(image.numel(), 1)
    truth = LowRank(x, torch.ones(1, 1, dtype=x.dtype))
    generator = torch.Generator().manual_seed(seed)
    sides = tuple(image.shape)
    operator = CodedDiffractionSensing.draw(masks, sides, kind="psd", generator=generator, dtype=x.dtype)
    return Problem.measure(operator, truth)


def retrieve_photograph(
    image: Float[Tensor, "side side"],
    *,
    masks: int = 8,
    seed: int = 0,
    callback: Callback | None = None,
) -> tuple[Recovery, Table]:
    """Measure a photograph by coded diffraction without phases, and recover it with `recover()`.

    Args:
        image: Real photograph.
        masks: Number of octanary masks, `L`; `n` is `L` times the number of pixels.
        seed: Seed of the masks and the recovery.
        callback: Callback for progress.

    Returns:
        The recovery, and a table with the photograph, true and recovered, the trace and the cost. The measurements do
        not determine the sign of the photograph; it is set to agree with the truth.
    """
    problem = diffraction_problem(image, masks=masks, seed=seed)
    recovery = recover(problem.operator, problem.measurements, truth=problem.truth, seed=seed, callback=callback)
    x = image.reshape(-1)
    unsigned = _leading(recovery.matrix)
    recovered = unsigned * torch.sign((unsigned * x).sum())
    error = float((recovered - x).norm() / x.norm())
    header = {
        "masks": masks,
        "pixels": image.numel(),
        "measurements": problem.operator.count,
        "image_error": error,
    }
    arrays = {"photograph": image.numpy(), "recovered": recovered.reshape(image.shape).numpy()}
    return recovery, with_recovery(Table(header, arrays), recovery)


def _leading(matrix: LowRank) -> Float[Tensor, " m"]:
    """Return the vector `x` of the best `x x^T`."""
    Z = matrix.orthonormal()
    return Z.X[:, 0] * Z.Theta[0, 0].clamp(min=0).sqrt()
