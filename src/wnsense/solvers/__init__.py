"""Solvers, the objective that they descend, and starting points.

| group | names |
|---|---|
| weight normalization | `WeightNormalizedGD`, `MagnitudeSet`, `PreconditionedWN`, `ConjugateWN`, `ReweightedWN` |
| second order | `GaussNewton`, `LevenbergMarquardtGD`, `AlternatingGaussNewton`, `RecursiveSketching` |
| first order | `GradientDescent`, `ScaledGD`, `DampedScaledGD`, `PreconditionedGD`, `MomentumGradientDescent` |
| projection | `SingularValueProjection` |
| objective | `SensingObjective`, `Calibration`, `relative_error` |
| starts | `haar_start`, `gaussian_start`, `spectral_start` |
| interface of a solver | `Solver`, `State` |

`running.solve` runs a solver.
"""

from wnsense.solvers.alternating_gauss_newton import AlternatingGaussNewton
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.levenberg_marquardt import LevenbergMarquardtGD
from wnsense.solvers.momentum import MomentumGradientDescent
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.recursive_sketching import RecursiveSketching
from wnsense.solvers.reweighted import ReweightedWN
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.singular_value_projection import SingularValueProjection
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import gaussian_start, haar_start, spectral_start
from wnsense.solvers.weight_norm import MagnitudeSet, WeightNormalizedGD

__all__ = [
    "AlternatingGaussNewton",
    "Calibration",
    "ConjugateWN",
    "DampedScaledGD",
    "GaussNewton",
    "GradientDescent",
    "LevenbergMarquardtGD",
    "MagnitudeSet",
    "MomentumGradientDescent",
    "PreconditionedGD",
    "PreconditionedWN",
    "RecursiveSketching",
    "ReweightedWN",
    "ScaledGD",
    "SensingObjective",
    "SingularValueProjection",
    "Solver",
    "State",
    "WeightNormalizedGD",
    "gaussian_start",
    "haar_start",
    "relative_error",
    "spectral_start",
]
