"""What `wnsense simulate` can draw: one entry an ensemble."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wnsense.checks import size_text
from wnsense.cli.options import Ensemble
from wnsense.sensing.ensembles.dense import GaussianSensing, RademacherSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing, PartialFourierSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, tetrahedral_effects
from wnsense.sensing.ensembles.rank_one import (
    BlockRankSensing,
    PairedRankOneSensing,
    RankOneSensing,
    RectangularRankOneSensing,
)
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator

_QUADRATIC = (Kind.PSD, Kind.SYMMETRIC, Kind.HERMITIAN)
_ALL = (*_QUADRATIC, Kind.RECTANGULAR)
# Small blocks: of large ones, few would be drawn, and rows of the matrix left out.
_BLOCK_SIDE = 4
_COLUMNS = 2
# Entries see one number each, of the matrix or of a transform; hardly ever may a row of it have fewer than the rank.
_OF_ENTRIES = 10
# What is drawn without repetition is chosen from up to so many for each.
_CHOICES = 16


@dataclass(frozen=True)
class Target:
    """The matrix that is to be measured.

    Attributes:
        sides: Those that were asked for, of the matrix, or of the image x where it is x x^H.
        shape: (m1, m2) of the matrix.
        kind: Of the matrix.
        rank: Its rank.
    """

    sides: tuple[int, ...]
    shape: tuple[int, int]
    kind: Kind
    rank: int

    def __str__(self) -> str:
        """The kind and the sides, in words."""
        return f"a {self.kind} {size_text(self.shape)} matrix"

    @property
    def parts(self) -> int:
        """The real numbers in a number."""
        return 2 if self.kind is Kind.HERMITIAN else 1

    @property
    def dimension(self) -> int:
        """The real unknowns of a full matrix."""
        return self.kind.dimension(self.shape, is_complex=self.parts == 2)

    @property
    def degrees_of_freedom(self) -> int:
        """The real unknowns of a matrix of this rank."""
        return self.kind.degrees_of_freedom(self.shape, self.rank, is_complex=self.parts == 2)

    @property
    def block(self) -> tuple[int, int]:
        """The sides of a sub-block."""
        return min(_BLOCK_SIDE, self.shape[0]), min(_BLOCK_SIDE, self.shape[1])

    @property
    def block_numbers(self) -> int:
        """The numbers measured of a sub-block."""
        return self.parts * math.prod(self.block)

    @property
    def qubits(self) -> int:
        """The q of 2^q = m."""
        return self.shape[0].bit_length() - 1


@dataclass(frozen=True)
class Drawing:
    """How an ensemble is drawn.

    Attributes:
        draw: From the matrix, the number of measurements and the source of randomness to what measures.
        kinds: Of the unknowns that it measures, the default first.
        width: How many numbers a measurement takes in memory.
        oversampling: How many measurements there are by default, in degrees of freedom of the unknown.
        sides: Of the unknown by default.
        distinct: What each measurement is of, in the plural, where none comes twice and there are as many as unknowns.
        group: What gives several measurements at once, in the singular.
        group_size: How many.
        of_images: Whether the unknown is x x^H for images x.
        other_sizes: Where sides must be powers of two, what else measures those that are none.
        least_side: The smallest side that it measures.
    """

    draw: Callable[[Target, int, torch.Generator], Operator]
    kinds: tuple[Kind, ...]
    width: Callable[[Target], int]
    oversampling: int = 6
    sides: tuple[int, ...] = (50,)
    distinct: str = ""
    group: str = ""
    group_size: Callable[[Target], int] = lambda _: 1
    of_images: bool = False
    other_sizes: str = ""
    least_side: int = 1

    def default_count(self, target: Target) -> int:
        """How many measurements are drawn when nobody says: comfortably many, in whole groups, none twice."""
        count = self.oversampling * target.degrees_of_freedom
        if self.distinct:
            return min(count, target.dimension)
        group = self.group_size(target)
        return -(-count // group) * group


def _rank_one(target: Target, count: int, generator: torch.Generator) -> Operator:
    if target.kind is Kind.RECTANGULAR:
        return RectangularRankOneSensing.draw(count, target.shape, generator=generator)
    return RankOneSensing.draw(count, target.shape[0], kind=target.kind, generator=generator)


DRAWINGS = {
    Ensemble.GAUSSIAN: Drawing(
        lambda Z, n, rng: GaussianSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda Z: Z.dimension,
    ),
    Ensemble.RADEMACHER: Drawing(
        lambda Z, n, rng: RademacherSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda Z: Z.dimension,
    ),
    Ensemble.RANK_ONE: Drawing(
        _rank_one,
        kinds=_ALL,
        width=lambda Z: Z.parts * (sum(Z.shape) if Z.kind is Kind.RECTANGULAR else Z.shape[0]),
    ),
    Ensemble.PAIRED: Drawing(
        lambda Z, n, rng: PairedRankOneSensing.draw(n, Z.shape[0], kind=Z.kind, generator=rng),
        kinds=_QUADRATIC,
        width=lambda Z: 2 * Z.parts * Z.shape[0],
    ),
    Ensemble.BLOCK_RANK: Drawing(
        lambda Z, n, rng: BlockRankSensing.draw(n, Z.shape[0], _COLUMNS, kind=Z.kind, generator=rng),
        kinds=_QUADRATIC,
        width=lambda Z: _COLUMNS * Z.parts * Z.shape[0],
    ),
    Ensemble.ENTRIES: Drawing(
        lambda Z, n, rng: EntrySensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda _: _CHOICES,
        oversampling=_OF_ENTRIES,
        distinct="entries",
    ),
    Ensemble.SUB_BLOCKS: Drawing(
        lambda Z, n, rng: SubBlockSensing.draw(n // Z.block_numbers, Z.block, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        # A row, a column, a factor and which part it is.
        width=lambda _: 4,
        # They overlap, and what comes again says nothing.
        oversampling=2 * _OF_ENTRIES,
        group="block",
        group_size=lambda Z: Z.block_numbers,
    ),
    Ensemble.DCT: Drawing(
        lambda Z, n, rng: DCTSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda _: _CHOICES,
        oversampling=_OF_ENTRIES,
        distinct="entries of its transform",
    ),
    Ensemble.HADAMARD: Drawing(
        lambda Z, n, rng: HadamardSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda _: _CHOICES,
        oversampling=_OF_ENTRIES,
        sides=(32,),
        distinct="entries of its transform",
        other_sizes="dct",
    ),
    Ensemble.FOURIER: Drawing(
        lambda Z, n, rng: PartialFourierSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        width=lambda _: _CHOICES,
        oversampling=_OF_ENTRIES,
        distinct="numbers in its transform",
    ),
    Ensemble.DIFFRACTION: Drawing(
        lambda Z, n, rng: CodedDiffractionSensing.draw(n // Z.shape[0], Z.sides, kind=Z.kind, generator=rng),
        kinds=_QUADRATIC,
        # The masks are complex.
        width=lambda _: 2,
        group="mask",
        group_size=lambda Z: Z.shape[0],
        of_images=True,
    ),
    Ensemble.PAULI: Drawing(
        lambda Z, n, rng: PauliSensing.draw(n, Z.qubits, generator=rng),
        kinds=(Kind.HERMITIAN,),
        width=lambda Z: _CHOICES + Z.qubits,
        sides=(32,),
        distinct="Pauli strings",
        other_sizes="rank-one",
        least_side=2,
    ),
    Ensemble.POVM: Drawing(
        lambda Z, n, rng: PovmProductSensing.draw(n, tetrahedral_effects(), Z.qubits, generator=rng),
        kinds=(Kind.HERMITIAN,),
        width=lambda Z: _CHOICES + Z.qubits,
        sides=(32,),
        distinct="outcomes",
        other_sizes="rank-one",
        least_side=2,
    ),
}
