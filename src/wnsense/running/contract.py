"""What the loop asks of an objective, of a solver and of its states: little enough that other models than matrices fit.

P is the kind of point that moves, A what a user is given in the end, S what a solver remembers.
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
    """An objective at a point."""

    @property
    def point(self) -> P_co:
        """The point."""
        ...

    @property
    def residual(self) -> Tensor:
        """What the point leaves of the measurements, (..., n), held out or not."""
        ...

    @property
    def misfit(self) -> Tensor:
        """The norm of what is minimized, (...)."""
        ...


@runtime_checkable
class AnyState(Protocol[P_co]):
    """What a solver remembers: a frozen dataclass of tensors, numbers and dataclasses, which a file can keep."""

    @property
    def evaluation(self) -> AnyEvaluation[P_co]:
        """The objective at the present point."""
        ...

    @property
    def point(self) -> P_co:
        """The present point."""
        ...

    @property
    def answer(self) -> AnyEvaluation[P_co]:
        """What to report if the run ends here."""
        ...

    @property
    def applications(self) -> int:
        """What the run has cost."""
        ...


S = TypeVar("S", bound=AnyState[Any])


@runtime_checkable
class AnyObjective(Protocol[P_contra, A_co]):
    """An objective, as far as the loop looks at it."""

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        ...

    @property
    def applications(self) -> int:
        """What it cost before any run."""
        ...

    def relative_residual(self, residual: Tensor) -> Tensor:
        """||residual|| / ||y|| over the fitted rows."""
        ...

    def holdout_residual(self, residual: Tensor) -> Tensor | None:
        """The same over the rows held out; None when there are none."""
        ...

    def to_user(self, point: P_contra) -> A_co:
        """A point as a user wants it."""
        ...


@runtime_checkable
class AnySolver(Protocol[O_contra, P_contra, S]):
    """A solver: frozen hyper-parameters with two functions."""

    def start(self, objective: O_contra, point: P_contra) -> S:
        """The state at the first point."""
        ...

    def step(self, objective: O_contra, state: S) -> S:
        """The state one step on."""
        ...
