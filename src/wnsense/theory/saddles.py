"""Stationary points of the population loss (Lemma 4.1 of arXiv 2510.01175), and the ways out of them.

Write `P = X X^T`. Stationarity in `Theta` is `Theta = X^T A X`; the gradient in `X` is then `(P - I) A P A X`. It is
zero if and only if `span(X) = span(u_j : j in S) + W`. Here `S` is a set of `A`'s eigenvectors, and `W` is orthogonal
to all eigenvectors. Proof: `A` maps `V = range(P A P)` into `span(X)`, and `V = range(P A)` since `A` is psd. So `A` is
zero on the rest of `span(X)`. `A V` is orthogonal to that rest, hence in `V`, and `V` is spanned by eigenvectors. So at
every stationary point

    X Theta X^T = A_S, the part of A with the eigenvectors S,   Tr(X^T U U^T X) = |S|.

Lemma 4.1's points are those with `S = {1..l}`, the best rank-`l` approximations. They exist if `r - l <= m - r_A`, that
is for `l >= r + r_A - m`. For `r = m` only the solution remains. The other points, with `S` not the leading `l`, are
stationary too.

The Hessian there is diagonal up to pairs. Let `xi = X Omega + sum_ij b_ij q_i e_j^T` and `tau` be a tangent vector.
`q_i` is a direction orthogonal to `span(X)`; `e_j` selects the column of `X` with `u_j`, or a surplus column. Then

    Hess[xi, tau] = sum_ij sigma_j (sigma_j - sigma_i) b_ij^2 + 1/2 ||Omega Theta - Theta Omega + tau||_F^2,

where `sigma_i = 0` for `q_i` orthogonal to `U` and `sigma_j = 0` for a surplus column. It follows that

- `S = {1..l}` with `l < r_A` and `r > l`: the Hessian is positive semidefinite. Lemma 4.1's saddles are not strict but
  degenerate: they satisfy the second-order necessary condition of a minimum. Let a surplus column turn by an angle
  `phi` towards `u_{l+1}`, and let its entry of `Theta` be `tau`. The loss changes by

      -1/2 sigma_{l+1} sin(phi)^2 tau + 1/4 tau^2,

  whose first mixed term is of third order. Along a straight line `(phi, tau) = t (a, b)` the loss does not fall for
  small `t`: `b^2 t^2 / 4` is larger. For `b = 0` nothing changes. The loss falls along the curve
  `tau = sigma_{l+1} sin(phi)^2`, by `1/4 sigma_{l+1}^2 sin(phi)^4`. The escape is of fourth order, and no path has a
  lower one (`least_loss_nearby`).
- `S` not the leading ones: strict. The curvature is `sigma_j (sigma_j - sigma_i) < 0` for a `u_j` in `S` and a larger
  `sigma_i` missing.

The cause is a magnitude that is zero where the direction is not found yet. The same `A_l` is a strict saddle of the
Burer-Monteiro loss `1/4 ||Y Y^T - A||_F^2`, with curvature `-sigma_{l+1}` for a zero column of `Y`. Here an alignment
`s = sin(phi)^2` grows by `s' = 2 eta sigma^2 s^2 (1 - s)`, at first quadratically in `s`. Leaving the saddle therefore
takes about `1 / (2 eta sigma^2 s_0)` steps instead of `log(1 / s_0)` (`escape_steps`).

The functions on the stationary point of a set `S` take the arguments of `stationary_point`. They raise `InputError` if
an index is repeated or out of range, or if no such point exists.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_rank
from wnsense.linalg import Rng, haar_frame
from wnsense.theory.population import FactoredPoint, PopulationLoss


@dataclass(frozen=True)
class Escape:
    """Path out of a saddle of lowest order: a turn of a column of `X` towards an eigenvector.

    Attributes:
        column: Index of the column of `X` that turns.
        eigenvector: Index of the column of `U` towards which it turns.
        released: Eigenvalue `sigma_j` of the eigenvector in that column of `X`; 0 for a surplus column.
        gained: Eigenvalue `sigma_i` of the eigenvector towards which it turns.
        order: Order in the angle in which the loss falls, 2 (strict) or 4 (degenerate).
        curvature: Second derivative of the loss along the path, negative (strict) or 0 (degenerate).
    """

    column: int
    eigenvector: int
    released: float
    gained: float
    order: int
    curvature: float

    def change(self, angle: float) -> float:
        """Return the change of the loss at an angle, with `Theta = X^T A X`.

            -1/2 sigma_j (sigma_i - sigma_j) sin(phi)^2 - 1/4 (sigma_i - sigma_j)^2 sin(phi)^4

        Args:
            angle: Angle `phi`, in radians.
        """
        alignment = math.sin(angle) ** 2
        rise = self.gained - self.released
        return -(self.released * rise * alignment / 2 + rise**2 * alignment**2 / 4)

    def point(self, loss: PopulationLoss, saddle: FactoredPoint, angle: float) -> FactoredPoint:
        """Return the point at an angle along the path, with `Theta = X^T A X`.

        Args:
            loss: Population loss.
            saddle: Saddle, as `stationary_point` returns it.
            angle: Angle `phi`, in radians.
        """
        X = saddle.X.clone()
        X[:, self.column] = math.cos(angle) * X[:, self.column] + math.sin(angle) * loss.frame[:, self.eigenvector]
        return loss.best_magnitude(X)


def stationary_point(loss: PopulationLoss, kept: Sequence[int], rank: int, *, generator: Rng = None) -> FactoredPoint:
    """Return a stationary point with `X Theta X^T = A_S`.

    `X` has the eigenvectors of `S`, in the given order, then a random frame orthogonal to `U`; `Theta` is
    `diag(sigma_S, 0)`. Any other such point is `(X Q, Q^T Theta Q)` with an orthogonal `Q`, up to the choice of frame.

    Args:
        loss: Loss with `A`'s eigenvectors.
        kept: Set `S`, indices of columns of `U` from 0; `range(l)` for the `l`-th saddle of Lemma 4.1.
        rank: Number of columns `r` of `X`.
        generator: Source of randomness for the surplus columns.

    Raises:
        InputError: If an index is repeated or out of range, or `r - |S| > m - r_A`.
    """
    indices = _checked(loss, kept, rank)
    room = torch.linalg.qr(loss.frame, mode="complete").Q[:, loss.true_rank :]
    dtype, device = loss.frame.dtype, loss.frame.device
    mixing = haar_frame(room.shape[1], rank - len(indices), generator=generator, dtype=dtype, device=device)
    X = torch.cat([loss.frame[:, indices], room @ mixing], dim=1)
    Theta = X.new_zeros(rank, rank)
    Theta.diagonal()[: len(indices)] = loss.eigenvalues[indices]
    return FactoredPoint(X, Theta)


def best_rank_saddle(loss: PopulationLoss, level: int, rank: int, *, generator: Rng = None) -> FactoredPoint:
    """Return the saddle of Lemma 4.1 with `X Theta X^T = A_l`, the best rank-`l` approximation; its trace is `l`.

    The trace is `Tr(X^T U U^T X)`.

    Args:
        loss: Loss with `A`'s eigenvectors.
        level: Index `l`, from 0 to `r_A`, where the point is the solution.
        rank: Number of columns `r` of `X`.
        generator: Source of randomness for the surplus columns.

    Raises:
        InputError: If `l` is out of range, or `r - l > m - r_A`.
    """
    require(0 <= level <= loss.true_rank, f"a level between 0 and the true rank {loss.true_rank}", level)
    return stationary_point(loss, range(level), rank, generator=generator)


def first_level(loss: PopulationLoss, rank: int) -> int:
    """Return the least `l` for which Lemma 4.1 has a saddle, `max(0, r + r_A - m)`; `r_A` if `r = m`.

    Raises:
        InputError: If the rank `r` is not between 1 and `m`.
    """
    require_rank("the rank r", rank, loss.size)
    return max(0, rank + loss.true_rank - loss.size)


class Stationarity(StrEnum):
    """Type of a stationary point of the population loss."""

    MINIMUM = "a global minimum for its number of columns"
    STRICT_SADDLE = "a strict saddle: some direction has negative curvature"
    DEGENERATE_SADDLE = "a degenerate saddle: no negative curvature, left along a curve of fourth order"


def classify(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Stationarity:
    """Return the type of the stationary point with `X Theta X^T = A_S`, from the eigenvalues alone."""
    way = escape(loss, kept, rank)
    if way is None:
        return Stationarity.MINIMUM
    return Stationarity.STRICT_SADDLE if way.order == 2 else Stationarity.DEGENERATE_SADDLE


def escape(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Escape | None:
    """Return the path out of the stationary point with `X Theta X^T = A_S`, None at a minimum.

    For a strict saddle it is the direction of the most negative curvature.
    """
    indices = _checked(loss, kept, rank)
    missing = _missing(loss, indices)
    if not missing:
        return None
    sigma = loss.eigenvalues.tolist()
    # Eigenvalues fall: the first missing one gains most, for any column.
    gained = sigma[missing[0]]
    if indices:
        column = min(range(len(indices)), key=lambda j: sigma[indices[j]] * (sigma[indices[j]] - gained))
        released = sigma[indices[column]]
        if released < gained:
            return Escape(column, missing[0], released, gained, 2, released * (released - gained))
    if rank > len(indices):
        return Escape(len(indices), missing[0], 0.0, gained, 4, 0.0)
    return None


def hessian_eigenvalues(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Float[Tensor, " d"]:
    """Return all `d = m r` eigenvalues of the Hessian at the stationary point with `X Theta X^T = A_S`, rising.

    They are in closed form, from the formula of this module. At Lemma 4.1's saddle `l` with different eigenvalues none
    is negative, and the zeros are three groups:

    - `r (r - 1) / 2` turn `X` and `Theta` together and change nothing;
    - `(m - r - r_A + l)(r - l)` move surplus columns among stationary points;
    - `(r_A - l)(r - l)` lead out.
    """
    indices = _checked(loss, kept, rank)
    missing = _missing(loss, indices)
    inside = loss.eigenvalues.new_zeros(rank)
    inside[: len(indices)] = loss.eigenvalues[indices]
    outside = loss.eigenvalues.new_zeros(loss.size - rank)
    outside[: len(missing)] = loss.eigenvalues[missing]
    leaving = inside * (inside - outside.unsqueeze(-1))
    # A turn by Omega_ab and a change of Theta_ab form a pair: 1/2 (omega (theta_b - theta_a) + tau)^2.
    upper, right = torch.triu_indices(rank, rank, offset=1)
    pairs = (1 + (inside[upper] - inside[right]).square()) / 2
    diagonal = torch.full_like(inside, 0.5)
    return torch.cat([leaving.flatten(), pairs, torch.zeros_like(pairs), diagonal]).sort().values


def least_loss_nearby(loss: PopulationLoss, level: int, alignment: float) -> float:
    """Return the lower bound `(1 - s^2) f(A_l)` of `f(X, Theta)`, where `s = ||U_{l+1..r_A}^T X||_2^2`.

    Proof: with `C = X^T A X`, the least `f` over `Theta` is `1/4 (||A||_F^2 - ||C||_F^2)`. The first `l` eigenvalues of
    `C` are at most `sigma_1..sigma_l` (interlacing). The next ones are at most those of `C` restricted to the
    complement of `X^T u_1..X^T u_l` (Courant-Fischer). There `C` is the sum of `sigma_i (X^T u_i)(X^T u_i)^T` over
    `i > l`, so that they are at most `s sigma_{l+1}`, `s sigma_{l+2}` and so on.

    Near the saddle `s` is at most the squared distance of `X` from the saddle's `X`. On any path the loss thus falls by
    at most a fourth order of the distance.

    Args:
        loss: Population loss.
        level: Index `l`, from 0 to `r_A`.
        alignment: Alignment `s`, between 0 and 1.

    Raises:
        InputError: If `l` or `s` is out of range.
    """
    require(0 <= level <= loss.true_rank, f"a level between 0 and the true rank {loss.true_rank}", level)
    require(0 <= alignment <= 1, "an alignment between 0 and 1", alignment)
    return (1 - alignment**2) * float(loss.eigenvalues[level:].square().sum()) / 4


def escape_steps(start: float, end: float, eigenvalue: float, *, step_size: float) -> float:
    """Return the number of steps in which an eigenvector's alignment grows, in the limit of small steps.

    With `Theta = X^T A X` (`mu = 2`) and a diagonal `Phi Phi^T`, each `s = (Phi Phi^T)_ii` moves alone, by
    `s' = 2 eta sigma_i^2 s^2 (1 - s)`. The number of steps is the difference between the two ends of

        1 / (2 eta sigma_i^2) [log(s / (1 - s)) - 1 / s].

    From a small `s_0` it is about `1 / (2 eta sigma_i^2 s_0)`; a random frame has `s_0 = r / m` on average. In the end
    `1 - s` falls linearly, by `2 eta sigma_i^2` a step. Larger eigenvalues are first: learning is sequential. At a
    fixed `eta` this gives a factor `kappa^2`; the rest of Theorem 3.2's `kappa^4` is from its `eta`.

    Args:
        start: First alignment `s_0`, above 0.
        end: Last alignment `s`, at least `s_0` and below 1.
        eigenvalue: Eigenvalue `sigma_i`, positive, in units of `||A||`.
        step_size: Step size `eta`, positive.

    Raises:
        InputError: If a number is out of its range.
    """
    require(0 < start <= end < 1, "alignments with 0 < start <= end < 1", f"{start} and {end}")
    require(eigenvalue > 0, "a positive eigenvalue", eigenvalue)
    require(step_size > 0, "a positive step size", step_size)

    def potential(s: float) -> float:
        return math.log(s / (1 - s)) - 1 / s

    return (potential(end) - potential(start)) / (2 * step_size * eigenvalue**2)


def _missing(loss: PopulationLoss, indices: list[int]) -> list[int]:
    return [i for i in range(loss.true_rank) if i not in indices]


def _checked(loss: PopulationLoss, kept: Sequence[int], rank: int) -> list[int]:
    indices = list(kept)
    require_rank("the rank r", rank, loss.size)
    fitting = len(set(indices)) == len(indices) and all(0 <= i < loss.true_rank for i in indices)
    require(fitting, f"different indices from 0 to {loss.true_rank - 1}", indices, "they count columns of the frame")
    most = loss.size - loss.true_rank
    require(
        0 <= rank - len(indices) <= most,
        f"between 0 and m - r_A = {most} columns beside the kept eigenvectors",
        rank - len(indices),
        "no such stationary point exists",
    )
    return indices
