"""The solvers under the names by which people choose them."""

from collections.abc import Callable, Mapping
from typing import Any

from wnsense.checks import require
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import Solver
from wnsense.solvers.weight_norm import WeightNormalizedGD

SOLVERS: Mapping[str, Callable[[], Solver[Any]]] = {
    "preconditioned-wn": PreconditionedWN,
    "wn": WeightNormalizedGD,
    "gd": GradientDescent,
    "gauss-newton": GaussNewton,
}


def make_solver(name: str) -> Solver[Any]:
    """The solver of a name, with its defaults.

    Raises:
        InputError: When there is none of this name.
    """
    require(name in SOLVERS, f"a solver of {', '.join(SOLVERS)}", repr(name))
    return SOLVERS[name]()


def solver_name(solver: Solver[Any]) -> str:
    """The name of a solver; that of its class when it is a user's own."""
    return next((name for name, make in SOLVERS.items() if make is type(solver)), type(solver).__name__)
