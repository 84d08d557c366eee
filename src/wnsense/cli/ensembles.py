"""Ensembles that `wnsense simulate` draws: one entry for each."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wnsense.checks import size_text
from wnsense.cli.commands.choices import Ensemble
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, tetrahedral_effects
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator

_QUADRATIC = (Kind.PSD, Kind.SYMMETRIC, Kind.HERMITIAN)
_ALL = (*_QUADRATIC, Kind.RECTANGULAR)
# Small blocks: a few large ones would miss rows of the matrix.
_BLOCK_SIDE = 4
_COLUMNS = 2
# Degrees of freedom times this many entries: then hardly ever has a row fewer entries than the rank.
_OF_ENTRIES = 10
# Numbers in memory for each measurement that is drawn without repetition.
_CHOICES = 16


@dataclass(frozen=True)
class Target:
    """Matrix to measure.

    Attributes:
        sides: Sides from the options: of the matrix, or of the image `x` if the matrix is `x x^H`.
        shape: Shape of the matrix, (m1, m2).
        kind: Kind of the matrix.
        rank: Rank of the matrix.
    """

    sides: tuple[int, ...]
    shape: tuple[int, int]
    kind: Kind
    rank: int

    def __str__(self) -> str:
        """Return the kind and the sides, in words."""
        return f"a {self.kind} {size_text(self.shape)} matrix"

    @property
    def parts(self) -> int:
        """Number of real numbers in an entry: 2 if complex, 1 if real."""
        return 2 if self.kind is Kind.HERMITIAN else 1

    @property
    def dimension(self) -> int:
        """Number of real unknowns of a full matrix."""
        return self.kind.dimension(self.shape, is_complex=self.parts == 2)

    @property
    def degrees_of_freedom(self) -> int:
        """Number of real unknowns of a matrix of this rank."""
        return self.kind.degrees_of_freedom(self.shape, self.rank, is_complex=self.parts == 2)

    @property
    def block(self) -> tuple[int, int]:
        """Sides of a sub-block."""
        return min(_BLOCK_SIDE, self.shape[0]), min(_BLOCK_SIDE, self.shape[1])

    @property
    def block_numbers(self) -> int:
        """Number of measurements of a sub-block."""
        return self.parts * math.prod(self.block)

    @property
    def qubits(self) -> int:
        """Number of qubits `q`, with `2^q = m`."""
        return self.shape[0].bit_length() - 1


Draw = Callable[[Target, int, torch.Generator], Operator]


@dataclass(frozen=True)
class Drawing:
    """Rules by which an ensemble is drawn.

    Attributes:
        draw: Function of the matrix, the number of measurements and the random generator that returns the operator.
        kinds: Kinds of matrix that the ensemble measures, the default first.
        width: Function that returns how many numbers a measurement takes in memory.
        oversampling: Default number of measurements, in degrees of freedom.
        sides: Default sides of the matrix.
        distinct: Name of the measured things, in the plural, if they are drawn without repetition; they are as many as
            the unknowns.
        group: Name of a thing that gives several measurements at once, in the singular.
        group_size: Function that returns the number of measurements in a group.
        of_images: True if the matrix is `x x^H` for an image `x`.
        other_sizes: Ensemble that takes any size, if this one needs powers of two.
        least_side: Smallest side.
    """

    draw: Draw
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
        """Return the default number of measurements: in whole groups, and none twice."""
        count = self.oversampling * target.degrees_of_freedom
        if self.distinct:
            return min(count, target.dimension)
        group = self.group_size(target)
        return -(-count // group) * group


def _rank_one(target: Target, count: int, generator: torch.Generator) -> Operator:
    if target.kind is Kind.RECTANGULAR:
        return RectangularRankOneSensing.draw(count, target.shape, generator=generator)
    return RankOneSensing.draw(count, target.shape[0], kind=target.kind, generator=generator)


def _of_coordinates(draw: Draw, distinct: str, sides: tuple[int, ...] = (50,), other_sizes: str = "") -> Drawing:
    """Return the rules for single coordinates of the matrix or of its transform, each drawn once at most."""
    return Drawing(draw, _ALL, lambda _: _CHOICES, _OF_ENTRIES, sides, distinct, other_sizes=other_sizes)


def _of_qubits(draw: Draw, distinct: str) -> Drawing:
    """Return the rules for measurements of a state of qubits, each drawn once at most."""
    return Drawing(
        draw,
        kinds=(Kind.HERMITIAN,),
        width=lambda Z: _CHOICES + Z.qubits,
        sides=(32,),
        distinct=distinct,
        other_sizes="rank-one",
        least_side=2,
    )


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
    Ensemble.ENTRIES: _of_coordinates(
        lambda Z, n, rng: EntrySensing.draw(n, Z.shape, kind=Z.kind, generator=rng), "entries"
    ),
    Ensemble.SUB_BLOCKS: Drawing(
        lambda Z, n, rng: SubBlockSensing.draw(n // Z.block_numbers, Z.block, Z.shape, kind=Z.kind, generator=rng),
        kinds=_ALL,
        # A row, a column, a factor and the part (real or imaginary).
        width=lambda _: 4,
        # Blocks overlap, and a repeated entry adds nothing.
        oversampling=2 * _OF_ENTRIES,
        group="block",
        group_size=lambda Z: Z.block_numbers,
    ),
    Ensemble.DCT: _of_coordinates(
        lambda Z, n, rng: DCTSensing.draw(n, Z.shape, kind=Z.kind, generator=rng), "entries of its transform"
    ),
    Ensemble.HADAMARD: _of_coordinates(
        lambda Z, n, rng: HadamardSensing.draw(n, Z.shape, kind=Z.kind, generator=rng),
        "entries of its transform",
        sides=(32,),
        other_sizes="dct",
    ),
    Ensemble.FOURIER: _of_coordinates(
        lambda Z, n, rng: PartialFourierSensing.draw(n, Z.shape, kind=Z.kind, generator=rng), "numbers in its transform"
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
    Ensemble.PAULI: _of_qubits(lambda Z, n, rng: PauliSensing.draw(n, Z.qubits, generator=rng), "Pauli strings"),
    Ensemble.POVM: _of_qubits(
        lambda Z, n, rng: PovmProductSensing.draw(n, tetrahedral_effects(), Z.qubits, generator=rng), "outcomes"
    ),
}
