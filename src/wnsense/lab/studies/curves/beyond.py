"""Specifications of studies beyond the paper: where its method and the later ones stop working."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wnsense.lab.studies.curves.settings import (
    GRIDS,
    LATER,
    LATER_GRIDS,
    RULE,
    SEEDS,
    SPECTRUM,
    START,
    TUNING_SEEDS,
    curves_of,
)
from wnsense.lab.studies.curves.specification import (
    Curve,
    CurveCase,
    CurveEnsemble,
    CurveSpecification,
    StepSizes,
    Tuning,
)
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.sensing.kinds import Kind
from wnsense.solvers.weight_norm import MagnitudeSet

_ALL_GRIDS = {**GRIDS, **LATER_GRIDS}
# Far from M*M = 1 the larger step sizes of a grid diverge for every method; these are added.
_SHORT = (0.1, 0.25)
# Steps of a trial: enough to rank the step sizes, and few enough to try many.
_TUNING_STEPS = 1_000
_REACH = "a setting is reached where the median squared error is at most (sigma_{r_A} / 10)^2"
_COMMON_CHOICES = (_REACH, SPECTRUM, START, LATER, SEEDS, RULE)

Budgets = Mapping[StudyMethod, int]


def _settings(
    cases: Sequence[tuple[str, CurveCase, int]],
    budgets: Budgets,
    seeds: int,
    *,
    tuned_on: tuple[CurveCase, int] | None = None,
    grids: Mapping[StudyMethod, tuple[StepSizes, ...]] = _ALL_GRIDS,
) -> tuple[Curve, ...]:
    """Return the curves of every method in every setting that it supports, tuned in each setting or on one case."""
    curves: list[Curve] = []
    for label, case, width in cases:
        for method, most in budgets.items():
            if case.kind is Kind.SYMMETRIC and method not in {StudyMethod.WN, StudyMethod.PRECONDITIONED_WN}:
                continue
            curves += curves_of(
                label,
                case,
                width,
                range(seeds),
                most,
                tuning_steps=min(most, _TUNING_STEPS),
                tuning=tuned_on,
                grids={method: grids[method]},
            )
    return tuple(curves)


def _budgets(slow: int, fast: int) -> Budgets:
    return {
        StudyMethod.WN: slow,
        StudyMethod.GD: slow,
        StudyMethod.SCALEDGD_LAMBDA: slow,
        StudyMethod.PRECGD: fast,
        StudyMethod.PRECONDITIONED_WN: fast,
    }


def _by_condition(conditions: Sequence[float], count: int, seeds: int, budgets: Budgets) -> tuple[Curve, ...]:
    cases = [(f"kappa = {kappa:g}", CurveCase(10, 3, kappa, count), 5) for kappa in conditions]
    return _settings(cases, budgets, seeds, tuned_on=(CurveCase(10, 3, 100.0, count), 5))


BEYOND_CONDITION = CurveSpecification(
    "beyond-condition",
    "What each method needs at condition numbers up to 1e6",
    "Nothing beyond kappa = 100; the theorem's step size, burn-in and rate all go with powers of kappa.",
    quick=_by_condition((1.0, 10.0, 100.0, 1e4), 4_000, 2, _budgets(400, 200)),
    paper=_by_condition((1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6), 60_000, 5, _budgets(20_000, 2_000)),
    choices=(
        "m = 10, r = 5, r_A = 3 and n as in figure 2a (quick: n = 4,000)",
        *_COMMON_CHOICES,
        "step sizes are chosen at kappa = 100 for all, as one has to who does not know kappa",
        "at most 20,000 steps of WN, GD and ScaledGD(lambda), 2,000 of the others (quick: 400 and 200)",
    ),
    beside="reach",
    against="condition",
)


def _by_width(widths: Sequence[int], seeds: int, budgets: Budgets) -> tuple[Curve, ...]:
    cases = [(f"r = {width}", CurveCase(20, 3, 10.0, 4_000), width) for width in widths]
    return _settings(cases, budgets, seeds)


BEYOND_WIDTH = CurveSpecification(
    "beyond-rank",
    "What each method needs at every working rank, from r_A to m",
    "The larger r, the faster WN; nothing is said of r = r_A, where the theorem has no rate, nor of r > m/2.",
    quick=_by_width((3, 6, 20), 2, _budgets(300, 150)),
    paper=_by_width((3, 4, 5, 6, 8, 10, 14, 20), 5, _budgets(4_000, 1_000)),
    choices=(
        "m = 20, r_A = 3, kappa = 10, n = 4,000, which is 19 m(m+1)/2",
        *_COMMON_CHOICES,
        "at most 4,000 steps of WN, GD and ScaledGD(lambda), 1,000 of the others (quick: 300 and 150)",
    ),
    beside="reach",
    against="width",
)

_ENSEMBLES = {
    CurveEnsemble.GAUSSIAN: 1_500,
    CurveEnsemble.RADEMACHER: 1_500,
    CurveEnsemble.PAIRED: 1_500,
    CurveEnsemble.RANK_ONE: 1_500,
    # Of 300 different numbers no more can be had.
    CurveEnsemble.DCT: 240,
    CurveEnsemble.ENTRIES: 240,
}
_LONG_GRIDS = {
    method: (*(StepSizes(eta, damping=grid[0].damping) for eta in _SHORT), *grid) if len(grid) > 1 else grid
    for method, grid in _ALL_GRIDS.items()
}
# Far from an isometry mu = 2 is beyond the limit of stability.
_LONG_GRIDS[StudyMethod.WN] = tuple(StepSizes(eta, mu) for eta in (0.25, 0.5, 1.0, 1.5) for mu in (2.0, 1.0, 0.3))


def _by_ensemble(seeds: int, budgets: Budgets, size: int = 24, share: float = 1.0) -> tuple[Curve, ...]:
    cases = [
        (str(ensemble), CurveCase(size, 2, 10.0, round(count * share), ensemble=ensemble), 6)
        for ensemble, count in _ENSEMBLES.items()
    ]
    return _settings(cases, budgets, seeds, grids=_LONG_GRIDS)


BEYOND_ENSEMBLES = CurveSpecification(
    "beyond-ensembles",
    "What each method needs with measurements other than Gaussian",
    "Nothing: theorem and experiments are of Gaussian measurements, which have the restricted isometry property.",
    quick=_by_ensemble(2, _budgets(150, 100), 12, 0.25),
    paper=_by_ensemble(5, _budgets(4_000, 1_000)),
    choices=(
        "m = 24, r_A = 2, r = 6, kappa = 10; n = 1,500, but 240 of the 300 numbers that DCT and entries have",
        "quick: m = 12 and a quarter of n",
        "raw rank-one measurements are centred and scaled as the library does; the others are taken as they are",
        "WN's grid has mu in {2, 1, .3}, and all grids have shorter steps besides",
        *_COMMON_CHOICES,
        "at most 4,000 steps of WN, GD and ScaledGD(lambda), 1,000 of the others (quick: 150 and 100)",
    ),
    beside="reach",
    against="label",
)


def _by_kind(size: int, count: int, seeds: int, budgets: Budgets) -> tuple[Curve, ...]:
    cases = [(str(kind), CurveCase(size, 2, 10.0, count, kind=kind), 6) for kind in Kind]
    return _settings(cases, budgets, seeds, grids=_LONG_GRIDS)


BEYOND_KINDS = CurveSpecification(
    "beyond-kinds",
    "What each method needs for indefinite, complex and rectangular unknowns",
    "Nothing: the unknown is real, symmetric and positive semidefinite.",
    quick=_by_kind(10, 500, 2, _budgets(150, 100)),
    paper=_by_kind(16, 2_000, 5, _budgets(4_000, 1_000)),
    choices=(
        "m = 16 on both sides, r_A = 2, r = 6, kappa = 10, n = 2,000 (quick: m = 10, n = 500)",
        "rectangular: Z = X Theta Y^T, each frame with its own gradient; hermitian: conjugate transposes throughout",
        "indefinite unknowns have no factor Y Y^T: only the two that have a Theta take part",
        "WN's grid has mu in {2, 1, .3}, and all grids have shorter steps besides",
        _REACH,
        SPECTRUM,
        "X_0 is Haar-distributed, Theta_0 = 0.1 I, every second sign negative where the unknown may be indefinite",
        LATER,
        SEEDS,
        RULE,
        "at most 4,000 steps of WN, GD and ScaledGD(lambda), 1,000 of the others (quick: 150 and 100)",
    ),
    beside="reach",
    against="label",
)


def _by_set(kappa: float, count: int, seeds: int, steps: int) -> tuple[Curve, ...]:
    curves = []
    for magnitude_set in MagnitudeSet:
        [curve] = curves_of(
            f"Theta {magnitude_set}",
            CurveCase(10, 3, kappa, count),
            5,
            range(seeds),
            steps,
            tuning_steps=steps,
            grids={StudyMethod.WN: GRIDS[StudyMethod.WN]},
        )
        run = replace(curve.run, magnitude_set=magnitude_set)
        tuning = Tuning(replace(run, seeds=TUNING_SEEDS), curve.tuning.grid)
        curves.append(replace(curve, run=run, tuning=tuning))
    return tuple(curves)


BEYOND_CONE = CurveSpecification(
    "beyond-cone",
    "Theta only symmetric, kept positive semidefinite, or kept diagonal",
    "Theta's positive semidefinite constraint is relaxed to symmetry: no decomposition in a step, and no loss.",
    quick=_by_set(5.0, 4_000, 3, 800),
    paper=_by_set(10.0, 60_000, 10, 4_000),
    choices=(
        "m = 10, r = 5, r_A = 3 and n as in figure 2a, kappa = 10 (quick: n = 4,000, kappa = 5)",
        "PSD: each step of Theta is followed by the projection onto the cone; diagonal: by the diagonal",
        SPECTRUM,
        "X_0 is Haar-distributed, Theta_0 = 0.1 I",
        SEEDS,
        RULE,
        "the number of steps",
    ),
    beside="cone",
)

BEYOND_STUDIES = {
    study.name: study for study in (BEYOND_CONDITION, BEYOND_WIDTH, BEYOND_ENSEMBLES, BEYOND_KINDS, BEYOND_CONE)
}
