"""Catalogue of the solvers by name."""

from collections.abc import Callable, Mapping
from typing import Any

from wnsense.checks import require
from wnsense.solvers.alternating_gauss_newton import AlternatingGaussNewton
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.levenberg_marquardt import LevenbergMarquardtGD
from wnsense.solvers.momentum import MomentumGradientDescent
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.recursive_sketching import RecursiveSketching
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.singular_value_projection import SingularValueProjection
from wnsense.solvers.solver import Solver
from wnsense.solvers.weight_norm import WeightNormalizedGD

SOLVERS: Mapping[str, Callable[[], Solver[Any]]] = {
    "conjugate-wn": ConjugateWN,
    "preconditioned-wn": PreconditionedWN,
    "wn": WeightNormalizedGD,
    "gd": GradientDescent,
    "gauss-newton": GaussNewton,
}

# Published methods for comparison.
BASELINES: Mapping[str, Callable[[], Solver[Any]]] = {
    "scaledgd": ScaledGD,
    "scaledgd-lambda": DampedScaledGD,
    "precgd": PreconditionedGD,
    "agn": AlternatingGaussNewton,
    "risro": RecursiveSketching,
    "lmm": LevenbergMarquardtGD,
    "mifgd": MomentumGradientDescent,
    "svp": SingularValueProjection,
}


def make_solver(name: str) -> Solver[Any]:
    """Return the solver of a name, with its default settings.

    Raises:
        InputError: If no solver has this name.
    """
    makers = {**SOLVERS, **BASELINES}
    require(name in makers, f"a solver out of {', '.join(makers)}", repr(name), "choose one of these names")
    return makers[name]()


def solver_name(solver: Solver[Any]) -> str:
    """Return the name of a solver, or that of its class if it is not in the catalogue."""
    makers = {**SOLVERS, **BASELINES}
    return next((name for name, make in makers.items() if make is type(solver)), type(solver).__name__)
