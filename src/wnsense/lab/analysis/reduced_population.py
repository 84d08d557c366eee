"""Exact reduction of Algorithm 1 in the population to `2 r_A` rows and `r_A` columns, for any `m` and `r`.

Let `U` be the first `r_A` coordinates, and rotate the columns of `X_0` so that `U^T X_0 = [Phi, 0]`, with `r_A` columns
that are not zero. With `Theta_0` a multiple of the identity nothing else changes.

The other `r - r_A` columns `X_2` are orthogonal to `U` and to the rest. Since `M*M = I` and `A X_2 = 0`, the gradient
`(X X^T - I) A X Theta` is zero in these columns. It has no further part in `span(X)`, since `Theta_0 = c I` and
`Theta = X^T A X` have none. So these columns never move, and `mu = 2` gives them `Theta = 0` at the first step.

The part `S` of the other columns that is orthogonal to `U` is multiplied from the right only. In `S = Q R` the
orthogonal factor `Q` stays the same, and the iteration is on `R` alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, spectrum_values
from wnsense.sensing.space import Space
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import SensingObjective


def population_objective(size: int, true_rank: int, condition: float) -> SensingObjective:
    """Return the objective `1/4 ||X Theta X^T - A||_F^2` with `A`'s eigenvectors the first coordinates, not scaled.

    Args:
        size: Number of rows.
        true_rank: Rank `r_A`.
        condition: Condition number `kappa`; eigenvalues are evenly spaced from 1 to `1/kappa`.
    """
    identity = torch.eye(size * size, dtype=torch.float64)
    operator = UnpackedSensing(identity, Space.from_size(size), (1.0, 0.0))
    truth = LowRank(identity[:size, :true_rank].contiguous(), torch.diag(spectrum_values(true_rank, condition)))
    return in_own_units(Problem.measure(operator, truth))


def in_own_units(problem: Problem) -> SensingObjective:
    """Return the objective in the theorem's units, `||A||_2 = 1` and `E M*M = I`: without probes and scaling."""
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def reduced_frame(X: Float[Tensor, "*batch m r"], true_rank: int) -> Float[Tensor, "*batch two_k k"]:
    """Return the reduced frame of `2 r_A` rows and `r_A` columns; see above.

    Args:
        X: Frame of `r` orthonormal columns; the first `r_A` rows are `U^T X`.
        true_rank: Rank `r_A`.

    Raises:
        InputError: If r < r_A or m < 2 r_A.
    """
    rows, columns = X.shape[-2:]
    require(columns >= true_rank, f"at least r_A = {true_rank} columns", columns)
    require(rows >= 2 * true_rank, f"at least 2 r_A = {2 * true_rank} rows", rows)
    turn = torch.linalg.svd(X[..., :true_rank, :], full_matrices=True).Vh.mH
    turned = X @ turn[..., :true_rank]
    beyond = torch.linalg.qr(turned[..., true_rank:, :], mode="r").R
    return torch.cat([turned[..., :true_rank, :], beyond], dim=-2)
