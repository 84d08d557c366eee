"""Laws of random masks for coded diffraction patterns."""

import math
from enum import StrEnum

import torch
from torch import Tensor

from wnsense.linalg import Rng


class MaskLaw(StrEnum):
    """Law of the entries of random masks, i.i.d. with mean zero.

    OCTANARY and TERNARY are the admissible laws of Candes, Li and Soltanolkotabi (arXiv 1310.3240, 1407.1065):
    `E |d|^4 = 2 (E |d|^2)^2`, for complex and for real images. OCTANARY is `b c`, with `b` uniform on {1, -1, i, -i}
    and `c` equal to `sqrt(1/2)` or `sqrt(3)` with probabilities 4/5 and 1/5. TERNARY is 1, 0, -1 with probabilities
    1/4, 1/2, 1/4 and real. PHASES is uniform on the unit circle.
    """

    OCTANARY = "octanary"
    TERNARY = "ternary"
    PHASES = "phases"

    @property
    def power(self) -> float:
        """Power `E |d|^2`."""
        return 0.5 if self is MaskLaw.TERNARY else 1.0

    def draw(self, shape: tuple[int, ...], *, generator: Rng = None, dtype: torch.dtype = torch.float64) -> Tensor:
        """Draw independent entries, complex unless ternary.

        Args:
            shape: Shape (L, *image) of the masks.
            generator: Source of randomness.
            dtype: Real dtype of their precision.
        """
        device = generator.device if generator is not None else torch.device("cpu")

        def uniform() -> Tensor:
            return torch.rand(shape, generator=generator, dtype=torch.float64, device=device)

        if self is MaskLaw.TERNARY:
            drawn = uniform()
            return (drawn < 1 / 4).to(dtype) - (drawn >= 3 / 4).to(dtype)
        if self is MaskLaw.PHASES:
            return torch.polar(torch.ones(shape, dtype=torch.float64, device=device), 2 * math.pi * uniform()).to(
                dtype.to_complex()
            )
        quarter = torch.randint(4, shape, generator=generator, device=device)
        # A table, since cosines are not exactly zero.
        b = torch.tensor([1, 1j, -1, -1j], dtype=torch.complex128, device=device)[quarter]
        large = uniform() < 1 / 5
        c = torch.full(shape, math.sqrt(0.5), dtype=torch.float64, device=device).masked_fill_(large, math.sqrt(3))
        return (b * c).to(dtype.to_complex())
