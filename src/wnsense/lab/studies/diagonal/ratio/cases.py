"""Sizes of the study."""

from itertools import product

from wnsense.lab.studies.diagonal.sparse_drawing import GAUSSIAN_MAP, SparseDrawing
from wnsense.lab.studies.diagonal.step_grid import GridPart, RateFamily, geometric_values
from wnsense.lab.studies.frame.parts import NumberedSpecification

_FAMILIES = (
    "steps h are constant: eta_u = h; eta_r = eta h, eta r^2 h, or eta s_t h with s_t from 0.01 to 1 in equal ratios "
    "over 500 steps"
)
_STABLE = (
    "a step size is stable where no step raises the loss; it arrives when the relative residual comes down to 1e-3 in "
    "6,000 steps (quick: 600)"
)
_RATIO_PROBLEMS = tuple(SparseDrawing(60, 200, 5, seed) for seed in (0, 1))

_FOUR_DECADES = geometric_values(1e-2, 1e2, 9)


def _ratio_parts(
    problem: SparseDrawing,
    depth: int,
    ratios: tuple[float, ...],
    lengths: tuple[float, ...],
    *,
    residual: float,
    steps: int,
) -> tuple[GridPart, ...]:
    """Return the parts of every family; the ratio of plain descent has no meaning."""
    return tuple(
        GridPart(
            problem, depth, 0.03, family, (1.0,) if family is RateFamily.PLAIN else ratios, lengths, residual, steps
        )
        for family in RateFamily
    )


RATIO = NumberedSpecification(
    "diagonal-ratio",
    "The ratio of learning rates over four decades, and the steps that stay stable",
    "The source has a constant ratio eta = eta_r / eta_u and shows that rates (r^2, 1) follow gradient flow, without "
    "magnification; how eta is to be chosen, and how far it can go, is left open.",
    quick=_ratio_parts(
        SparseDrawing(20, 50, 2, 0),
        2,
        (0.01, 0.1, 1.0, 10.0, 100.0),
        geometric_values(1e-3, 1.0, 7),
        residual=1e-3,
        steps=600,
    ),
    paper=tuple(
        part
        for depth, problem in product((2, 3), _RATIO_PROBLEMS)
        for part in _ratio_parts(
            problem, depth, _FOUR_DECADES, geometric_values(1e-3, 1.0, 13), residual=1e-3, steps=6_000
        )
    ),
    choices=(
        f"N = 200, M = 60, s = 5, two problems (quick: 50, 20, 2, one). {GAUSSIAN_MAP}; alpha = 0.03",
        _FAMILIES,
        _STABLE,
        "errors and steps at a ratio are those of the stable h with the fewest steps",
    ),
)
