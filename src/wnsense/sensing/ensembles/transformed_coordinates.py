"""Coordinates of transformed matrices: entries that determine each other count once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.sensing.kinds import Kind


@dataclass(frozen=True)
class TransformedCoordinates:
    """The coordinates of transformed matrices of a kind, numbered with gaps: (p m2 + q) parts + part.

    Entries of Z~ that determine each other are one coordinate, that of the first of them. Z~ is Hermitian for the
    symmetric kinds, and where a unitary DFT meets real matrices, Z~[-p, -q] is the conjugate of Z~[p, q].

    Attributes:
        shape: (m1, m2).
        kind: What is known of the matrices.
        is_complex: Whether they are complex.
        complex_transform: Whether the transform of real matrices is complex.
    """

    shape: tuple[int, int]
    kind: Kind
    is_complex: bool
    complex_transform: bool

    @property
    def parts(self) -> int:
        """2 where an entry has an imaginary part."""
        return 2 if self.is_complex or self.complex_transform else 1

    @property
    def limit(self) -> int:
        """One above the greatest number."""
        return self.shape[0] * self.shape[1] * self.parts

    def split(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """P, q, and whether it is the imaginary part."""
        position = numbers // self.parts
        return position // self.shape[1], position % self.shape[1], numbers % self.parts == 1

    def accept(self, numbers: Tensor) -> Tensor:
        """Which numbers are coordinates: those of first entries, imaginary parts only where they need not vanish."""
        p, q, imaginary = self.split(numbers)
        here = p * self.shape[1] + q
        accepted = torch.ones_like(imaginary)
        for there, conjugate in self._equals(p, q):
            accepted &= here <= there
            if conjugate:
                accepted &= ~(imaginary & (here == there))
        return accepted

    def multiplicity(self, p: Tensor, q: Tensor) -> Tensor:
        """How many entries are one coordinate with this one."""
        here = p * self.shape[1] + q
        equals = self._equals(p, q)
        fixed = torch.ones_like(here)
        for there, _ in equals:
            fixed += here == there
        # Symmetries are a group: the entries that it moves one to are its order over the number that leave it.
        return (1 + len(equals)) // fixed

    def _equals(self, p: Tensor, q: Tensor) -> list[tuple[Tensor, bool]]:
        """The positions of entries equal to Z~[p, q], or to its conjugate."""
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
