"""Operators, the matrices that they act on, and measurement problems: the public names of `sensing`.

| group | names |
|---|---|
| core | `Operator`, `RowDual`, `Space`, `Kind`, `LowRank`, `Problem`, `low_rank`, `spectrum_values` |
| stored matrices | `DenseSensing`, `GaussianSensing`, `RademacherSensing`, `store_rows` |
| matrices from a seed, or sparse | `SeededSensing`, `Law`, `SparseSensing` |
| vectors | `RankOneSensing`, `PairedRankOneSensing`, `BlockRankSensing`, `RectangularRankOneSensing` |
| entries | `EntrySensing`, `SubBlockSensing`, `TriangularSensing` |
| entries of a transform | `DCTSensing`, `HadamardSensing`, `PartialFourierSensing` |
| optics | `CodedDiffractionSensing`, `MaskLaw` |
| quantum states | `PauliSensing`, `PovmProductSensing`, `pauli_effects`, `tetrahedral_effects` |
| your own functions | `FunctionSensing`, `from_functions`, `from_numpy_functions`, `from_scipy`, `from_pylops` |
| combinations | `composed`, `FactorMap`, `operator_sum`, `restrict`, `row_weighted`, `scaled`, `stacked` |
| other problems from a problem | `centred`, `centred_problem`, `compress`, `Compression`, `Factorization` |
| checks | `check_operator`, `OperatorReport` |
"""

from wnsense.sensing.adapters import FunctionSensing, from_functions, from_numpy_functions, from_pylops, from_scipy
from wnsense.sensing.checking.operator_probes import OperatorReport, check_operator
from wnsense.sensing.combining.algebra import operator_sum, stacked
from wnsense.sensing.combining.centring import centred, centred_problem
from wnsense.sensing.combining.composition import FactorMap, composed
from wnsense.sensing.combining.compression import Compression, compress
from wnsense.sensing.combining.measurement_maps import row_weighted, scaled
from wnsense.sensing.combining.restriction import restrict
from wnsense.sensing.combining.triangular_factor import Factorization
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing, store_rows
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.mask_law import MaskLaw
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, pauli_effects, tetrahedral_effects
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.ensembles.seeded import Law, SeededSensing
from wnsense.sensing.ensembles.sparse_rows import SparseSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, RowDual
from wnsense.sensing.problem import Problem, low_rank, spectrum_values
from wnsense.sensing.space import Space

__all__ = [
    "BlockRankSensing",
    "CodedDiffractionSensing",
    "Compression",
    "DCTSensing",
    "DenseSensing",
    "EntrySensing",
    "FactorMap",
    "Factorization",
    "FunctionSensing",
    "GaussianSensing",
    "HadamardSensing",
    "Kind",
    "Law",
    "LowRank",
    "MaskLaw",
    "Operator",
    "OperatorReport",
    "PairedRankOneSensing",
    "PartialFourierSensing",
    "PauliSensing",
    "PovmProductSensing",
    "Problem",
    "RademacherSensing",
    "RankOneSensing",
    "RectangularRankOneSensing",
    "RowDual",
    "SeededSensing",
    "Space",
    "SparseSensing",
    "SubBlockSensing",
    "TriangularSensing",
    "centred",
    "centred_problem",
    "check_operator",
    "composed",
    "compress",
    "from_functions",
    "from_numpy_functions",
    "from_pylops",
    "from_scipy",
    "low_rank",
    "operator_sum",
    "pauli_effects",
    "restrict",
    "row_weighted",
    "scaled",
    "spectrum_values",
    "stacked",
    "store_rows",
    "tetrahedral_effects",
]
