"""Photographs as rectangular matrices, or lifted to positive semidefinite ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from wnsense.checks import InputError, require
from wnsense.sensing.low_rank import LowRank

_BRIGHTEST = 255.0
# Name of a drawing made here, for use without photographs.
DRAWING = "drawing"


@dataclass(frozen=True)
class Photograph:
    """Middle of a photograph in grey; each pixel is the mean of a square block.

    Attributes:
        name: Name of a photograph in the package scikit-image (no download), or "drawing", which is made here.
        block: Side of a block, in pixels of the photograph.
        rows: Rows of the result.
        columns: Columns of the result.
    """

    name: str
    block: int
    rows: int
    columns: int

    def pixels(self) -> Float[np.ndarray, "rows columns"]:
        """Return the brightness, from 0 to 1.

        Raises:
            InputError: If there is no such photograph, or it is too small.
        """
        height, width = self.rows * self.block, self.columns * self.block
        grey = _drawing(height, width) if self.name == DRAWING else _packaged(self.name)
        require(
            grey.shape[0] >= height and grey.shape[1] >= width,
            f"a photograph of at least {height} x {width} pixels",
            f"{self.name}, {grey.shape[0]} x {grey.shape[1]}",
        )
        top, left = (grey.shape[0] - height) // 2, (grey.shape[1] - width) // 2
        middle = grey[top : top + height, left : left + width]
        means: np.ndarray = middle.reshape(self.rows, self.block, self.columns, self.block).mean((1, 3))
        return means


def _packaged(name: str) -> np.ndarray:
    try:
        import skimage
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "needed the photographs in the package scikit-image, got none; pip install 'wnsense[studies]'"
        ) from error
    path = Path(skimage.__file__).parent / "data" / f"{name}.png"
    require(path.exists(), f"a photograph {name} in scikit-image", "none there")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"), dtype=np.float64)
    grey: np.ndarray = pixels / _BRIGHTEST
    return grey


def _drawing(height: int, width: int) -> np.ndarray:
    """Return a drawing: a disc and a bar before a slope of brightness."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    picture: np.ndarray = 0.2 + 0.4 * y * x
    picture[(y - 0.4) ** 2 + (x - 0.35) ** 2 < 0.06] = 0.9
    picture[(np.abs(y - 0.7) < 0.06) & (x > 0.5)] = 0.05
    return picture


def best_approximation(picture: Float[np.ndarray, "m1 m2"], rank: int) -> Float[np.ndarray, "m1 m2"]:
    """Return the nearest matrix of a rank in the Frobenius norm (Eckart-Young)."""
    U, values, Vh = np.linalg.svd(picture, full_matrices=False)
    nearest: np.ndarray = (U[:, :rank] * values[:rank]) @ Vh[:rank]
    return nearest


def as_rectangular(picture: Float[np.ndarray, "m1 m2"], rank: int) -> LowRank:
    """Return the best approximation of a rank of the picture `B = U S V^T`, by factors."""
    U, values, Vh = _svd(picture, rank)
    return LowRank(torch.from_numpy(U), torch.diag(torch.from_numpy(values)), torch.from_numpy(Vh.T.copy()))


def lifted(picture: Float[np.ndarray, "m1 m2"], rank: int) -> LowRank:
    """Return a positive semidefinite matrix that contains the picture, or its best approximation of a rank.

        A = [U; V] S [U; V]^T = [[(B B^T)^{1/2}, B], [B^T, (B^T B)^{1/2}]]  for  B = U S V^T

    The columns of `[U; V]/sqrt(2)` are orthonormal, so the eigenvalues of A are `2 S`. Rank and condition number are
    those of B, and the corner of the best approximation of rank `r` of A is that of B. Two other liftings are worse.
    The dilation `[[0, B], [B^T, 0]]` is indefinite; it becomes semidefinite only by a multiple of the identity, which
    has full rank. `B^T B` squares the condition number and does not determine U. The cost of A: it has `m1 + m2` rows,
    and its measurements contain the two diagonal blocks beside the picture, unlike those of a camera.
    """
    U, values, Vh = _svd(picture, rank)
    X = np.concatenate([U, Vh.T]) / np.sqrt(2)
    return LowRank(torch.from_numpy(X), torch.diag(torch.from_numpy(2 * values)))


def _svd(picture: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    U, values, Vh = np.linalg.svd(picture, full_matrices=False)
    return U[:, :rank].copy(), values[:rank].copy(), Vh[:rank].copy()
