"""Quadratic measurements a^H Z a and their differences, from the vectors alone: no a a^H is ever formed."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import random_normal
from wnsense.sensing.dense import require_complex_agrees
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator


@dataclass(frozen=True)
class RankOneSensing(Operator):
    """y_i = a_i^H Z a_i, as in covariance sketching and lifted phase retrieval.

    Attributes:
        vectors: The a_i as rows, (n, m); complex for kind hermitian.
        kind: psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    vectors: Inexact[Tensor, "n m"]
    kind: Kind = Kind.PSD
    second_moment: tuple[float, float] | None = None
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Check that the kind is a symmetric one that the vectors' dtype can measure."""
        _read_off_vectors(self)

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "RankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that E M*M(Z) = Z + beta Tr(Z) I.

        beta is 1/2 for real vectors, 1 for complex ones (2 Z + Tr(Z) I and Z + Tr(Z) I before scaling).

        Raises:
            InputError: When n or size is not positive or the kind is rectangular.
        """
        kind = Kind(kind)
        vectors = _draw_vectors(1, n, size, kind, generator=generator, dtype=dtype, device=device)
        moment = 1.0 if vectors.is_complex() else 2.0
        return cls(vectors * (moment * n) ** -0.25, kind, second_moment=(1.0, 1.0 / moment))

    def traces(self) -> Float[Tensor, " n"]:
        """||a_i||^2."""
        return _squared_lengths(self.vectors)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return _quadratic_form(self.vectors, point)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        return _weighted_outer_times(self.vectors, v, V)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return self.vectors.mT @ (v.unsqueeze(-1) * self.vectors.conj())


@dataclass(frozen=True)
class PairedRankOneSensing(Operator):
    """y_i = a_i^H Z a_i - b_i^H Z b_i: the difference removes the trace term (Cai and Zhang, arXiv 1310.5791).

    Attributes:
        vectors: The a_i as rows, (n, m).
        vectors_minus: The b_i as rows, (n, m).
        kind: psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    vectors: Inexact[Tensor, "n m"]
    vectors_minus: Inexact[Tensor, "n m"]
    kind: Kind = Kind.PSD
    second_moment: tuple[float, float] | None = None
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Check that both sets of vectors agree, and with the kind."""
        _read_off_vectors(self)
        require_size("vectors_minus", self.vectors_minus.shape, self.vectors.shape, "each a_i needs its b_i")
        require(
            self.vectors_minus.dtype == self.vectors.dtype,
            f"vectors_minus of {self.vectors.dtype}",
            self.vectors_minus.dtype,
        )

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "PairedRankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that E M*M(Z) = Z (4 Z before scaling, 2 Z for complex vectors).

        Raises:
            InputError: When n or size is not positive or the kind is rectangular.
        """
        kind = Kind(kind)
        both = _draw_vectors(2, n, size, kind, generator=generator, dtype=dtype, device=device)
        both *= ((2.0 if both.is_complex() else 4.0) * n) ** -0.25
        return cls(both[:n], both[n:], kind, second_moment=(1.0, 0.0))

    def traces(self) -> Float[Tensor, " n"]:
        """||a_i||^2 - ||b_i||^2."""
        return _squared_lengths(self.vectors) - _squared_lengths(self.vectors_minus)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return _quadratic_form(self.vectors, point) - _quadratic_form(self.vectors_minus, point)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        plus = _weighted_outer_times(self.vectors, v, V)
        return plus - _weighted_outer_times(self.vectors_minus, v, V)


def _read_off_vectors(operator: RankOneSensing | PairedRankOneSensing) -> None:
    """Fill in what the vectors say of an operator, checked against its kind."""
    vectors = operator.vectors
    require(vectors.shape[0] > 0, "at least one measurement", "none")
    require(operator.kind.is_symmetric, "a symmetric kind for quadratic measurements", str(operator.kind))
    require_complex_agrees(operator.kind, vectors.dtype)
    object.__setattr__(operator, "shape", (vectors.shape[1], vectors.shape[1]))
    object.__setattr__(operator, "count", vectors.shape[0])
    object.__setattr__(operator, "dtype", vectors.dtype)
    object.__setattr__(operator, "device", vectors.device)


def _draw_vectors(
    sets: int,
    n: int,
    size: int,
    kind: Kind,
    *,
    generator: torch.Generator | None,
    dtype: torch.dtype | None,
    device: torch.device | str,
) -> Tensor:
    require(n >= 1 and size >= 1, "a positive number of measurements and size", f"{n} and {size}")
    return random_normal((sets * n, size), generator=generator, dtype=dtype or kind.default_dtype(), device=device)


def _quadratic_form(A: Tensor, point: LowRank) -> Tensor:
    """a_i^H Z a_i for the rows a_i of A, through A X: n x r numbers."""
    V = A.conj() @ point.X
    return ((V @ point.Theta) * V.conj()).sum(-1).real


def _weighted_outer_times(A: Tensor, v: Tensor, V: Tensor) -> Tensor:
    """sum_i v_i a_i (a_i^H V)."""
    return A.mT @ (v.unsqueeze(-1) * (A.conj() @ V))


def _squared_lengths(A: Tensor) -> Tensor:
    return A.abs().square().sum(-1)
