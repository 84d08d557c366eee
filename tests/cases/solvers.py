"""Solvers and retractions that inherit every law of theirs.

A solver joins `SOLVERS` by one line, with a problem that it solves in a known number of steps.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from cases.flavors import FOUR_KINDS, HERMITIAN, PSD, RECTANGULAR, Flavor
from wnsense.manifolds.stiefel import Retraction
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.weight_norm import WeightNormalizedGD

RETRACTIONS = [pytest.param(retraction, id=str(retraction)) for retraction in Retraction]


@dataclass(frozen=True)
class SolverCase:
    """One entry of the list: a solver on a small Gaussian problem of rank 2.

    Attributes:
        name: For the test's id.
        solver: The solver.
        rank: The working rank.
        steps: How many steps it is given to reach the answer: half as many again as it was seen to take.
        flavors: The unknowns it recovers.
        spectral: Whether it finishes what others began, and so starts from the back-projection instead of anywhere.
        asks: Whether a step may cost an application more where the point is far from flat.
    """

    name: str
    solver: Any
    rank: int
    steps: int
    flavors: tuple[Flavor, ...] = FOUR_KINDS
    spectral: bool = False
    asks: bool = False


SOLVERS = [
    SolverCase("conjugate-wn", ConjugateWN(), rank=4, steps=45, asks=True),
    SolverCase("preconditioned-wn", PreconditionedWN(), rank=5, steps=66),
    *(SolverCase(f"wn-{r}", WeightNormalizedGD(retraction=r), rank=8, steps=160) for r in Retraction),
    SolverCase("gd", GradientDescent(), rank=2, steps=170, flavors=(PSD, HERMITIAN, RECTANGULAR)),
    SolverCase("gauss-newton", GaussNewton(), rank=2, steps=12, spectral=True),
]


def solver_cases() -> list:
    """Every solver with every flavor that it recovers."""
    return [pytest.param(case, flavor, id=f"{case.name}-{flavor}") for case in SOLVERS for flavor in case.flavors]
