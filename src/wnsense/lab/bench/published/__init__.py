"""Own implementations of published methods that are told the rank, in NumPy and SciPy, to compare with `recover()`.

Each method is a frozen dataclass of its settings, with one function that returns a `PublishedResult`. `MatrixIRLS`,
`GaussNewtonRecovery` (GNMR), `R2RILS` and `LMaFit` take `SampledEntries`; `GaussNewtonRecovery` takes `DenseRows` too.
`ReweightedAmplitudeFlow` and `TruncatedAmplitudeFlow` take the vectors and intensities of phase retrieval.
"""

from wnsense.lab.bench.published.dense_rows import DenseRows
from wnsense.lab.bench.published.gauss_newton_recovery import GaussNewtonRecovery, Variant
from wnsense.lab.bench.published.lmafit import LMaFit
from wnsense.lab.bench.published.matrix_irls import MatrixIRLS
from wnsense.lab.bench.published.published_result import Limits, PublishedResult
from wnsense.lab.bench.published.r2rils import R2RILS
from wnsense.lab.bench.published.reweighted_flow import ReweightedAmplitudeFlow
from wnsense.lab.bench.published.sampled_entries import SampledEntries
from wnsense.lab.bench.published.truncated_flow import TruncatedAmplitudeFlow

__all__ = [
    "R2RILS",
    "DenseRows",
    "GaussNewtonRecovery",
    "LMaFit",
    "Limits",
    "MatrixIRLS",
    "PublishedResult",
    "ReweightedAmplitudeFlow",
    "SampledEntries",
    "TruncatedAmplitudeFlow",
    "Variant",
]
