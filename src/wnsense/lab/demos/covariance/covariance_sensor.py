"""Sensor that measures a covariance while images pass by, and stores no image."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing

# Number of rows projected at once: few enough that the projections stay in the processor's cache.
_ROWS = 5000


@dataclass(frozen=True)
class CovarianceSensor:
    """Sketches `a^T S a - b^T S b` of the covariance `S` of passing images (Cai and Zhang, arXiv 1310.5791).

    The sensor holds two sums for each vector: those of `a^T x` and of `(a^T x)^2` over the images `x` so far. Then
    `a^T S a` is the variance of `a^T x`, the mean of the squares minus the square of the mean.

    Attributes:
        operator: Vectors `a` and `b`; the operator that recovers the covariance from `sketches()`.
        seen: Number of images so far.
        sums: Sums of `a^T x` and of `b^T x`.
        squares: Sums of `(a^T x)^2` and of `(b^T x)^2`.
    """

    operator: PairedRankOneSensing
    seen: int
    sums: Float[Tensor, "2 n"]
    squares: Float[Tensor, "2 n"]

    @classmethod
    def empty(cls, operator: PairedRankOneSensing) -> "CovarianceSensor":
        """Return a sensor before its first image; its sums have double precision, since they grow with every image."""
        sums = torch.zeros(2, operator.count, dtype=torch.float64, device=operator.device)
        return cls(operator, 0, sums, torch.zeros_like(sums))

    def after(self, images: Float[Tensor, "batch pixels"]) -> "CovarianceSensor":
        """Return the sensor after a batch of images.

        Raises:
            InputError: If the number of pixels is not the number of entries of a vector.
        """
        require_size("an image", images.shape[1:], self.operator.shape[:1], "a pixel for each entry of a vector")
        columns = images.to(device=self.operator.device, dtype=self.operator.dtype).mT
        sums, squares = self.sums.clone(), self.squares.clone()
        for k, vectors in enumerate((self.operator.vectors, self.operator.vectors_minus)):
            for first in range(0, self.operator.count, _ROWS):
                rows = slice(first, first + _ROWS)
                projections = vectors[rows] @ columns
                sums[k, rows] += projections.sum(-1)
                squares[k, rows] += projections.square_().sum(-1)
        return CovarianceSensor(self.operator, self.seen + len(images), sums, squares)

    def sketches(self) -> Float[Tensor, " n"]:
        """Return `y_i = a_i^T S a_i - b_i^T S b_i` for the covariance `S` of the images so far.

        The covariance is that of the centred images, divided by their number.

        Raises:
            InputError: If there was no image.
        """
        require(self.seen > 0, "at least one image", "none")
        variances = self.squares / self.seen - (self.sums / self.seen).square()
        return (variances[0] - variances[1]).to(self.operator.real_dtype)
