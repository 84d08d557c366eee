"""Alternating Gauss-Newton steps on two factors, each by a pseudo-inverse."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class AlternatingGaussNewton:
    """AGN, the approximated Gauss-Newton method of Jia, Feng, Meng and Sun (NeurIPS 2024, equations 33 and 34).

        L+ = L - eta R Q (Q^H Q)^+          R from the residual at L Q^H
        Q+ = Q - eta R^H L+ (L+^H L+)^+     R from the residual at L+ Q^H

    For rectangular unknowns, convergence from a small random start (`gaussian_start`) is linear at any condition
    number, is not delayed by saddles, and holds at surplus rank. The objective is the source's, `1/2 ||M(L Q^H) -
    y||^2`. A step costs 4 applications.

    Symmetric kinds, indefinite ones included, use two separate factors, as the source does for symmetric sensing (its
    setting 2), since steps of one factor need not descend. The source's measurements distinguish `L Q^H` from its
    transpose. Those of the symmetric kinds depend on the symmetric part of `L Q^H` only. No first-order term reduces
    the other part, and convergence is sublinear in experiments, as with surplus rank. The point is stored as
    `LowRank([L, Q], [[0, I/2], [I/2, 0]])`, twice as wide as the first point. For the published rate on a symmetric
    answer, measure it as a rectangular one.

    Attributes:
        step_size: Step size `eta`; at most `2/(1 + delta)` in the source's theory, 0.5 in its authors' program. In
            experiments 1 needs less than half the applications.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with `L = X |Theta|^{1/2}` and `Q = Y (or X) |Theta|^{1/2} sign(Theta)`."""
        Z = point.orthonormal()
        values = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).real.unsqueeze(-2)
        root = values.abs().sqrt()
        first = _product(Z.X * root, Z.right * (root * values.sgn()), symmetric=point.is_symmetric)
        return State(objective.evaluate(first), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after a step of `L` and a step of `Q`."""
        at = state.evaluation
        symmetric = at.point.is_symmetric
        L, Q = _factors(at.point)
        L = L - self.step_size * _left_gradient(at) @ _gram_pseudo_inverse(Q)
        at = objective.evaluate(_product(L, Q, symmetric=symmetric))
        Q = Q - self.step_size * _right_gradient(at) @ _gram_pseudo_inverse(L)
        at = objective.evaluate(_product(L, Q, symmetric=symmetric))
        return replace(state, evaluation=at, applications=state.applications + 4)


def _product(L: Inexact[Tensor, "*batch m1 r"], Q: Inexact[Tensor, "*batch m2 r"], *, symmetric: bool) -> LowRank:
    """Return `L Q^H`, or its symmetric part."""
    identity = torch.eye(L.shape[-1], dtype=L.dtype, device=L.device).expand(*L.shape[:-2], -1, -1)
    if not symmetric:
        return LowRank(L, identity, Q)
    half, zero = identity / 2, torch.zeros_like(identity)
    exchange = torch.cat([torch.cat([zero, half], dim=-1), torch.cat([half, zero], dim=-1)], dim=-2)
    return LowRank(torch.cat([L, Q], dim=-1), exchange)


def _factors(point: LowRank) -> tuple[Inexact[Tensor, "*batch m1 r"], Inexact[Tensor, "*batch m2 r"]]:
    """Return `L` and `Q` of a point made by `_product`."""
    if point.Y is not None:
        return point.X, point.Y
    rank = point.width // 2
    return point.X[..., :rank], point.X[..., rank:]


def _left_gradient(at: Evaluation) -> Inexact[Tensor, "*batch m1 r"]:
    """Return `R Q`."""
    return at.left if at.right is not None else at.left[..., at.point.width // 2 :]


def _right_gradient(at: Evaluation) -> Inexact[Tensor, "*batch m2 r"]:
    """Return `R^H L`."""
    return at.right if at.right is not None else at.left[..., : at.point.width // 2]


def _gram_pseudo_inverse(F: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch r r"]:
    """Return `(F^H F)^+` from the singular values of `F`, which are compared with zero before they are squared."""
    _, values, Vh = torch.linalg.svd(F, full_matrices=False)
    cut = torch.finfo(values.dtype).eps * max(F.shape[-2:]) * values[..., :1]
    weights = torch.where(values > cut, values, torch.inf).square().reciprocal()
    inverse: Tensor = (Vh.mH * weights.unsqueeze(-2)) @ Vh
    return inverse
