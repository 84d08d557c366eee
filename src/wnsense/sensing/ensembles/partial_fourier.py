"""Entries of the two-dimensional Fourier transform of a matrix."""

from typing import ClassVar

import torch
from jaxtyping import Complex, Inexact
from torch import Tensor

from wnsense.checks import require, size_text
from wnsense.linalg import Dtype
from wnsense.sensing.ensembles.transforms import TransformedEntrySensing
from wnsense.sensing.given_numbers import NumbersLike, index_tensor
from wnsense.sensing.space import Size, Space


class PartialFourierSensing(TransformedEntrySensing):
    """Real and imaginary parts of entries of `F Z F^H`, `F` the unitary discrete Fourier transforms of both sides.

    Entry p, q is entry p, -q (modulo m2) of the two-dimensional transform `F Z F^T`. In this order the transform is
    Hermitian if `Z` is, and `Z~[-p, -q]` is the conjugate of `Z~[p, q]` if `Z` is real. There are no signs.
    """

    complex_transform: ClassVar[bool] = True
    has_signs: ClassVar[bool] = False

    @classmethod
    def from_frequencies(
        cls, frequencies: NumbersLike, size: Size, *, kind: str = "rectangular", dtype: Dtype = None
    ) -> "PartialFourierSensing":
        """Measure entries of `torch.fft.fft2(Z, norm="ortho")`: k real parts, then k imaginary parts.

        Nothing is scaled, and positions may be repeated. Imaginary parts that must vanish are rows of zeros.

        Args:
            frequencies: Positions as integers, (k, 2); negative ones count from the end.
            size: Side `m`, or `(m1, m2)`.
            kind: Kind of the unknown.
            dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.

        Raises:
            InputError: If a position lies outside, or is not an integer.
        """
        places = index_tensor("positions", frequencies)
        space = Space.from_size(size, kind, dtype, places.device)
        shape = space.shape
        require(len(places) > 0, "at least one position", "none")
        require(places.shape[1:] == (2,), "positions of size k x 2", size_text(places.shape))
        sides = torch.tensor(shape, device=places.device)
        outside = ((places < -sides) | (places >= sides)).any(-1)
        if bool(outside.any()):
            first = places[outside][0].tolist()
            require(condition=False, needed=f"positions inside a {shape[0]} x {shape[1]} spectrum", came=tuple(first))
        rows = (places[:, 0] % shape[0]).repeat(2)
        columns = (-places[:, 1] % shape[1]).repeat(2)
        imaginary = torch.arange(len(rows), device=rows.device) >= len(places)
        weights = torch.ones(len(rows), dtype=space.real_dtype, device=rows.device)
        return cls(rows, columns, weights, space, imaginary)

    def _transform(self, A: Inexact[Tensor, "*batch m"]) -> Complex[Tensor, "*batch m"]:
        W: Tensor = torch.fft.fft(A, norm="ortho")
        return W

    def _transform_back(self, A: Complex[Tensor, "*batch m"]) -> Complex[Tensor, "*batch m"]:
        W: Tensor = torch.fft.ifft(A, norm="ortho")
        return W
