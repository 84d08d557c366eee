"""Specifications of figures 2 and 3 of arXiv 2510.01175, with the parameters of its section 5."""

from collections.abc import Sequence
from dataclasses import replace

from wnsense.lab.studies.curves.settings import (
    FACTOR,
    FULL_GRIDS,
    LATER,
    RULE,
    SEEDS,
    SIZES,
    SPECTRUM,
    START,
    TUNING_SEEDS,
    WN_GRID,
    curves_of,
    later,
)
from wnsense.lab.studies.curves.specification import (
    Curve,
    CurveCase,
    CurveRun,
    CurveSpecification,
    Rows,
    Tuning,
)
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.manifolds.stiefel import Retraction


def _figure_2a(conditions: Sequence[float], count: int, seeds: int, steps: int, tuning_steps: int) -> tuple[Curve, ...]:
    curves: list[Curve] = []
    for kappa in conditions:
        label, case = f"kappa = {kappa:g}", CurveCase(10, 3, kappa, count)
        curves += curves_of(label, case, 5, range(seeds), steps, tuning_steps=tuning_steps)
        # The later methods reach rounding long before.
        fewer = {StudyMethod.PRECGD: 400, StudyMethod.SCALEDGD_LAMBDA: steps // 10, StudyMethod.PRECONDITIONED_WN: 100}
        for method, most in fewer.items():
            curves += curves_of(label, case, 5, range(seeds), most, tuning_steps=most, grids=later(method))
    return tuple(curves)


FIGURE_2A = CurveSpecification(
    "figure-2a",
    "WN and GD for several condition numbers",
    "After a saddle phase WN converges linearly whatever the condition number; GD is sublinear.",
    quick=_figure_2a((2.0, 5.0, 10.0), 4_000, 3, 3_000, 1_000),
    paper=_figure_2a((50.0, 75.0, 100.0), 60_000, 5, 200_000, 20_000),
    choices=(
        SPECTRUM,
        START,
        SEEDS,
        RULE,
        "the number of steps",
        LATER,
        "the 55 numbers that n rows come down to are iterated on: the same least squares, so the same steps",
    ),
)


def _figure_2b(
    case: CurveCase, widths: Sequence[int], seeds: int, tuning_steps: int, tuning: tuple[CurveCase, int] | None = None
) -> tuple[Curve, ...]:
    """Return the curves for each width, tuned at that width or on a smaller case whose width is divided."""
    curves: list[Curve] = []
    for width in widths:
        label, tuned = f"r = {width}", None if tuning is None else (tuning[0], width // tuning[1])
        # One width is also tuned at full size, to show whether the choice is the same.
        again = tuning is not None and width == widths[len(widths) // 2]
        curves += curves_of(
            label, case, width, range(seeds), 1_000, tuning_steps=tuning_steps, tuning=tuned, confirming=again
        )
        fewer = {StudyMethod.PRECGD: 300, StudyMethod.SCALEDGD_LAMBDA: 1_000, StudyMethod.PRECONDITIONED_WN: 150}
        for method, most in fewer.items():
            curves += curves_of(
                label, case, width, range(seeds), most, tuning_steps=most, tuning=tuned, grids=later(method)
            )
    return tuple(curves)


FIGURE_2B = CurveSpecification(
    "figure-2b",
    "WN and GD for several working ranks",
    "The larger the working rank r, the shorter WN's plateau and the faster its convergence; GD slows a little with r.",
    quick=_figure_2b(CurveCase(40, 2, 10.0, 1_100), (7, 10, 13), 3, 300),
    # Step sizes are chosen at a fifth of the size, with the r/m and n/m^2 of the paper.
    paper=_figure_2b(
        CurveCase(300, 5, 10.0, 50_000, dtype="float32", rows=Rows.FACTOR),
        (50, 75, 100),
        2,
        1_000,
        (CurveCase(60, 5, 10.0, 2_000), 5),
    ),
    choices=(
        SPECTRUM,
        START,
        SEEDS,
        RULE,
        "1,000 steps, single precision, two seeds (quick: double precision, three)",
        SIZES,
        FACTOR,
        LATER,
    ),
)


def _figure_2c(
    near: CurveCase, far: CurveCase, seeds: tuple[int, int], tuning_steps: int, tuning: CurveCase | None = None
) -> tuple[Curve, ...]:
    tuned = None if tuning is None else (tuning, tuning.size)
    return tuple(
        curve
        for case, count, where in ((near, seeds[0], tuned), (far, seeds[1], None))
        for curve in curves_of(
            f"r = m = {case.size}, n = {case.measurements:,}",
            case,
            case.size,
            range(count),
            1_000,
            tuning_steps=tuning_steps,
            tuning=where,
            grids=FULL_GRIDS,
        )
    )


FIGURE_2C = CurveSpecification(
    "figure-2c",
    "WN and GD with the working rank r = m",
    "With r = m there is no saddle phase, and WN converges very fast.",
    quick=_figure_2c(CurveCase(24, 2, 10.0, 333), CurveCase(10, 2, 10.0, 4_000), (3, 3), 300),
    paper=_figure_2c(
        CurveCase(300, 5, 10.0, 50_000, dtype="float32", rows=Rows.FACTOR),
        CurveCase(10, 3, 10.0, 60_000),
        (2, 5),
        1_000,
        CurveCase(60, 5, 10.0, 2_000),
    ),
    choices=(
        "m, n, r_A and kappa: those of figure 2b (quick: smaller, with about the same n over m(m+1)/2)",
        "beside them those of figure 2a with kappa = 10, where n is far larger than m(m+1)/2",
        FACTOR,
        "m = 300 is in single precision, its step sizes found at m = r = 60, n = 2,000 (quick: at the size itself)",
        "mu is in WN's grid, since mu = 2 is stable only while lambda_max(M*M) < 2",
        SPECTRUM,
        START,
        SEEDS,
        RULE,
        "the number of steps",
    ),
)


def _figure_3a(kappa: float, count: int, seeds: int, steps: int) -> tuple[Curve, ...]:
    run = CurveRun(CurveCase(10, 3, kappa, count), StudyMethod.WN, 5, WN_GRID[0], tuple(range(seeds)), steps)
    # One choice of step sizes for all, so that only the retraction differs.
    tuning = Tuning(replace(run, seeds=TUNING_SEEDS), WN_GRID)
    labels = {Retraction.POLAR: "polar", Retraction.QR: "QR", Retraction.CAYLEY: "Cayley"}
    return tuple(Curve(label, replace(run, retraction=retraction), tuning) for retraction, label in labels.items())


FIGURE_3A = CurveSpecification(
    "figure-3a",
    "WN with three retractions",
    "Polar, QR and Cayley retractions give curves that coincide.",
    quick=_figure_3a(5.0, 4_000, 3, 800),
    paper=_figure_3a(10.0, 60_000, 10, 4_000),
    choices=(
        "m = 10, r = 5, r_A = 3 and n as in figure 2a, kappa = 10 (quick: n = 4,000, kappa = 5)",
        SPECTRUM,
        "X_0 is Haar-distributed, Theta_0 = 0.1 I",
        SEEDS,
        RULE,
        "the step sizes of the polar retraction are used for all three",
        "the number of steps",
    ),
    beside="ratio",
)


def _figure_3b(levels: Sequence[float], kappa: float, count: int, data_seeds: int, steps: int) -> tuple[Curve, ...]:
    run = CurveRun(CurveCase(10, 3, kappa, count), StudyMethod.WN, 5, WN_GRID[0], (0,), steps)
    tuning = Tuning(replace(run, seeds=TUNING_SEEDS), WN_GRID)
    return tuple(
        Curve(
            f"noise {level:g}" if level else "no noise",
            replace(run, case=replace(run.case, noise=level)),
            tuning,
            tuple(range(data_seeds)),
        )
        for level in levels
    )


FIGURE_3B = CurveSpecification(
    "figure-3b",
    "WN from noisy measurements",
    "WN is robust to noise: it converges as without noise, down to a floor that the noise sets.",
    quick=_figure_3b((1e-1, 1e-2, 1e-3, 1e-4, 0.0), 5.0, 4_000, 3, 800),
    paper=_figure_3b((1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 0.0), 10.0, 60_000, 5, 4_000),
    choices=(
        "the noise is Gaussian; its level is its standard deviation over the root mean square of the measurements",
        "m = 10, r = 5, r_A = 3 and n as in figure 2a, kappa = 10 (quick: n = 4,000, kappa = 5)",
        SPECTRUM,
        "X_0 is Haar-distributed, Theta_0 = 0.1 I",
        "seeds are of truth, measurements and noise",
        RULE,
        "step sizes are those found without noise",
        "the number of steps",
    ),
    beside="floor",
)

CURVE_STUDIES = {study.name: study for study in (FIGURE_2A, FIGURE_2B, FIGURE_2C, FIGURE_3A, FIGURE_3B)}
