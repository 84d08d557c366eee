"""Recover a low-rank matrix from linear measurements without its rank, by weight normalization.

Most work needs only the names here:

| to do | names |
|---|---|
| recover a matrix | `recover`, `recover_robustly`, `Recovery`, `Status` |
| describe what was measured | `Problem`, `Operator`, `Space`, `Kind`, `LowRank`, `low_rank`, `check_operator` |
| use a common ensemble | `DenseSensing`, `GaussianSensing`, `RankOneSensing`, `EntrySensing` |
| measure diffraction patterns | `CodedDiffractionSensing` |
| use an operator of your own | `from_functions`, `from_numpy_functions`, `from_scipy`, `from_pylops` |
| question an answer | `agreement`, `certify`, `identifiability`, `standard_errors` |
| read and write problem files | `read_problem`, `write_problem` |
| recover a sparse vector | `sparse_recover` |
| catch bad input | `InputError` |

Everything else is in a module of its own, with a docstring that lists its names: `operators`, `solvers`, `running`,
`recovery`, `trust`, `files`, `sparse`, `manifolds`, `networks` and `lab`.

Names are loaded when they are first used (Scientific Python's SPEC 1); `__init__.pyi` is the list of them.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
