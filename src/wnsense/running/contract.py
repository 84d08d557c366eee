"""Protocols of the objective, the solver and its states that the loop needs; other models than matrices can meet them.

`P` is the type of a point, `A` that of an answer in the user's units, `S` that of a solver's state.
"""

from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
P_contra = TypeVar("P_contra", contravariant=True)
O_contra = TypeVar("O_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


@runtime_checkable
class AnyEvaluation(Protocol[P_co]):
    """Evaluation of an objective in one point."""

    @property
    def point(self) -> P_co:
        """Point of the evaluation."""
        ...

    @property
    def residual(self) -> Tensor:
        """Residual on all measurements, fitted and held out, (..., n)."""
        ...

    @property
    def misfit(self) -> Tensor:
        """Norm of the residual that is minimized, (...)."""
        ...


@runtime_checkable
class AnyState(Protocol[P_co]):
    """State of a solver: a frozen dataclass of tensors, numbers and dataclasses, which a file can hold."""

    @property
    def evaluation(self) -> AnyEvaluation[P_co]:
        """Evaluation in the present point."""
        ...

    @property
    def answer(self) -> AnyEvaluation[P_co]:
        """Evaluation to report if the run ends at this state."""
        ...

    @property
    def applications(self) -> int:
        """Applications of the map and its adjoint that the run has taken."""
        ...

    @property
    def is_at_rest(self) -> bool:
        """True if the solver has come to rest."""
        ...


S = TypeVar("S", bound=AnyState[Any])


@runtime_checkable
class AnyObjective(Protocol[P_contra, A_co]):
    """Objective, as far as the loop uses it."""

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        ...

    @property
    def applications(self) -> int:
        """Applications that setting up the objective took."""
        ...

    def relative_residual(self, residual: Tensor) -> Tensor:
        """Return `||residual|| / ||y||` over the fitted rows."""
        ...

    def holdout_residual(self, residual: Tensor) -> Tensor | None:
        """Return `||residual|| / ||y||` over the rows held out, or None if there are none."""
        ...

    def to_user(self, point: P_contra) -> A_co:
        """Return the point in the user's units."""
        ...


@runtime_checkable
class AnySolver(Protocol[O_contra, P_contra, S]):
    """Solver: frozen settings and two functions."""

    def start(self, objective: O_contra, point: P_contra) -> S:
        """Return the state at the first point."""
        ...

    def step(self, objective: O_contra, state: S) -> S:
        """Return the state after one step."""
        ...
