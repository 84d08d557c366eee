"""Gradient descent on the Burer-Monteiro factor, what weight normalization is compared with."""

from dataclasses import dataclass, replace

import torch

from wnsense.checks import require
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class GradientDescent:
    """Y+ = Y - eta R Y on f(Y) = 1/4 ||M(Y Y^H) - y||^2; L+ = L - eta R Q, Q+ = Q - eta R^H L on Z = L Q^H.

    Sublinear from a random start once r > r_A (Xiong, Ding, Du, arXiv 2310.01769). A step costs 2 applications. The
    point is kept as LowRank(Y, I).

    Attributes:
        step_size: eta, for an answer of unit norm.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factor: Y = X |Theta|^{1/2}.

        Raises:
            InputError: For kind symmetric, since Y Y^T has no negative eigenvalues.
        """
        require(
            objective.kind is not Kind.SYMMETRIC,
            "kind psd, hermitian (taken as positive semidefinite) or rectangular for gradient descent on Y Y^H",
            "symmetric",
            "a solver of weight normalization takes it",
        )
        Z = point.orthonormal()
        root = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).abs().sqrt().unsqueeze(-2)
        identity = torch.eye(Z.width, dtype=Z.dtype, device=Z.device).expand_as(Z.Theta)
        factored = LowRank(Z.X * root, identity, None if Z.Y is None else Z.Y * root)
        return State(objective.evaluate(factored), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """One gradient step."""
        at = state.evaluation
        X = at.point.X - self.step_size * at.left
        Y = None
        if at.point.Y is not None and at.right is not None:
            Y = at.point.Y - self.step_size * at.right
        moved = objective.evaluate(LowRank(X, at.point.Theta, Y))
        return replace(state, evaluation=moved, applications=state.applications + 2)
