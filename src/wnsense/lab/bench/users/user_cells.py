"""Cells of the grid `users` and their problems: entries, phase retrieval, Pauli strings and dense Gaussian rows."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require, require_rank
from wnsense.lab.bench.entry_masks import repaired_mask, uniform_mask
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank

# Rounding of `oversampling * degrees of freedom` must not add a measurement: 1.1 * 30 is above 33 in floating point.
_ROUNDING = 1e-9


class CellEnsemble(StrEnum):
    """Measurements of a cell.

    `REPAIRED` entries have at least `r` sampled places in each row and column. `UNIFORM` ones may have fewer, and then
    no method can complete the matrix.
    """

    REPAIRED = "repaired entries"
    UNIFORM = "uniform entries"
    INTENSITIES = "phase retrieval"
    PAULI = "pauli"
    GAUSSIAN = "gaussian"


class SpectrumLaw(StrEnum):
    """Law of the singular values: `LINEAR` and `GEOMETRIC` from 1 to `1 / kappa`; `1/k` and `1/k^2` of full rank."""

    LINEAR = "linear"
    GEOMETRIC = "geometric"
    INVERSE = "1/k"
    INVERSE_SQUARE = "1/k^2"


_EXPONENTS = {SpectrumLaw.INVERSE: 1, SpectrumLaw.INVERSE_SQUARE: 2}
_ENTRIES = (CellEnsemble.REPAIRED, CellEnsemble.UNIFORM)


@dataclass(frozen=True, order=True)
class UserCell:
    """Combination of measurements, kind, shape, rank, spectrum and number of measurements.

    Attributes:
        ensemble: Measurements.
        kind: Kind of the unknown matrix.
        shape: Sides `(m1, m2)`.
        rank: Rank `r` of the matrix, and the rank that other methods are told. A decaying spectrum has full rank; then
            it is only the rank that they are told.
        law: Law of the singular values.
        condition: Condition number `kappa`; without meaning for `1/k` and `1/k^2`, where it is 1.
        oversampling: Number of measurements `n` over the degrees of freedom of rank `r`.
    """

    ensemble: CellEnsemble
    kind: Kind
    shape: tuple[int, int]
    rank: int
    law: SpectrumLaw
    condition: float
    oversampling: float

    def __post_init__(self) -> None:
        """Check that a problem can be drawn.

        Raises:
            InputError: If the rank or the kind does not fit, or there are more entries than half of the matrix.
        """
        require_rank("the rank", self.rank, min(self.shape))
        if self.ensemble is CellEnsemble.PAULI:
            require(self.kind is Kind.HERMITIAN, "kind hermitian for Pauli strings", str(self.kind))
        if self.ensemble in _ENTRIES:
            most = self.kind.dimension(self.shape, is_complex=False) // 2
            require(self.measurements <= most, f"at most {most} entries, half of the matrix", self.measurements)

    @property
    def is_of_entries(self) -> bool:
        """True if single entries are measured."""
        return self.ensemble in _ENTRIES

    @property
    def is_exact(self) -> bool:
        """True if the matrix is of rank `r`; False for a spectrum that decays through all ranks."""
        return self.law not in _EXPONENTS

    @property
    def measurements(self) -> int:
        """Number of measurements, `n`."""
        freedom = self.kind.degrees_of_freedom(self.shape, self.rank, is_complex=self.kind is Kind.HERMITIAN)
        return math.ceil(self.oversampling * freedom * (1 - _ROUNDING))

    @property
    def text(self) -> str:
        """Text of the cell in one line."""
        size = "x".join(str(side) for side in self.shape) if self.kind is Kind.RECTANGULAR else str(self.shape[0])
        spectrum = f"kappa {self.condition:g} {self.law}" if self.is_exact else str(self.law)
        return f"{self.ensemble} {self.kind}, m {size}, r {self.rank}, {spectrum}, n/dof {self.oversampling:g}"

    def draw(self, seed: int) -> "DrawnProblem":
        """Draw the problem of a seed."""
        generator = torch.Generator().manual_seed(seed)
        truth = self._truth(generator)
        operator = self._operator(seed, generator)
        return DrawnProblem(self, Problem.measure(operator, truth, generator=generator), truth)

    def _truth(self, generator: torch.Generator) -> LowRank:
        size = self.shape if self.kind is Kind.RECTANGULAR else self.shape[0]
        if self.is_exact:
            return low_rank(
                size, self.rank, self.condition, spectrum=str(self.law), kind=self.kind, generator=generator
            )
        places = torch.arange(1, min(self.shape) + 1, dtype=torch.float64)
        values = places ** -_EXPONENTS[self.law]
        if self.kind is Kind.SYMMETRIC:
            values[1::2] *= -1
        return low_rank(size, len(values), spectrum=values, kind=self.kind, generator=generator)

    def _operator(self, seed: int, generator: torch.Generator) -> Operator:
        n, size = self.measurements, self.shape[0]
        if self.ensemble is CellEnsemble.INTENSITIES:
            return RankOneSensing.draw(n, size, kind=self.kind, generator=generator)
        if self.ensemble is CellEnsemble.PAULI:
            return PauliSensing.draw(n, size.bit_length() - 1, generator=generator)
        if self.ensemble is CellEnsemble.GAUSSIAN:
            return GaussianSensing.draw(n, self.shape, kind=self.kind, generator=generator)
        rows, columns = self._places(np.random.default_rng(seed))
        # Entries as a user has them: without the weights that make an orthonormal basis of symmetric matrices.
        return EntrySensing.from_places(rows, columns, self.shape, self.kind)

    def _places(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        n, is_symmetric = self.measurements, self.kind.is_symmetric
        if self.ensemble is CellEnsemble.REPAIRED:
            mask = repaired_mask(n, self.shape, self.rank, generator, symmetric=is_symmetric)
        else:
            mask = uniform_mask(n, self.shape, generator, symmetric=is_symmetric)
        return torch.from_numpy(mask[0]), torch.from_numpy(mask[1])


@dataclass(frozen=True)
class DrawnProblem:
    """Problem of a cell and a seed.

    Attributes:
        cell: The cell.
        problem: Operator and measurements, with the truth.
        truth: True matrix.
    """

    cell: UserCell
    problem: Problem
    truth: LowRank

    @property
    def is_determined(self) -> bool:
        """False if some row or column has fewer sampled entries than the rank.

        No method can complete such a matrix. The condition is necessary only: a True is no proof.
        """
        operator = self.problem.operator
        if not isinstance(operator, EntrySensing) or not self.cell.is_exact:
            return True
        rows, columns = operator.rows, operator.columns
        if self.cell.kind.is_symmetric:
            off = rows != columns
            rows, columns = torch.cat([rows, columns[off]]), torch.cat([columns, rows[off]])
        counts = (torch.bincount(i, minlength=m) for i, m in zip((rows, columns), self.cell.shape, strict=True))
        return all(int(count.min()) >= self.cell.rank for count in counts)
