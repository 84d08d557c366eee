"""The stationary points of the population loss (Lemma 4.1 of arXiv 2510.01175), and how one leaves them.

Write P = X X^T. Stationarity in Theta is Theta = X^T A X; the gradient in X is then (P - I) A P A X. It is zero if and
only if span(X) = span(u_j : j in S) + W for a set S of A's eigenvectors and a W orthogonal to all of them: A maps
V = range(P A P) into span(X); V = range(P A), since A is psd, so that A is zero on what span(X) has beside V; A V is
orthogonal to that, hence in V, and V is spanned by eigenvectors. So at every stationary point

    X Theta X^T = A_S, the part of A that S keeps,   Tr(X^T U U^T X) = |S|.

Lemma 4.1's points are those with S = {1..l}, the best rank-l approximations. They exist where r - l <= m - r_A, that is
for l >= r + r_A - m: none but the solution is left when r = m. The others, S not the leading l, are stationary too.

The Hessian there is diagonal but for pairs. For xi = X Omega + sum_ij b_ij q_i e_j^T and tau, with q_i beyond span(X)
and e_j the column of X that holds u_j, or a surplus column,

    Hess[xi, tau] = sum_ij sigma_j (sigma_j - sigma_i) b_ij^2 + 1/2 ||Omega Theta - Theta Omega + tau||_F^2,

where sigma_i = 0 for q_i orthogonal to U and sigma_j = 0 for a surplus column. It follows that

- S = {1..l} with l < r_A and r > l: the Hessian is positive semidefinite. Lemma 4.1's saddles are not strict but
  degenerate: they satisfy the second-order necessary condition of a minimum. Let a surplus column turn by an angle phi
  towards u_{l+1}, and let its entry of Theta be tau. The loss changes by

      -1/2 sigma_{l+1} sin(phi)^2 tau + 1/4 tau^2,

  whose first mixed term is of third order. Along a straight line (phi, tau) = t (a, b) the loss does not fall for small
  t: b^2 t^2 / 4 outweighs it, or b = 0 and nothing changes. It falls along the curve tau = sigma_{l+1} sin(phi)^2, by
  1/4 sigma_{l+1}^2 sin(phi)^4. The escape is of fourth order, and no path is of a lower one (`least_loss_nearby`).
- S not the leading ones: strict, by the curvature sigma_j (sigma_j - sigma_i) < 0 for a u_j kept and a larger sigma_i
  missing.

This is the price of a magnitude that is zero where the direction is still to be found: the same A_l is a strict saddle
of the Burer-Monteiro loss 1/4 ||Y Y^T - A||_F^2, with curvature -sigma_{l+1} for a zero column of Y. Here an alignment
s = sin(phi)^2 grows by s' = 2 eta sigma^2 s^2 (1 - s), at first quadratically in s, so that leaving takes about
1 / (2 eta sigma^2 s_0) steps and not log(1 / s_0) of them (`escape_steps`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_rank
from wnsense.linalg import haar_frame
from wnsense.theory.population import FactoredPoint, PopulationLoss


class Stationarity(StrEnum):
    """What a stationary point of the population loss is."""

    MINIMUM = "a global minimum for its number of columns"
    STRICT_SADDLE = "a strict saddle: some direction has negative curvature"
    DEGENERATE_SADDLE = "a degenerate saddle: no negative curvature, left along a curve of fourth order"


@dataclass(frozen=True)
class Escape:
    """The way out of a saddle along which the loss falls first, a turn of a column of X towards an eigenvector.

    Attributes:
        column: Which column of X turns.
        eigenvector: The index of the column of U towards which it turns.
        left: sigma_j of the eigenvector that the column holds; 0 for a surplus column.
        gained: sigma_i of the one towards which it turns.
        order: The order in the angle in which the loss falls, 2 (strict) or 4 (degenerate).
        curvature: The second derivative of the loss along it, negative (strict) or 0 (degenerate).
    """

    column: int
    eigenvector: int
    left: float
    gained: float
    order: int
    curvature: float

    def change(self, angle: float) -> float:
        """By how much the loss changes at an angle, Theta being X^T A X.

            -1/2 sigma_j (sigma_i - sigma_j) sin(phi)^2 - 1/4 (sigma_i - sigma_j)^2 sin(phi)^4

        Args:
            angle: phi, in radians.
        """
        alignment = math.sin(angle) ** 2
        rise = self.gained - self.left
        return -(self.left * rise * alignment / 2 + rise**2 * alignment**2 / 4)

    def point(self, loss: PopulationLoss, saddle: FactoredPoint, angle: float) -> FactoredPoint:
        """The point at an angle along the way out, Theta being X^T A X.

        Args:
            loss: What the saddle is one of.
            saddle: As `stationary_point` makes it.
            angle: phi, in radians.
        """
        X = saddle.X.clone()
        X[:, self.column] = math.cos(angle) * X[:, self.column] + math.sin(angle) * loss.frame[:, self.eigenvector]
        return loss.best_magnitude(X)


def stationary_point(
    loss: PopulationLoss, kept: Sequence[int], rank: int, *, generator: torch.Generator | None = None
) -> FactoredPoint:
    """A point with X Theta X^T = A_S at which the gradient is zero.

    X holds the kept eigenvectors, in the order given, then a random frame orthogonal to U; Theta is
    diag(sigma_S, 0). Any other is (X Q, Q^T Theta Q) with an orthogonal Q, up to the choice of the frame.

    Args:
        loss: The loss, with A's eigenvectors.
        kept: S, indices of columns of U, counted from 0; range(l) for the l-th saddle of Lemma 4.1.
        rank: r, the columns of X.
        generator: Where the surplus columns come from.

    Raises:
        InputError: When an index is repeated or out of range, or there is no room: r - |S| <= m - r_A is needed.
    """
    indices = _checked(loss, kept, rank)
    room = torch.linalg.qr(loss.frame, mode="complete").Q[:, loss.true_rank :]
    dtype, device = loss.frame.dtype, loss.frame.device
    mixing = haar_frame(room.shape[1], rank - len(indices), generator=generator, dtype=dtype, device=device)
    X = torch.cat([loss.frame[:, indices], room @ mixing], dim=1)
    Theta = X.new_zeros(rank, rank)
    Theta.diagonal()[: len(indices)] = loss.eigenvalues[indices]
    return FactoredPoint(X, Theta)


def best_rank_saddle(
    loss: PopulationLoss, level: int, rank: int, *, generator: torch.Generator | None = None
) -> FactoredPoint:
    """The saddle of Lemma 4.1 with X Theta X^T = A_l, the best rank-l approximation, and Tr(X^T U U^T X) = l.

    Args:
        loss: The loss, with A's eigenvectors.
        level: l, from 0 to r_A (there it is the solution).
        rank: r, the columns of X.
        generator: Where the surplus columns come from.

    Raises:
        InputError: When l is out of range or there is no room: r - l <= m - r_A is needed.
    """
    require(0 <= level <= loss.true_rank, f"a level between 0 and the true rank {loss.true_rank}", level)
    return stationary_point(loss, range(level), rank, generator=generator)


def first_level(loss: PopulationLoss, rank: int) -> int:
    """The least l for which Lemma 4.1 has a saddle: max(0, r + r_A - m), r_A when r = m.

    Args:
        loss: The loss.
        rank: r, the columns of X.

    Raises:
        InputError: When the rank is not between 1 and m.
    """
    require_rank("the rank r", rank, loss.size)
    return max(0, rank + loss.true_rank - loss.size)


def classify(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Stationarity:
    """What the stationary point with X Theta X^T = A_S is, by the eigenvalues alone.

    Args:
        loss: The loss.
        kept: S, indices of columns of U, counted from 0.
        rank: r, the columns of X.

    Raises:
        InputError: When an index is repeated or out of range, or no such point exists.
    """
    way = escape(loss, kept, rank)
    if way is None:
        return Stationarity.MINIMUM
    return Stationarity.STRICT_SADDLE if way.order == 2 else Stationarity.DEGENERATE_SADDLE


def escape(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Escape | None:
    """The way out of the stationary point with X Theta X^T = A_S; None at a minimum.

    For a strict saddle it is the direction of the most negative curvature.

    Args:
        loss: The loss.
        kept: S, indices of columns of U, counted from 0.
        rank: r, the columns of X.

    Raises:
        InputError: When an index is repeated or out of range, or no such point exists.
    """
    indices = _checked(loss, kept, rank)
    missing = _missing(loss, indices)
    if not missing:
        return None
    sigma = loss.eigenvalues.tolist()
    # Eigenvalues fall: the first that is missing gains most, whatever column turns.
    gained = sigma[missing[0]]
    if indices:
        column = min(range(len(indices)), key=lambda j: sigma[indices[j]] * (sigma[indices[j]] - gained))
        left = sigma[indices[column]]
        if left < gained:
            return Escape(column, missing[0], left, gained, 2, left * (left - gained))
    if rank > len(indices):
        return Escape(len(indices), missing[0], 0.0, gained, 4, 0.0)
    return None


def hessian_eigenvalues(loss: PopulationLoss, kept: Sequence[int], rank: int) -> Float[Tensor, " d"]:
    """All eigenvalues of the Hessian at the stationary point with X Theta X^T = A_S, rising; d = m r.

    In closed form, from the module's display. At Lemma 4.1's saddle l (l = |S|) with different eigenvalues,
    r (r - 1) / 2 zeros turn X and Theta together and change nothing, (m - r - r_A + l)(r - l) move surplus columns
    among stationary points, and (r_A - l)(r - l) lead out. No other is zero, and none is negative.

    Args:
        loss: The loss.
        kept: S, indices of columns of U, counted from 0.
        rank: r, the columns of X.

    Raises:
        InputError: When an index is repeated or out of range, or no such point exists.
    """
    indices = _checked(loss, kept, rank)
    missing = _missing(loss, indices)
    inside = loss.eigenvalues.new_zeros(rank)
    inside[: len(indices)] = loss.eigenvalues[indices]
    outside = loss.eigenvalues.new_zeros(loss.size - rank)
    outside[: len(missing)] = loss.eigenvalues[missing]
    leaving = inside * (inside - outside.unsqueeze(-1))
    # The pair of turning by Omega_ab and changing Theta_ab: 1/2 (omega (theta_b - theta_a) + tau)^2.
    upper, right = torch.triu_indices(rank, rank, offset=1)
    pairs = (1 + (inside[upper] - inside[right]).square()) / 2
    diagonal = torch.full_like(inside, 0.5)
    return torch.cat([leaving.flatten(), pairs, torch.zeros_like(pairs), diagonal]).sort().values


def least_loss_nearby(loss: PopulationLoss, level: int, alignment: float) -> float:
    """The bound f(X, Theta) >= (1 - s^2) f(A_l), s = ||U_{l+1..r_A}^T X||_2^2, for every X and Theta.

    With C = X^T A X, the least of f over Theta is 1/4 (||A||_F^2 - ||C||_F^2). The first l eigenvalues of C are at most
    sigma_1..sigma_l (interlacing). The next are at most those of C restricted to what is orthogonal to X^T u_1..X^T u_l
    (Courant-Fischer), where C is the sum of sigma_i (X^T u_i)(X^T u_i)^T over i > l, so at most s sigma_{l+1},
    s sigma_{l+2} and so on. Near the saddle s is at most the squared distance of X from the saddle's X: the loss falls
    by a fourth order of the distance at the most, on whatever path.

    Args:
        loss: The loss.
        level: l, from 0 to r_A.
        alignment: s, between 0 and 1.

    Raises:
        InputError: When l or s is out of range.
    """
    require(0 <= level <= loss.true_rank, f"a level between 0 and the true rank {loss.true_rank}", level)
    require(0 <= alignment <= 1, "an alignment between 0 and 1", alignment)
    return (1 - alignment**2) * float(loss.eigenvalues[level:].square().sum()) / 4


def escape_steps(start: float, end: float, eigenvalue: float, *, step_size: float) -> float:
    """How many steps an eigenvector's alignment takes to grow, in the limit of small steps.

    With Theta = X^T A X (mu = 2) and a diagonal Phi Phi^T, each s = (Phi Phi^T)_ii moves alone,
    s' = 2 eta sigma_i^2 s^2 (1 - s), so that it takes

        1 / (2 eta sigma_i^2) [log(s / (1 - s)) - 1 / s]  between the two ends:

    about 1 / (2 eta sigma_i^2 s_0) from a small s_0, which a random frame has at r / m on average; and 1 - s falls
    linearly in the end, by 2 eta sigma_i^2 a step. Larger eigenvalues are first: learning is sequential. A factor
    kappa^2 at a fixed eta; Theorem 3.2's kappa^4 has the other kappa^2 from its eta.

    Args:
        start: s_0, above 0.
        end: s, above s_0 and below 1.
        eigenvalue: sigma_i, positive, in units of ||A||.
        step_size: eta, positive.

    Raises:
        InputError: When a number is out of its range.
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
