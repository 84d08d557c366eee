"""Problems of kinds that once led to false successes: unseen parts, repeated rows, second answers and wrong input.

Each kind is a function from random numbers to a `Question`: what is handed to recover(), the truth, and the largest
error that a success may have. `false_positives.py` runs them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import wnsense as wn

NOISES = (0.0, 1e-6, 1e-2)
# Largest error of a success: this multiple of `noise sqrt(d / n)`, and of the tolerance where there is no noise.
_TIMES, _EXACT = 5.0, 1e-6
# Units of measurements that are multiplied by a constant.
_UNITS = (1e-200, 1e-30, 1e30, 1e200)


@dataclass(frozen=True)
class Question:
    """Input of recover().

    Attributes:
        operator: Operator.
        measurements: Measurements, (n,).
        truth: True matrix.
        allowed: Largest relative error of a success.
        weights: Weights, (n,); None for ones.
        warns: True if a success with a warning is no false one.
    """

    operator: wn.Operator
    measurements: Tensor | np.ndarray
    truth: wn.LowRank
    allowed: float
    weights: Tensor | None = None
    warns: bool = False


@dataclass(frozen=True)
class Drawn:
    """Random numbers of one problem, with its size.

    Attributes:
        numbers: Source of numbers.
        generator: Source of tensors.
        noise: Noise relative to the measurements.
    """

    numbers: np.random.Generator
    generator: torch.Generator
    noise: float

    def side(self) -> int:
        """Draw a side."""
        return int(self.numbers.integers(10, 19))

    def rank(self, most: int = 3) -> int:
        """Draw a rank."""
        return int(self.numbers.integers(1, most + 1))

    def truth(self, size: int | tuple[int, int], rank: int, kind: wn.Kind) -> wn.LowRank:
        """Draw a matrix."""
        return wn.low_rank(size, rank, 3.0, kind=kind, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        """Draw normal numbers."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def question(self, operator: wn.Operator, truth: wn.LowRank) -> Question:
        """Measure a matrix, with noise."""
        problem = wn.Problem.measure(operator, truth, self.noise, generator=self.generator)
        return Question(operator, problem.measurements, truth, self.allowed(operator, truth))

    def allowed(self, operator: wn.Operator, truth: wn.LowRank) -> float:
        """Return the largest error that a success may have."""
        share = operator.degrees_of_freedom(truth.rank()) / operator.count
        return max(_TIMES * self.noise * math.sqrt(share), _EXACT)


def _kind(drawn: Drawn, *kinds: wn.Kind) -> wn.Kind:
    return kinds[int(drawn.numbers.integers(len(kinds)))]


_REAL = (wn.Kind.PSD, wn.Kind.SYMMETRIC, wn.Kind.RECTANGULAR)


def _entries(drawn: Drawn, seen: Tensor, kind: wn.Kind, rank: int) -> Question:
    """Return the question on the entries of a mask."""
    i, j = torch.nonzero(seen if kind is wn.Kind.RECTANGULAR else seen.triu()).T
    size = tuple(seen.shape) if kind is wn.Kind.RECTANGULAR else len(seen)
    operator = wn.EntrySensing.from_places(i, j, size, kind)
    return drawn.question(operator, drawn.truth(size, rank, kind))


def _mask(drawn: Drawn, kind: wn.Kind) -> Tensor:
    m = drawn.side()
    shape = (m, drawn.side()) if kind is wn.Kind.RECTANGULAR else (m, m)
    return torch.rand(shape, generator=drawn.generator) < 0.85


def unseen_line(drawn: Drawn) -> Question:
    """Return entries without those of one row, or with fewer of it than the rank."""
    kind, rank = _kind(drawn, *_REAL), drawn.rank()
    seen = _mask(drawn, kind)
    line, few = int(drawn.numbers.integers(min(seen.shape))), int(drawn.numbers.integers(rank))
    others = [column for column in range(seen.shape[1]) if column != line]
    seen[line] = False
    if kind is not wn.Kind.RECTANGULAR:
        seen[:, line] = False
    for column in drawn.numbers.permutation(others)[:few].tolist():
        seen[line, column] = True
        if kind is not wn.Kind.RECTANGULAR:
            seen[column, line] = True
    return _entries(drawn, seen, kind, rank)


def unrelated_blocks(drawn: Drawn) -> Question:
    """Return entries of two blocks that no entry relates."""
    kind = _kind(drawn, *_REAL)
    seen = _mask(drawn, kind)
    rows, columns = (side // 2 for side in seen.shape)
    seen[:rows, columns:] = False
    seen[rows:, :columns] = False
    return _entries(drawn, seen, kind, drawn.rank(2))


def zero_coordinate(drawn: Drawn) -> Question:
    """Return rank-one or dense measurements that all have a coordinate of 0."""
    m, rank = drawn.side(), drawn.rank(2)
    n = 6 * m * rank
    if drawn.numbers.random() < 0.5:
        vectors = drawn.normal(n, m)
        vectors[:, 3] = 0
        operator: wn.Operator = wn.RankOneSensing(vectors)
        return drawn.question(operator, drawn.truth(m, rank, wn.Kind.PSD))
    rows = drawn.normal(n, m, m + 2)
    rows[:, 3] = 0
    operator = wn.DenseSensing.from_matrices(rows, kind=wn.Kind.RECTANGULAR)
    return drawn.question(operator, drawn.truth((m, m + 2), rank, wn.Kind.RECTANGULAR))


def blind_to_a_symmetry(drawn: Drawn) -> Question:
    """Return measurements that are equal for a matrix and its transpose or its conjugate."""
    m, rank = drawn.side(), drawn.rank(2)
    rows = drawn.normal(10 * m * rank, m, m)
    rows = rows + rows.mT
    if drawn.numbers.random() < 0.5:
        operator = wn.DenseSensing.from_matrices(rows, kind=wn.Kind.RECTANGULAR)
        return drawn.question(operator, drawn.truth((m, m), rank, wn.Kind.RECTANGULAR))
    operator = wn.DenseSensing.from_matrices(rows.to(torch.complex128), kind=wn.Kind.HERMITIAN)
    return drawn.question(operator, drawn.truth(m, rank, wn.Kind.HERMITIAN))


def repeated_rows(drawn: Drawn) -> Question:
    """Return fewer distinct rows than degrees of freedom, each several times; also as functions."""
    m, rank = drawn.side(), drawn.rank(2)
    freedom = rank * (2 * m - rank + 1) // 2
    distinct, times = int(drawn.numbers.uniform(0.5, 0.95) * freedom), int(drawn.numbers.integers(3, 21))
    truth = drawn.truth(m, rank, wn.Kind.PSD)
    which = int(drawn.numbers.integers(3))
    if which == 0:
        vectors = drawn.normal(distinct, m).repeat(times, 1)
        return drawn.question(wn.RankOneSensing(vectors), truth)
    rows = drawn.normal(distinct, m, m).repeat(times, 1, 1)
    if which == 1:
        # Copies in other units are proportional.
        rows = rows * (1 + drawn.numbers.random()) ** torch.arange(len(rows)).remainder(3).reshape(-1, 1, 1)
        return drawn.question(wn.DenseSensing.from_matrices(rows), truth)
    flat = rows.flatten(1)
    operator = wn.from_functions(
        lambda Z: flat @ Z.flatten(), lambda v: (v @ flat).reshape(m, m), n=len(flat), size=m, kind="psd"
    )
    return drawn.question(operator, truth)


def second_answer(drawn: Drawn) -> Question:
    """Return measurements that exactly two matrices explain: a reflected row, a conjugate, or a sign of a block."""
    which = int(drawn.numbers.integers(3))
    m = drawn.side()
    if which == 0:
        seen = torch.ones(m, m, dtype=torch.bool).triu()
        seen[1 : m - 1, m - 1] = False
        return _entries(drawn, seen | seen.T, wn.Kind.PSD, 2)
    if which == 1:
        return _conjugate_answers(drawn)
    seen = torch.ones(m, m, dtype=torch.bool)
    seen[: m // 2, m // 2 :] = False
    return _entries(drawn, seen & seen.T, wn.Kind.PSD, 1)


def _conjugate_answers(drawn: Drawn) -> Question:
    """Return the expectation values of Pauli strings with an even number of Y: a state and its conjugate have the same."""
    count = 3
    strings = [(x, z) for x in range(2**count) for z in range(2**count) if (x & z).bit_count() % 2 == 0]
    x, z = (torch.tensor(masks) for masks in zip(*strings, strict=True))
    space = wn.Space.from_size(2**count, wn.Kind.HERMITIAN)
    operator = wn.operators.PauliSensing(x, z, space)
    return drawn.question(operator, drawn.truth(2**count, 1, wn.Kind.HERMITIAN))


def wrong_adjoint(drawn: Drawn) -> Question:
    """Return functions whose adjoint has flipped rows, a transpose too many, a factor or a sign."""
    m, rank = drawn.side(), drawn.rank(2)
    rows = drawn.normal(8 * m * rank, m * m)
    faults: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda v: (v.flip(0) @ rows).reshape(m, m),
        lambda v: (v @ rows).reshape(m, m).T,
        lambda v: 3 * (v @ rows).reshape(m, m),
        lambda v: -(v @ rows).reshape(m, m),
    )
    adjoint = faults[int(drawn.numbers.integers(len(faults)))]
    operator = wn.from_functions(
        lambda Z: rows @ Z.flatten(), adjoint, n=len(rows), size=(m, m), kind=wn.Kind.RECTANGULAR
    )
    return drawn.question(operator, drawn.truth((m, m), rank, wn.Kind.RECTANGULAR))


def other_units(drawn: Drawn) -> Question:
    """Return good measurements times a very large or small number."""
    m, rank = drawn.side(), drawn.rank(2)
    operator = wn.GaussianSensing.draw(6 * m * rank, m, generator=drawn.generator)
    given = drawn.question(operator, drawn.truth(m, rank, wn.Kind.PSD))
    unit = float(drawn.numbers.choice(_UNITS))
    return Question(operator, given.measurements * unit, given.truth.scaled(unit), given.allowed)


def weights_over_decades(drawn: Drawn) -> Question:
    """Return exact measurements with weights over twelve decades, or noise whose inverse variances they are."""
    m, rank = drawn.side(), drawn.rank(2)
    n = 8 * m * rank
    operator = wn.GaussianSensing.draw(n, m, generator=drawn.generator)
    truth = drawn.truth(m, rank, wn.Kind.PSD)
    y = operator.measure(truth)
    decades = torch.rand(n, generator=drawn.generator, dtype=torch.float64)
    if drawn.noise == 0:
        return Question(operator, y, truth, _EXACT, weights=10 ** (12 * decades - 6))
    deviations = drawn.noise * y.std() * 10 ** (-3 * decades)
    # The weakest weights decide little: the error is far below that of equal noise.
    return Question(operator, y + deviations * drawn.normal(n), truth, drawn.allowed(operator, truth), deviations**-2)


def masked_rows(drawn: Drawn) -> Question:
    """Return a masked array with arbitrary numbers under its mask."""
    m, rank = drawn.side(), drawn.rank(2)
    operator = wn.GaussianSensing.draw(8 * m * rank, m, generator=drawn.generator)
    given = drawn.question(operator, drawn.truth(m, rank, wn.Kind.PSD))
    data = torch.as_tensor(given.measurements).numpy().copy()
    mask = drawn.numbers.random(len(data)) < 0.1
    data[mask] = drawn.numbers.choice([0.0, 1e20, -999.0])
    return Question(operator, np.ma.masked_array(data, mask), given.truth, 2 * given.allowed)


def wrong_scale(drawn: Drawn) -> Question:
    """Return moduli for squares, values cut off at a largest one, or a third in another unit; a warning is asked for."""
    m, rank = drawn.side(), drawn.rank(2)
    operator = wn.RankOneSensing.draw(10 * m * rank, m, generator=drawn.generator)
    truth = drawn.truth(m, rank, wn.Kind.PSD)
    y = operator.measure(truth)
    which = int(drawn.numbers.integers(2))
    part = torch.rand(len(y), generator=drawn.generator) < 1 / 3
    y = y.clamp(min=0).sqrt() if which == 0 else torch.where(part, 10 * y, y)
    return Question(operator, y, truth, drawn.allowed(operator, truth), warns=True)


KINDS: dict[str, Callable[[Drawn], Question]] = {
    "unseen line": unseen_line,
    "unrelated blocks": unrelated_blocks,
    "zero coordinate": zero_coordinate,
    "blind to a symmetry": blind_to_a_symmetry,
    "repeated rows": repeated_rows,
    "second answer": second_answer,
    "wrong adjoint": wrong_adjoint,
    "other units": other_units,
    "weights over decades": weights_over_decades,
    "masked rows": masked_rows,
    "wrong scale": wrong_scale,
}


def drawn_question(kind: str, seed: int) -> Question:
    """Draw the question of a kind and a seed; its noise is one of three."""
    numbers = np.random.default_rng((100 + list(KINDS).index(kind), seed))
    generator = torch.Generator().manual_seed(int(numbers.integers(2**48)))
    return KINDS[kind](Drawn(numbers, generator, NOISES[seed % len(NOISES)]))
