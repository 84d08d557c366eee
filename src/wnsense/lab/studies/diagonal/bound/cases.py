"""Sizes of the study."""

from itertools import product

from wnsense.lab.studies.diagonal.bound.specification import BoundPart
from wnsense.lab.studies.diagonal.sparse_drawing import GAUSSIAN_MAP, Rates, SparseDrawing
from wnsense.lab.studies.frame.parts import NumberedSpecification

_DEPTHS = (2, 3, 4)
_BOUND_SCALES = (1e-3, 1e-2, 0.05, 0.2)
_BOUND_RATIOS: Rates = (None, 1.0, 0.3, 0.1)


_WEIGHTED = (
    "for unequal starts and L > 2 the weighted norm sum z_i z_{0,i}^{-q} takes the place of the l1 norm; its bound, "
    "L (r_0^{2q} - min z_0^{q(1-q)}) / (2 (W^q - r_0^{2q})), was derived here, and is the other for equal entries"
)


def _reference(seed: int) -> tuple[BoundPart, BoundPart]:
    """Return the setting of the reference table on one problem."""
    problem = SparseDrawing(15, 30, 2, seed, 1.7)
    return (
        BoundPart(problem, 2, 0.0, (0.05,), _BOUND_RATIOS),
        BoundPart(problem, 3, 0.0, (0.12,), _BOUND_RATIOS),
    )


BOUND = NumberedSpecification(
    "diagonal-bound",
    "The l1 norm of the limit over the least, beside its bound, in every cell",
    "Theorem 2.1: the limit's l1 norm exceeds the least one by a part that is at most epsilon, which falls with the "
    "start and, under weight normalization, with rho. Constants as derived for this library.",
    quick=(
        *(part for seed in (0, 1) for part in _reference(seed)),
        *(
            BoundPart(SparseDrawing(8, 16, 2, 100 + depth), depth, spread, (1e-2,), (None, 0.3))
            for depth, spread in product(_DEPTHS, (0.0, 1.0))
        ),
    ),
    paper=(
        *(part for seed in range(20) for part in _reference(seed)),
        *(
            BoundPart(SparseDrawing(15, 30, 2, seed), depth, spread, _BOUND_SCALES, _BOUND_RATIOS, signed=signed)
            for seed, depth, signed, spread in product((100, 101), _DEPTHS, (True, False), (0.0, 1.0))
        ),
    ),
    choices=(
        f"N = 30, M = 15, s = 2 (quick: also 16, 8, 2). {GAUSSIAN_MAP}, or positive with a dense part of the truth",
        "limits are computed from their equations, without running flows; tests compare both",
        "unequal starts: alpha e^g with standard normal g, entry by entry",
        _WEIGHTED,
        "the reference table was given without its map: 20 problems are drawn (quick: 2)",
    ),
)
