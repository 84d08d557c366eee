"""Recover a low-rank matrix from linear measurements when nobody knows its rank, by weight normalization."""

from importlib.metadata import version

from wnsense.checks import InputError
from wnsense.linalg import haar_frame, polar_factor, smat, svec
from wnsense.manifolds import Retraction, distance_to_stiefel, tangent_projection
from wnsense.recovery import Recovery, recover
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.sensing.adapters import FunctionSensing, from_functions, from_numpy_functions, from_scipy
from wnsense.sensing.dense import DenseSensing, GaussianSensing, RademacherSensing, store_rows
from wnsense.sensing.files import LoadedProblem, read_problem, write_problem
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, RowDual
from wnsense.sensing.probes import OperatorReport, check_operator
from wnsense.sensing.problem import Problem, low_rank, spectrum_values
from wnsense.sensing.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.seeded import Law, SeededSensing
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

__version__ = version("wnsense")

__all__ = [
    "Calibration",
    "Checkpoint",
    "Columns",
    "DenseSensing",
    "FunctionSensing",
    "GaussNewton",
    "GaussianSensing",
    "GradientDescent",
    "InputError",
    "Kind",
    "Law",
    "LoadedProblem",
    "LowRank",
    "Operator",
    "OperatorReport",
    "PairedRankOneSensing",
    "PreconditionedWN",
    "Problem",
    "Progress",
    "RademacherSensing",
    "RankOneSensing",
    "Recovery",
    "Result",
    "Retraction",
    "RowDual",
    "SeededSensing",
    "SensingObjective",
    "Solver",
    "State",
    "Status",
    "Stop",
    "Trace",
    "WeightNormalizedGD",
    "check_operator",
    "distance_to_stiefel",
    "from_functions",
    "from_numpy_functions",
    "from_scipy",
    "haar_frame",
    "haar_start",
    "low_rank",
    "polar_factor",
    "read_problem",
    "recover",
    "relative_error",
    "smat",
    "solve",
    "spectrum_values",
    "store_rows",
    "svec",
    "tangent_projection",
    "write_problem",
]
