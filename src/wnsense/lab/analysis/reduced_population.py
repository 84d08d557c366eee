"""Algorithm 1 in the population, exactly, on 2 r_A rows and r_A columns, whatever m and r are.

Take U for the first r_A coordinates and turn the columns of X_0 so that U^T X_0 = [Phi, 0] with r_A columns that are
not zero; with Theta_0 a multiple of the identity nothing else changes. The other r - r_A columns X_2 are orthogonal to
U and to the rest. With M*M = I, A X_2 = 0 makes the gradient (X X^T - I) A X Theta (up to a part in span(X) that
Theta_0 = c I and Theta = X^T A X have none of) zero in these columns: they never move, and mu = 2 gives them Theta = 0
at the first step. Of the other columns, the part S orthogonal to U is multiplied from the right only. Its orthogonal
factor Q, S = Q R, stays what it is, and R alone is iterated on.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, spectrum_values
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import SensingObjective


def population_objective(size: int, true_rank: int, condition: float) -> SensingObjective:
    """1/4 ||X Theta X^T - A||_F^2, A's eigenvectors being the first coordinates; nothing is scaled.

    Args:
        size: How many rows.
        true_rank: r_A.
        condition: kappa; eigenvalues are evenly spaced from 1 to 1/kappa.
    """
    identity = torch.eye(size * size, dtype=torch.float64)
    operator = UnpackedSensing(identity, (size, size), Kind.PSD, (1.0, 0.0))
    truth = LowRank(identity[:size, :true_rank].contiguous(), torch.diag(spectrum_values(true_rank, condition)))
    return in_own_units(Problem.measure(operator, truth))


def in_own_units(problem: Problem) -> SensingObjective:
    """The objective as the theorem has it: ||A||_2 = 1 and E M*M = 1, so that nothing is probed and nothing scaled."""
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def reduced_frame(X: Float[Tensor, "*batch m r"], true_rank: int) -> Float[Tensor, "*batch two_k k"]:
    """What of a frame matters in the population, on 2 r_A rows and r_A columns; see above.

    Args:
        X: Orthonormal columns, r of them; the first r_A rows are U^T X.
        true_rank: r_A.

    Raises:
        InputError: When r < r_A or m < 2 r_A.
    """
    rows, columns = X.shape[-2:]
    require(columns >= true_rank, f"at least r_A = {true_rank} columns", columns)
    require(rows >= 2 * true_rank, f"at least 2 r_A = {2 * true_rank} rows", rows)
    turn = torch.linalg.svd(X[..., :true_rank, :], full_matrices=True).Vh.mH
    turned = X @ turn[..., :true_rank]
    beyond = torch.linalg.qr(turned[..., true_rank:, :], mode="r").R
    return torch.cat([turned[..., :true_rank, :], beyond], dim=-2)
