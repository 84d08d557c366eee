"""Sensing problems: an operator, its measurements and, in experiments, the truth."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import (
    InputError,
    require,
    require_finite,
    require_level,
    require_rank,
    require_share,
    require_size,
    value_text,
)
from wnsense.linalg import Dtype, Place, Rng, haar_frame, random_normal
from wnsense.sensing import row_reductions
from wnsense.sensing.given_matrix import low_rank_from
from wnsense.sensing.given_numbers import NumbersLike, known_vector
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Size, Space
from wnsense.values import by_value

_TAKES_NUMBERS = "Problem.from_numbers takes arrays, lists and matrices"


@dataclass(frozen=True)
@by_value
class Problem:
    """Measurements of an unknown matrix, as tensors; `from_numbers` takes arrays, series and lists.

    Attributes:
        operator: Operator that measured.
        measurements: Measurements `y`, (n,), real.
        truth: Matrix that was measured, if it is known.
        noise_level: `||noise|| / ||y||`, if it is known; 0.01 is 1%.
        weights: Weights of the squares in least squares, (n,), not negative; None for equal weights.
    """

    operator: Operator
    measurements: Float[Tensor, " n"]
    truth: LowRank | None = None
    noise_level: float | None = None
    weights: Float[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        """Check sizes and numbers once."""
        require(isinstance(self.operator, Operator), "an operator in a problem", value_text(self.operator))
        for name, values in (("measurements", self.measurements), ("weights", self.weights)):
            is_absent = values is None and name == "weights"
            require(is_absent or isinstance(values, Tensor), f"{name} as a tensor", value_text(values), _TAKES_NUMBERS)
        real = self.operator.real_dtype
        require_size("the measurements", self.measurements.shape, (self.operator.count,), "one for each row")
        require(self.measurements.dtype == real, f"measurements of {real}", self.measurements.dtype, "convert them")
        require_finite("the measurements", self.measurements, "numpy.ma.masked_invalid(y) leaves those rows out")
        require(
            row_reductions.has_any(self.measurements != 0),
            "measurements that are not all zero",
            "a zero vector",
            "the zero matrix explains it, there is nothing to recover",
        )
        if self.noise_level is not None:
            require_share("a noise level", self.noise_level, "it is relative, ||noise|| / ||y||: 0.01 is 1%")
        if self.weights is not None:
            require_size("the weights", self.weights.shape, (self.operator.count,))
            require(self.weights.dtype == real, f"weights of {real}", self.weights.dtype, "convert them")
            require_finite("the weights", self.weights)
            require(row_reductions.has_all(self.weights >= 0), "weights of at least 0", "a negative one")
            require(row_reductions.has_any(self.weights > 0), "at least one positive weight", "none")
        if self.truth is not None:
            is_right = isinstance(self.truth, LowRank)
            require(is_right, "a truth that is a LowRank", value_text(self.truth), _TAKES_NUMBERS)
            require_size("the truth", self.truth.shape, self.operator.shape)

    @classmethod
    def from_numbers(
        cls,
        operator: Operator,
        measurements: NumbersLike,
        truth: LowRank | NumbersLike | None = None,
        noise_level: float | None = None,
        weights: NumbersLike | None = None,
    ) -> "Problem":
        """Return the problem of measurements as a user has them: NumPy arrays, series, lists or tensors.

        They are converted to the operator's precision and device. Masked rows have weight 0. Rows of weight 0 may hold
        NaN or infinity.

        Args:
            operator: Operator that measured.
            measurements: Measurements `y`, (n,), perhaps masked.
            truth: Matrix that was measured, by its factors or full, (m1, m2).
            noise_level: `||noise|| / ||y||`, if it is known; 0.01 is 1%.
            weights: Weights of the squares, (n,), not negative.

        Raises:
            InputError: If they are no real numbers, or sizes or numbers are wrong.
        """
        require(isinstance(operator, Operator), "an operator", value_text(operator))
        place = (operator.real_dtype, operator.device)
        y, present = known_vector("the measurements", measurements, *place)
        root, kept = (None, None) if weights is None else known_vector("the weights", weights, *place)
        for mask in (present, kept):
            if mask is not None and mask.shape == y.shape:
                root = mask.to(y.dtype) if root is None else root.where(mask, 0.0)
        if root is not None and root.shape == y.shape:
            y = y.where(torch.isfinite(y) | (root != 0), 0.0)
        return cls(
            operator,
            y,
            None if truth is None else low_rank_from("the truth", truth, operator.space),
            noise_level,
            root,
        )

    @classmethod
    def measure(
        cls, operator: Operator, truth: LowRank | NumbersLike, noise: float = 0.0, *, generator: Rng = None
    ) -> "Problem":
        """Measure a matrix, with Gaussian noise.

        Args:
            operator: Operator that measures.
            truth: Matrix to measure, by its factors or full, (m1, m2).
            noise: Standard deviation of the noise, relative to the root mean square of the noiseless measurements.
            generator: Source of the noise.
        """
        require_level("noise", noise)
        Z = truth if isinstance(truth, LowRank) else low_rank_from("the truth", truth, operator.space)
        clean = operator.measure(Z)
        if noise == 0:
            return cls(operator, clean, Z, 0.0)
        error = random_normal((operator.count,), generator=generator, dtype=clean.dtype, device=clean.device)
        noisy = clean + error * (noise * row_reductions.root_mean_square(clean))
        return cls(operator, noisy, Z, noise / (1 + noise * noise) ** 0.5)


def require_problem(problem: object) -> None:
    """Raise `InputError` unless something is a `Problem`."""
    advice = "Problem.from_numbers(operator, y) is one"
    require(isinstance(problem, Problem), "a whole problem", value_text(problem), advice)


def require_truth(problem: Problem) -> LowRank:
    """Return the truth of a problem.

    Raises:
        InputError: If the problem has none.
    """
    if problem.truth is None:
        raise InputError("needed a problem with a truth, got one without; give Problem(..., truth=...)")
    return problem.truth


def spectrum_values(rank: int, condition: float, shape: str = "linear") -> Float[Tensor, " r"]:
    """Return eigenvalues from 1 down to 1/condition: evenly spaced ("linear") or in equal ratios ("geometric").

    Raises:
        InputError: If the rank or the condition number is below 1, or the shape is another word.
    """
    require(rank >= 1, "a rank of at least 1", rank)
    require(condition >= 1, "a condition number of at least 1", condition)
    require(shape in {"linear", "geometric"}, "the spectrum 'linear' or 'geometric', or the values themselves", shape)
    ends = torch.linspace(0, 1, rank, dtype=torch.float64)
    if shape == "geometric":
        return float(condition) ** -ends
    return 1 - ends * (1 - 1 / condition)


def low_rank(
    size: Size,
    rank: int,
    condition: float = 1.0,
    *,
    spectrum: str | Float[Tensor, " r"] = "linear",
    kind: str = "psd",
    generator: Rng = None,
    dtype: Dtype = None,
    device: Place = "cpu",
) -> LowRank:
    """Draw a matrix of a given rank and spectrum with Haar-distributed eigenvectors (singular vectors).

    Its largest eigenvalue is 1. For kind symmetric every second eigenvalue is negative, unless the values are given.

    Args:
        size: Side `m`, or `(m1, m2)`.
        rank: Rank.
        condition: Ratio of the largest to the smallest nonzero singular value.
        spectrum: "linear", "geometric", or the values, (rank,).
        kind: Kind of matrix.
        generator: Source of randomness.
        dtype: Dtype; double precision by default, complex for kind hermitian.
        device: Device of the matrix.

    Raises:
        InputError: If a number is out of range.
    """
    space = Space.from_size(size, kind, dtype, device)
    kind, shape, dtype = space.kind, space.shape, space.dtype
    require_rank("the rank", rank, min(shape))
    if isinstance(spectrum, str):
        values = spectrum_values(rank, condition, spectrum)
        if kind is Kind.SYMMETRIC:
            values[1::2] *= -1
    else:
        require_size("the spectrum", spectrum.shape, (rank,))
        signed = kind in {Kind.SYMMETRIC, Kind.HERMITIAN}
        require(signed or (spectrum >= 0).all(), f"values of at least 0 for kind {kind}", "a negative one")
        values = spectrum
    Theta = torch.diag(values).to(device=device, dtype=dtype)
    X = haar_frame(shape[0], rank, generator=generator, dtype=dtype, device=device)
    if kind.is_symmetric:
        return LowRank(X, Theta)
    return LowRank(X, Theta, haar_frame(shape[1], rank, generator=generator, dtype=dtype, device=device))
