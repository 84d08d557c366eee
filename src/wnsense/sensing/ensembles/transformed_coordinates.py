"""Coordinates of transformed matrices: entries that determine each other count once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.sensing.kinds import Kind


@dataclass(frozen=True)
class TransformedCoordinates:
    """Coordinates of transformed matrices of a kind, numbered with gaps: (p m2 + q) parts + part.

    Entries of `Z~` that determine each other are one coordinate, that of the first of them. `Z~` is Hermitian for the
    symmetric kinds. If a unitary DFT transforms real matrices, `Z~[-p, -q]` is the conjugate of `Z~[p, q]`.

    Attributes:
        shape: Sides `(m1, m2)`.
        kind: Kind of the matrices.
        is_complex: True if the matrices are complex.
        complex_transform: True if the transform of real matrices is complex.
    """

    shape: tuple[int, int]
    kind: Kind
    is_complex: bool
    complex_transform: bool

    @property
    def parts(self) -> int:
        """Number of parts of an entry: 2 if it has an imaginary part."""
        return 2 if self.is_complex or self.complex_transform else 1

    @property
    def limit(self) -> int:
        """Upper end of the numbers, exclusive."""
        return self.shape[0] * self.shape[1] * self.parts

    def split(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return p, q, and True for imaginary parts."""
        position = numbers // self.parts
        return position // self.shape[1], position % self.shape[1], numbers % self.parts == 1

    def accept(self, numbers: Tensor) -> Tensor:
        """Return True for the numbers that are coordinates.

        These are first entries, and their imaginary parts unless they must vanish.
        """
        p, q, imaginary = self.split(numbers)
        position = p * self.shape[1] + q
        accepted = torch.ones_like(imaginary)
        for equal, conjugate in self._equals(p, q):
            accepted &= position <= equal
            if conjugate:
                accepted &= ~(imaginary & (position == equal))
        return accepted

    def multiplicity(self, p: Tensor, q: Tensor) -> Tensor:
        """Return the number of entries that are one coordinate with each entry."""
        position = p * self.shape[1] + q
        equals = self._equals(p, q)
        fixed = torch.ones_like(position)
        for equal, _ in equals:
            fixed += position == equal
        # The symmetries are a group: an orbit has its order over the number of symmetries that fix the entry.
        return (1 + len(equals)) // fixed

    def _equals(self, p: Tensor, q: Tensor) -> list[tuple[Tensor, bool]]:
        """Return the positions of entries equal to `Z~[p, q]` or to its conjugate, with True for the latter."""
        m1, m2 = self.shape
        equals = []
        real_spectrum = self.complex_transform and not self.is_complex
        if self.kind.is_symmetric:
            equals.append((q * m2 + p, True))
        if real_spectrum:
            equals.append(((-p) % m1 * m2 + (-q) % m2, True))
        if self.kind.is_symmetric and real_spectrum:
            equals.append(((-q) % m1 * m2 + (-p) % m2, False))
        return equals
