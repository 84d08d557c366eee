"""A sensor that learns of a covariance from images that it meets once and never keeps."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing

# Rows projected at once: small enough that the projections stay in the processor's cache.
_ROWS = 5000


@dataclass
class CovarianceSensor:
    """Sketches a^T S a - b^T S b of the covariance S of images that stream by (Cai and Zhang, arXiv 1310.5791).

    For each vector it keeps two sums, of a^T x and of (a^T x)^2 over the images x seen so far: a^T S a is the variance
    of a^T x, the mean of squares less the square of the mean.

    Attributes:
        operator: The vectors; what recovers the covariance from `sketches()`.
        seen: How many images have gone by.
    """

    operator: PairedRankOneSensing
    seen: int = 0
    _sums: Float[Tensor, "2 n"] = field(init=False, repr=False)
    _squares: Float[Tensor, "2 n"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Begin with empty sums, in double precision whatever the vectors have: they grow with every image."""
        self._sums = torch.zeros(2, self.operator.count, dtype=torch.float64, device=self.operator.device)
        self._squares = torch.zeros_like(self._sums)

    def see(self, images: Float[Tensor, "batch pixels"]) -> None:
        """Let a batch of images go by.

        Raises:
            InputError: When the images have not one pixel for each entry of a vector.
        """
        require_size("an image", images.shape[1:], self.operator.shape[:1], "a pixel for each entry of a vector")
        seen = images.to(device=self.operator.device, dtype=self.operator.dtype).mT
        for k, vectors in enumerate((self.operator.vectors, self.operator.vectors_minus)):
            for first in range(0, self.operator.count, _ROWS):
                rows = slice(first, first + _ROWS)
                projections = vectors[rows] @ seen
                self._sums[k, rows] += projections.sum(-1)
                self._squares[k, rows] += projections.square_().sum(-1)
        self.seen += len(images)

    def sketches(self) -> Float[Tensor, " n"]:
        """y_i = a_i^T S a_i - b_i^T S b_i for the covariance S of the images seen, centred, divided by their number.

        Raises:
            InputError: When no image has been seen.
        """
        require(self.seen > 0, "at least one image", "none")
        variances = self._squares / self.seen - (self._sums / self.seen).square()
        return (variances[0] - variances[1]).to(self.operator.real_dtype)
