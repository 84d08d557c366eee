"""Comparison of a point with the truth: angles, distances to Lemma 4.1's saddles, magnitudes and gradients.

Each quantity follows from the factors alone, at no application. Points may be a batch; the truth is one matrix
`A = U Sigma U^H`, or `U Sigma V^H`. Frames need not be orthonormal: only their span and the matrix matter. The span of
a rank-deficient frame is extended to full width by arbitrary directions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import frobenius_norm, symmetric_part
from wnsense.manifolds.stiefel import tangent_projection
from wnsense.running.trace import Metric
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import require_truth
from wnsense.solvers.objective import SensingObjective


@dataclass(frozen=True)
class FrameAlignment:
    """Angles between the span of `X` and the span of `U`; `Phi = U^H X`.

    Attributes:
        squared_cosines: Squared cosines of the principal angles, the singular values of `Phi Phi^H`, falling,
            (..., r_A).
        trace: Trace `Tr(Phi Phi^H) = ||U^H X||_F^2`, (...,), at most `min(r, r_A)`.
        outside: Singular values of `(I - U U^H) X`, falling, (..., r); at least `r - r_A` of them are 1,
            and the sum of their squares is `r` minus the trace.
    """

    squared_cosines: Float[Tensor, "*batch k"]
    trace: Float[Tensor, "*batch"]
    outside: Float[Tensor, "*batch r"]


@dataclass(frozen=True)
class Alignment:
    """Comparison of a point with the truth.

    Attributes:
        left: Angles of `X` and `U`.
        right: Angles of `Y` and `V`; None if one frame serves both sides.
        saddle_distances: Squared distances `||X Theta Y^H - A_l||_F^2` for `l = 0..r_A`, (..., r_A + 1).
        used_alignment: `Tr(Phi Phi^H)` of the `l` directions of largest magnitude, `l = 0..r_A`, (..., r_A + 1).
        magnitudes: Eigenvalues (rectangular: singular values) of `Theta`, the largest magnitude first, (..., r).
        gradient_norms: Norms of the population loss's gradient in the directions and in the magnitude, (..., 2).
    """

    left: FrameAlignment
    right: FrameAlignment | None
    saddle_distances: Float[Tensor, "*batch levels"]
    used_alignment: Float[Tensor, "*batch levels"]
    magnitudes: Float[Tensor, "*batch r"]
    gradient_norms: Float[Tensor, "*batch 2"]


def align(point: LowRank, truth: LowRank) -> Alignment:
    """Return the comparison of a point with the truth, in the units of both.

    Raises:
        InputError: If the sizes, dtypes or kinds of the two differ, or the truth is zero or a batch.
    """
    A, Z = _compared(point, truth)
    right = None if Z.Y is None else frame_alignment(Z.Y, A.right)
    return Alignment(
        frame_alignment(Z.X, A.X),
        right,
        _saddle_distances(Z, A),
        _used_alignment(Z, A),
        _magnitudes(Z),
        _gradient_norms(Z, A),
    )


def frame_alignment(X: Inexact[Tensor, "*batch m r"], U: Inexact[Tensor, "m k"]) -> FrameAlignment:
    """Return the angles between two frames with orthonormal columns.

    Small cosines are computed from `Phi`, and small sines from the part of `X` outside of `U`. Neither is 1 minus the
    other, so that both keep their relative precision.

    Raises:
        InputError: If the frames have different numbers of rows.
    """
    require(X.shape[-2] == U.shape[-2], f"a frame of {U.shape[-2]} rows", X.shape[-2])
    Phi = U.mH @ X
    cosines = torch.linalg.svdvals(Phi)
    squared = cosines.new_zeros((*cosines.shape[:-1], U.shape[-1]))
    squared[..., : cosines.shape[-1]] = cosines.square()
    beyond = X - U @ Phi
    return FrameAlignment(squared, frobenius_norm(Phi).square(), torch.linalg.svdvals(beyond))


def saddle_distances(point: LowRank, truth: LowRank) -> Float[Tensor, "*batch levels"]:
    """Return `||Z - A_l||_F^2` for the best rank-`l` approximations of the truth, `l = 0..r_A`, (..., r_A + 1).

    One QR factorization of `[X, U]` turns every difference into a small matrix, which is subtracted and then squared. A
    distance far below `||A||` therefore has an error of machine precision relative to `||A||`, not of its square root.

    Raises:
        InputError: If the sizes, dtypes or kinds of the two differ, or the truth is zero or a batch.
    """
    A, Z = _compared(point, truth)
    return _saddle_distances(Z, A)


def used_alignment(point: LowRank, truth: LowRank) -> Float[Tensor, "*batch levels"]:
    """Return `Tr(V_l^H X^H U U^H X V_l)`, `V_l` the `l` eigenvectors of `Theta` of largest magnitude, (..., r_A + 1).

    It is the trace of Lemma 4.1's second condition, restricted to the directions that the matrix uses: `l` if these lie
    in `span(U)`. Directions of no magnitude are left out; all directions of a random frame have a trace of `r r_A / m`.
    For a rectangular point it is the mean of both sides.

    Raises:
        InputError: If the sizes, dtypes or kinds of the two differ, or the truth is zero or a batch.
    """
    A, Z = _compared(point, truth)
    return _used_alignment(Z, A)


def population_gradient_norms(point: LowRank, truth: LowRank) -> Float[Tensor, "*batch 2"]:
    """Return the Riemannian gradient's norms for `M*M = I`, in the directions and in `Theta`, (..., 2).

    `f = 1/4 ||X Theta X^H - A||_F^2` with `grad_X = R X Theta` made tangent and `grad_Theta = 1/2 X^H R X`. For a
    rectangular point it is `1/2 ||X Theta Y^H - A||_F^2`, with one norm for both frames (arXiv 2510.01175, section 2).

    Raises:
        InputError: If the sizes, dtypes or kinds of the two differ, or the truth is zero or a batch.
    """
    A, Z = _compared(point, truth)
    return _gradient_norms(Z, A)


def _compared(point: LowRank, truth: LowRank) -> tuple[LowRank, LowRank]:
    """Return the truth in orthonormal form without zeros, and the point on orthonormal frames."""
    require_size("the point", point.shape, truth.shape)
    require(not truth.batch, "one truth", f"a batch of {truth.batch}")
    require(point.dtype == truth.dtype, f"a point of the truth's {truth.dtype}", point.dtype, "convert one of them")
    require(
        point.is_symmetric == truth.is_symmetric,
        "a point and a truth that are both (X, Theta) or both (X, Theta, Y)",
        "one of each",
    )
    # Rounding in the factors does not count as rank.
    rank = truth.rank(tolerance=max(truth.shape) * torch.finfo(truth.dtype).eps)
    require(rank >= 1, "a truth that is not zero", "rank 0")
    return truth.truncate(rank), point.framed()


def _values(A: LowRank) -> Tensor:
    return torch.diagonal(A.Theta, dim1=-2, dim2=-1)


def _saddle_distances(Z: LowRank, A: LowRank) -> Tensor:
    R, S = _triangle(Z.X, A.X), None if Z.Y is None else _triangle(Z.Y, A.right)
    r = Z.width
    right = R if S is None else S
    core = R[..., :r] @ Z.Theta @ right[..., : Z.right.shape[-1]].mH
    U, V = R[..., r:], right[..., Z.right.shape[-1] :]
    terms = torch.einsum("...ik,k,...jk->...kij", U, _values(A), V.conj())
    partial = torch.cat([torch.zeros_like(terms[..., :1, :, :]), terms.cumsum(-3)], dim=-3)
    return frobenius_norm(core.unsqueeze(-3) - partial).square()


def _triangle(X: Tensor, U: Tensor) -> Tensor:
    R: Tensor = torch.linalg.qr(torch.cat([X, U.expand(*X.shape[:-2], *U.shape)], dim=-1), mode="r").R
    return R


def _used_alignment(Z: LowRank, A: LowRank) -> Tensor:
    used = Z.orthonormal()
    shares = (A.X.mH @ used.X).abs().square().sum(-2)
    if used.Y is not None:
        shares = (shares + (A.right.mH @ used.Y).abs().square().sum(-2)) / 2
    levels = _values(A).shape[-1]
    padded = shares.new_zeros((*shares.shape[:-1], levels + 1))
    width = min(levels, shares.shape[-1])
    padded[..., 1 : width + 1] = shares[..., :width]
    return padded.cumsum(-1)


def _magnitudes(Z: LowRank) -> Tensor:
    return Z.eigenvalues() if Z.is_symmetric else Z.singular_values()


def _gradient_norms(Z: LowRank, A: LowRank) -> Tensor:
    error = Z.minus(A)
    left = error @ Z.right
    K = Z.X.mH @ left
    # With orthonormal frames the parts along and across X follow from one matrix.
    moves = frobenius_norm(tangent_projection(Z.X, left @ Z.Theta.mH))
    if Z.Y is None:
        return torch.stack([moves, frobenius_norm(symmetric_part(K)) / 2], dim=-1)
    other = frobenius_norm(tangent_projection(Z.Y, (error.mH @ Z.X) @ Z.Theta))
    return torch.stack([torch.hypot(moves, other), frobenius_norm(K)], dim=-1)


# ------------------------------------------------------------------------------------------- columns of a trace


def _against_truth(objective: SensingObjective, point: LowRank) -> tuple[LowRank, LowRank]:
    truth = require_truth(objective.problem)
    return _compared(objective.to_user(point), truth)


def _record_cosines(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return frame_alignment(Z.X, A.X).squared_cosines


def _record_trace(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return frobenius_norm(A.X.mH @ Z.X).square()


def _record_outside(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return frame_alignment(Z.X, A.X).outside


def _record_distances(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return _saddle_distances(Z, A)


def _record_used(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return _used_alignment(Z, A)


def _record_magnitudes(objective: SensingObjective, point: LowRank) -> Tensor:
    return _magnitudes(objective.to_user(point).framed())


def _record_gradients(objective: SensingObjective, point: LowRank) -> Tensor:
    A, Z = _against_truth(objective, point)
    return _gradient_norms(Z, A)


# For Trace(metrics=ALONG_A_RUN): columns in the user's units, a row each step, for the left frame if there are two.
ALONG_A_RUN: Mapping[str, Metric] = MappingProxyType(
    {
        "squared_cosines": _record_cosines,
        "alignment_trace": _record_trace,
        "outside": _record_outside,
        "saddle_distances": _record_distances,
        "used_alignment": _record_used,
        "magnitudes": _record_magnitudes,
        "gradient_norms": _record_gradients,
    }
)
