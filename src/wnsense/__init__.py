"""Recover a low-rank matrix from linear measurements when nobody knows its rank, by weight normalization."""

from importlib.metadata import version

from wnsense.checks import InputError
from wnsense.files.problem_file import LoadedProblem, read_problem, write_problem
from wnsense.linalg import haar_frame, polar_factor, smat, svec
from wnsense.manifolds.stiefel import Retraction, distance_to_stiefel, tangent_projection
from wnsense.recovery import Recovery, recover
from wnsense.recovery.robust import RobustRecovery, recover_robustly
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.sensing.adapters import FunctionSensing, from_functions, from_numpy_functions, from_pylops, from_scipy
from wnsense.sensing.checking.operator_probes import OperatorReport, check_operator
from wnsense.sensing.combining.algebra import operator_sum, restrict, row_weighted, scaled, stacked
from wnsense.sensing.combining.centring import centred, centred_problem
from wnsense.sensing.combining.composition import FactorMap, composed
from wnsense.sensing.combining.compression import Compression, Factorization, compress
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing, RademacherSensing, store_rows
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing, MaskLaw, PartialFourierSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, pauli_effects, tetrahedral_effects
from wnsense.sensing.ensembles.rank_one import (
    BlockRankSensing,
    PairedRankOneSensing,
    RankOneSensing,
    RectangularRankOneSensing,
)
from wnsense.sensing.ensembles.seeded import Law, SeededSensing
from wnsense.sensing.ensembles.sparse_rows import SparseSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, RowDual
from wnsense.sensing.problem import Problem, low_rank, spectrum_values
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
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD, ScaledGD
from wnsense.solvers.singular_value_projection import SingularValueProjection
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import gaussian_start, haar_start, spectral_start
from wnsense.solvers.weight_norm import MagnitudeSet, WeightNormalizedGD
from wnsense.trust.agreement import Agreement, agreement
from wnsense.trust.certificate import Certificate, certify
from wnsense.trust.identifiability import Identifiability, identifiability
from wnsense.trust.standard_errors import ErrorMethod, Estimate, StandardErrors, standard_errors

__version__ = version("wnsense")

__all__ = [
    "Agreement",
    "AlternatingGaussNewton",
    "BlockRankSensing",
    "Calibration",
    "Certificate",
    "Checkpoint",
    "CodedDiffractionSensing",
    "Columns",
    "Compression",
    "ConjugateWN",
    "DCTSensing",
    "DampedScaledGD",
    "DenseSensing",
    "EntrySensing",
    "ErrorMethod",
    "Estimate",
    "FactorMap",
    "Factorization",
    "FunctionSensing",
    "GaussNewton",
    "GaussianSensing",
    "GradientDescent",
    "HadamardSensing",
    "Identifiability",
    "InputError",
    "Kind",
    "Law",
    "LevenbergMarquardtGD",
    "LoadedProblem",
    "LowRank",
    "MagnitudeSet",
    "MaskLaw",
    "MomentumGradientDescent",
    "Operator",
    "OperatorReport",
    "PairedRankOneSensing",
    "PartialFourierSensing",
    "PauliSensing",
    "PovmProductSensing",
    "PreconditionedGD",
    "PreconditionedWN",
    "Problem",
    "Progress",
    "RademacherSensing",
    "RankOneSensing",
    "Recovery",
    "RectangularRankOneSensing",
    "RecursiveSketching",
    "Result",
    "Retraction",
    "RobustRecovery",
    "RowDual",
    "ScaledGD",
    "SeededSensing",
    "SensingObjective",
    "SingularValueProjection",
    "Solver",
    "SparseSensing",
    "StandardErrors",
    "State",
    "Status",
    "Stop",
    "SubBlockSensing",
    "Trace",
    "TriangularSensing",
    "WeightNormalizedGD",
    "agreement",
    "centred",
    "centred_problem",
    "certify",
    "check_operator",
    "composed",
    "compress",
    "distance_to_stiefel",
    "from_functions",
    "from_numpy_functions",
    "from_pylops",
    "from_scipy",
    "gaussian_start",
    "haar_frame",
    "haar_start",
    "identifiability",
    "low_rank",
    "operator_sum",
    "pauli_effects",
    "polar_factor",
    "read_problem",
    "recover",
    "recover_robustly",
    "relative_error",
    "restrict",
    "row_weighted",
    "scaled",
    "smat",
    "solve",
    "spectral_start",
    "spectrum_values",
    "stacked",
    "standard_errors",
    "store_rows",
    "svec",
    "tangent_projection",
    "tetrahedral_effects",
    "write_problem",
]
