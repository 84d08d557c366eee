"""Kinds of unknown, real and complex, that tests are run for."""

from dataclasses import dataclass

import torch

from wnsense.sensing.kinds import Kind


@dataclass(frozen=True)
class Flavor:
    """A kind of unknown, real or complex."""

    kind: Kind
    is_complex: bool = False

    def __str__(self) -> str:
        return f"complex-{self.kind}" if self.is_complex else str(self.kind)

    def dtype(self, real: torch.dtype = torch.float64) -> torch.dtype:
        return real.to_complex() if self.is_complex else real


PSD = Flavor(Kind.PSD)
SYMMETRIC = Flavor(Kind.SYMMETRIC)
HERMITIAN = Flavor(Kind.HERMITIAN, is_complex=True)
RECTANGULAR = Flavor(Kind.RECTANGULAR)
COMPLEX_RECTANGULAR = Flavor(Kind.RECTANGULAR, is_complex=True)

QUADRATIC = (PSD, SYMMETRIC, HERMITIAN)
FOUR_KINDS = (*QUADRATIC, RECTANGULAR)
ALL_FLAVORS = (*FOUR_KINDS, COMPLEX_RECTANGULAR)


def size_of(flavor: Flavor, m1: int, m2: int) -> int | tuple[int, int]:
    """Return what `draw` takes as the size of an unknown."""
    return m1 if flavor.kind.is_symmetric else (m1, m2)
