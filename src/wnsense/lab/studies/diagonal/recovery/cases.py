"""Sizes of the study; arXiv 2305.05448 gives N = 1000 and M = 150, the grids are chosen here."""

from itertools import product

from wnsense.lab.studies.diagonal.recovery.specification import RecoveryPart
from wnsense.lab.studies.diagonal.sparse_drawing import GAUSSIAN_MAP, Rates, SparseDrawing
from wnsense.lab.studies.frame.parts import NumberedSpecification

_PACE = (
    "one rule of time steps for both methods: h = min(1 / lambda, 0.1 / nu), lambda the largest eigenvalue of the flow "
    "linearized where the cell is (a power step every third) and nu the largest |d log(weight)/dt|; eta_u = h and "
    "eta_r = eta h"
)
_RECOVERY_RATIOS: Rates = (None, 10.0, 1.0, 0.1, 0.01)

RECOVERY = NumberedSpecification(
    "diagonal-recovery",
    "Recovery of sparse vectors by discrete descent, with and without weight normalization",
    "Weight normalization's bias towards sparse solutions is robust: it persists where the start is so large that "
    "gradient descent's is lost; and convergence is faster.",
    quick=tuple(
        RecoveryPart(SparseDrawing(40, 100, 3, seed), depth, (1e-3, 1e-2, 1e-1, 1.0), (None, 1.0, 0.1), 1e-3, 600)
        for depth, seed in product((2, 3), (0, 1))
    ),
    paper=tuple(
        RecoveryPart(
            SparseDrawing(150, 1000, sparsity, seed),
            depth,
            (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 1.0),
            _RECOVERY_RATIOS,
            1e-3,
            10_000,
        )
        for sparsity, depth, seed in product((5, 10, 20), (2, 3, 4), range(3))
    ),
    choices=(
        f"N = 1000, M = 150 as published (quick: 100, 40). {GAUSSIAN_MAP}; nonzeros are standard normal",
        "x_0 = alpha in all 2 N entries, so that r_0 = alpha sqrt(2 N)",
        _PACE,
        "a cell rests at a relative residual of 1e-3, or after 10,000 steps (quick: 600) with its error then",
        "3 problems (quick: 2): medians, and bands from the 25% to the 75% quantile",
        "a vector counts as found at a relative error of 0.02",
    ),
)
