"""Semidefinite programs of CVXPY, solved by the first installed solver that ends exactly."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from wnsense.checks import InputError, require

# Settings for solvers that are tried after the first one: SCS is then as accurate as an interior-point method.
_ACCURATE: Mapping[str, Mapping[str, float]] = {"SCS": {"eps": 1e-9, "max_iters": 20_000}}
# These solvers are tried first; then all others that are installed.
_PREFERRED = ("CLARABEL", "SCS")
_EXACT = frozenset({"optimal", "infeasible", "unbounded"})
_FAILED = "failed"


@dataclass(frozen=True)
class ProgramOutcome:
    """Outcome of a semidefinite program.

    Attributes:
        status: Status as CVXPY names it, such as `optimal`, `optimal_inaccurate` or `infeasible`.
        solver: Name of the solver that the status and the values of the variables come from.
        others: Endings of the solvers that were tried besides it, such as `CLARABEL: optimal_inaccurate`.
    """

    status: str
    solver: str
    others: tuple[str, ...] = ()

    @property
    def ending(self) -> str:
        """Solver and status, and which solvers ended less exactly."""
        text = f"{self.solver}: {self.status}"
        return f"{text}, tried too: {', '.join(self.others)}" if self.others else text


def solve_program(cvxpy: ModuleType, program: Any, first: str) -> ProgramOutcome:
    """Solve a program and set the values of its variables.

    A solver that fails or ends inexactly is followed by the next one. If no solver ends exactly, the outcome is that of
    the first one that gives values.

    Args:
        cvxpy: The module.
        program: Program of semidefinite constraints.
        first: Name of the solver to try first, with its own settings.

    Raises:
        InputError: If the solver is not installed, or all solvers fail.
    """
    installed = cvxpy.installed_solvers()
    require(first in installed, f"a solver of semidefinite programs of {', '.join(installed)}", first)
    endings: list[str] = []
    inexact: tuple[ProgramOutcome, list[Any]] | None = None
    for solver in dict.fromkeys((first, *(name for name in _PREFERRED if name in installed), *installed)):
        status = _status(cvxpy, program, solver, {} if solver == first else _ACCURATE.get(solver, {}))
        if status in _EXACT:
            return ProgramOutcome(status, solver, tuple(endings))
        endings.append(f"{solver}: {status}")
        values = [variable.value for variable in program.variables()]
        if inexact is None and status != _FAILED and all(value is not None for value in values):
            inexact = ProgramOutcome(status, solver), values
    if inexact is None:
        raise InputError(f"needed a solver of semidefinite programs that ends, got {'; '.join(endings)}")
    outcome, values = inexact
    for variable, value in zip(program.variables(), values, strict=True):
        variable.save_value(value)
    own = f"{outcome.solver}: {outcome.status}"
    return ProgramOutcome(outcome.status, outcome.solver, tuple(ending for ending in endings if ending != own))


def _status(cvxpy: ModuleType, program: Any, solver: str, settings: Mapping[str, float]) -> str:
    with warnings.catch_warnings():
        # The status "optimal_inaccurate" says the same.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)
        try:
            program.solve(solver=solver, **settings)
        except cvxpy.SolverError:
            return _FAILED
    return str(program.status)
