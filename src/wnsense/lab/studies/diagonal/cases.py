"""The studies of diagonal networks, with their sizes (arXiv 2305.05448 gives N = 1000, M = 150; the grids are ours)."""

from collections.abc import Mapping
from itertools import product

from wnsense.lab.studies.diagonal.specification import (
    BoundPart,
    DiagonalSpecification,
    Drawing,
    Family,
    GridPart,
    LayersPart,
    Part,
    RatePart,
    Rates,
    RecoveryPart,
    TrajectoryPart,
)

_DEPTHS = (2, 3, 4)
# alpha of the flows' pictures: where r_0 is below r_inf at each depth.
_FLOW_SCALES = {2: 0.05, 3: 0.12, 4: 0.2}
# The one problem of the flows' pictures.
_SMALL = Drawing(15, 30, 2, 0, 1.7)
_MAP = "A has Gaussian entries of variance 1/M, the truth Gaussian nonzeros at random places; networks are signed"


def _geometric(low: float, high: float, count: int) -> tuple[float, ...]:
    """In equal ratios, to three digits, so that a specification can be read."""
    ratio = (high / low) ** (1 / (count - 1))
    return tuple(float(f"{low * ratio**place:.3g}") for place in range(count))


_PACE = (
    "one rule of time steps for both methods: h = min(1 / lambda, 0.1 / nu), lambda the largest eigenvalue of the flow "
    "linearized where the cell is (a power step every third) and nu the largest |d log(weight)/dt|; eta_u = h and "
    "eta_r = eta h"
)
_RECOVERY_RATIOS: Rates = (None, 10.0, 1.0, 0.1, 0.01)

RECOVERY = DiagonalSpecification(
    "diagonal-recovery",
    "Recovery of sparse vectors by discrete descent, with and without weight normalization",
    "Weight normalization's bias towards sparse solutions is robust: it persists where the start is so large that "
    "gradient descent's is lost; and convergence is faster.",
    quick=tuple(
        RecoveryPart(Drawing(40, 100, 3, seed), depth, (1e-3, 1e-2, 1e-1, 1.0), (None, 1.0, 0.1), 1e-3, 600)
        for depth, seed in product((2, 3), (0, 1))
    ),
    paper=tuple(
        RecoveryPart(
            Drawing(150, 1000, sparsity, seed),
            depth,
            (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 1.0),
            _RECOVERY_RATIOS,
            1e-3,
            10_000,
        )
        for sparsity, depth, seed in product((5, 10, 20), _DEPTHS, range(3))
    ),
    choices=(
        f"N = 1000, M = 150 as published (quick: 100, 40). {_MAP}; nonzeros are standard normal",
        "x_0 = alpha in all 2 N entries, so that r_0 = alpha sqrt(2 N)",
        _PACE,
        "a cell rests at a relative residual of 1e-3, or after 10,000 steps (quick: 600) with its error then",
        "3 problems (quick: 2): medians, and bands from the 25% to the 75% quantile",
        "a vector counts as found at a relative error of 0.02",
    ),
)

TRAJECTORIES = DiagonalSpecification(
    "diagonal-trajectories",
    "Coordinates, radius and magnification along the flow, and what it conserves",
    "Along the flow with weight normalization a function of u and r changes within the range of A^T only, so that its "
    "limit is that of plain flow from a start divided by rho; rho > 1 makes a large start act like a small one.",
    quick=tuple(
        TrajectoryPart(_SMALL, depth, _FLOW_SCALES[depth], ratio, 1e8) for depth in (2, 3) for ratio in (None, 0.3)
    ),
    paper=tuple(
        TrajectoryPart(_SMALL, depth, _FLOW_SCALES[depth], ratio, 1e8)
        for depth in _DEPTHS
        for ratio in (None, 10.0, 1.0, 0.3, 0.1)
    ),
    choices=(
        f"N = 30, M = 15, s = 2, the truth scaled to a least l1 norm of 1.7. {_MAP}",
        "alpha = 0.05, 0.12 and 0.2 for L = 2, 3 and 4; time is that of the flow with eta_u = 1, up to 1e8",
        "Radau's method with a tolerance of 1e-10 in logarithms; it knows nothing of what is conserved",
    ),
)

_BOUND_SCALES = (1e-3, 1e-2, 0.05, 0.2)
_BOUND_RATIOS: Rates = (None, 1.0, 0.3, 0.1)


_WEIGHTED = (
    "for unequal starts and L > 2 the weighted norm sum z_i z_{0,i}^{-q} takes the place of the l1 norm; its bound, "
    "L (r_0^{2q} - min z_0^{q(1-q)}) / (2 (W^q - r_0^{2q})), was derived here, and is the other for equal entries"
)


def _reference(seed: int) -> tuple[BoundPart, BoundPart]:
    """The setting of the spec's reference table on one problem."""
    problem = Drawing(15, 30, 2, seed, 1.7)
    return (
        BoundPart(problem, 2, 0.0, (0.05,), _BOUND_RATIOS),
        BoundPart(problem, 3, 0.0, (0.12,), _BOUND_RATIOS),
    )


BOUND = DiagonalSpecification(
    "diagonal-bound",
    "The l1 norm of the limit over the least, beside its bound, in every cell",
    "Theorem 2.1: the limit's l1 norm exceeds the least one by a part that is at most epsilon, which falls with the "
    "start and, under weight normalization, with rho. Constants as derived for this library.",
    quick=(
        *(part for seed in (0, 1) for part in _reference(seed)),
        *(
            BoundPart(Drawing(8, 16, 2, 100 + depth), depth, spread, (1e-2,), (None, 0.3))
            for depth, spread in product(_DEPTHS, (0.0, 1.0))
        ),
    ),
    paper=(
        *(part for seed in range(20) for part in _reference(seed)),
        *(
            BoundPart(Drawing(15, 30, 2, seed), depth, spread, _BOUND_SCALES, _BOUND_RATIOS, signed=signed)
            for seed, depth, signed, spread in product((100, 101), _DEPTHS, (True, False), (0.0, 1.0))
        ),
    ),
    choices=(
        f"N = 30, M = 15, s = 2 (quick: also 16, 8, 2). {_MAP}, or positive with a dense part of the truth",
        "limits are found without running flows, from the equations that runs are held against elsewhere",
        "unequal starts: alpha e^g with standard normal g, entry by entry",
        _WEIGHTED,
        "the reference table was given without its map: 20 problems are drawn (quick: 2)",
    ),
)

_FAMILIES = (
    "steps h are constant: eta_u = h; eta_r = eta h, eta r^2 h, or eta s_t h with s_t from 0.01 to 1 in equal ratios "
    "over 500 steps"
)
_STABLE = (
    "a step size is stable where no step raises the loss; it arrives when the relative residual comes down to 1e-3 in "
    "6,000 steps (quick: 600)"
)
_RATIO_PROBLEMS = tuple(Drawing(60, 200, 5, seed) for seed in (0, 1))

_FOUR_DECADES = _geometric(1e-2, 1e2, 9)


def _ratio_parts(
    problem: Drawing, depth: int, ratios: tuple[float, ...], lengths: tuple[float, ...], *, residual: float, steps: int
) -> tuple[GridPart, ...]:
    """Plain descent, whose ratio means nothing, and every family."""
    return tuple(
        GridPart(problem, depth, 0.03, family, (1.0,) if family is Family.PLAIN else ratios, lengths, residual, steps)
        for family in Family
    )


RATIO = DiagonalSpecification(
    "diagonal-ratio",
    "The ratio of learning rates over four decades, and the steps that stay stable",
    "The source has a constant ratio eta = eta_r / eta_u and shows that rates (r^2, 1) follow gradient flow, without "
    "magnification; how eta is to be chosen, and how far it can go, is left open.",
    quick=_ratio_parts(
        Drawing(20, 50, 2, 0), 2, (0.01, 0.1, 1.0, 10.0, 100.0), _geometric(1e-3, 1.0, 7), residual=1e-3, steps=600
    ),
    paper=tuple(
        part
        for depth, problem in product((2, 3), _RATIO_PROBLEMS)
        for part in _ratio_parts(problem, depth, _FOUR_DECADES, _geometric(1e-3, 1.0, 13), residual=1e-3, steps=6_000)
    ),
    choices=(
        f"N = 200, M = 60, s = 5, two problems (quick: 50, 20, 2, one). {_MAP}; alpha = 0.03",
        _FAMILIES,
        _STABLE,
        "errors and steps at a ratio are those of the stable h with the fewest steps",
    ),
)

_LAYER_SIZES = ((3, 5, 4), (4, 6, 4), (3, 5, 4, 3), (4, 4, 4, 4), (3, 4, 5, 4, 3))
_LAYER_RATIOS: Rates = (None, 10.0, 1.0, 0.1)


def _speed_parts(
    problems: tuple[Drawing, ...],
    depths: tuple[int, ...],
    scales: tuple[float, ...],
    lengths: tuple[float, ...],
    steps: int,
) -> tuple[Part, ...]:
    families = ((Family.PLAIN, (1.0,)), (Family.CONSTANT, (1.0, 0.3, 0.1)))
    return tuple(
        GridPart(problem, depth, scale, family, ratios, lengths, 1e-3, steps)
        for depth, scale, problem, (family, ratios) in product(depths, scales, problems, families)
    )


SPEED = DiagonalSpecification(
    "diagonal-speed",
    "How fast: steps for an error, and rates at the end beside those foretold",
    "Weight normalization converges faster than gradient descent. For L = 2 the loss falls at least like 1/t; on "
    "multi-layer linear models (ICML 2023) exponentially, at a rate that imbalance and the product's least singular "
    "value bound from below.",
    quick=(
        *_speed_parts((Drawing(20, 50, 2, 0),), (2,), (1e-2, 0.1), _geometric(1e-2, 0.3, 4), 500),
        *(
            RatePart(Drawing(5, 10, 2, seed), depth, 0.3, ratio, 1e-7)
            for depth, seed, ratio in product((2, 3), (0, 1), (None, 1.0))
        ),
        *(LayersPart(sizes, 0.2, 0, (None, 1.0)) for sizes in ((3, 4, 3), (3, 3, 3, 3))),
    ),
    paper=(
        *_speed_parts(
            tuple(Drawing(60, 200, 5, seed) for seed in range(2)),
            _DEPTHS,
            (1e-3, 1e-2, 0.1),
            _geometric(3e-3, 0.3, 7),
            20_000,
        ),
        *(
            RatePart(Drawing(15, 30, 2, seed), depth, scale, ratio, 1e-7)
            for depth, scale, ratio, seed in product(_DEPTHS, (0.1, 0.3), (None, 1.0, 0.1), range(3))
        ),
        *(
            LayersPart(sizes, spread, seed, _LAYER_RATIOS)
            for sizes, spread, seed in product(_LAYER_SIZES, (0.1, 0.3), range(2))
        ),
    ),
    choices=(
        f"steps: N = 200, M = 60, s = 5, two problems (quick: 50, 20, 2, one). {_MAP}; alpha from 0.001 to 0.1",
        "each method has the constant step, of 0.003 to 0.3, that never raises the loss and is first at residual 1e-3",
        "rates: flows at N = 30, M = 15, s = 2, over the last decade down to a relative residual of 1e-7",
        "multi-layer models: 2 to 4 layers that begin near parts of an identity, singular values of the target 1 to 2",
    ),
)

DIAGONAL_STUDIES: Mapping[str, DiagonalSpecification] = {
    study.name: study for study in (RECOVERY, TRAJECTORIES, BOUND, RATIO, SPEED)
}
