"""Grids of step sizes, words for the choices, and curves of a setting, shared by the specifications."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wnsense.lab.studies.curves.specification import Curve, CurveCase, CurveRun, StepSizes, Tuning
from wnsense.lab.studies.study_methods import StudyMethod

# Seeds of trials; no run that counts has them.
TUNING_SEEDS = (101, 102, 103)

# Both grids reach beyond the limit of stability, eta = 1 for GD and 2 for WN if M*M is the identity.
WN_GRID = tuple(StepSizes(eta) for eta in (0.5, 1.0, 1.5, 2.0))
GD_GRID = tuple(StepSizes(eta) for eta in (0.25, 0.5, 0.7, 0.9, 1.0, 1.1))
GRIDS = {StudyMethod.WN: WN_GRID, StudyMethod.GD: GD_GRID}
# Grids of the later methods, of the same size; preconditioned WN is not tuned.
LATER_GRIDS = {
    StudyMethod.PRECGD: tuple(StepSizes(eta, damping=c) for eta in (0.35, 0.5, 0.7) for c in (0.1, 0.5)),
    StudyMethod.SCALEDGD_LAMBDA: tuple(
        StepSizes(eta, damping=damping) for eta in (0.35, 0.5, 0.7) for damping in (1e-1, 1e-2, 1e-3)
    ),
    StudyMethod.PRECONDITIONED_WN: (StepSizes(1.0, 2.0, 0.3),),
}
# With r = m, mu = 2 can be beyond the limit of stability, 4 / lambda_max(M*M).
WN_FULL_GRID = tuple(StepSizes(eta, mu) for eta in (0.5, 1.0) for mu in (2.0, 1.0, 0.5))
FULL_GRIDS = {StudyMethod.WN: WN_FULL_GRID, StudyMethod.GD: GD_GRID}

START = (
    "WN and GD begin at the same matrix, X_0 Theta_0 X_0^T with Haar-distributed X_0 and Theta_0 = 0.1 I (GD at the "
    "factor sqrt(0.1) X_0)"
)
LATER = (
    "beside the paper's two: PrecGD and preconditioned WN from the same start, ScaledGD(lambda) from its published "
    "small one, Y Y^T of size 1e-12"
)
SPECTRUM = "the eigenvalues of A are evenly spaced from 1 to 1/kappa"
FACTOR = (
    "of the 50,000 Gaussian rows at m = 300 their triangular factor is drawn, whose law is known (Bartlett's): the "
    "same least squares, from 45,150 rows half of zeros"
)
SIZES = (
    "the step sizes are found at m = 60, n = 2,000 and r/5 (quick: at the size itself); for r = 75 WN's and GD's grids "
    "are run at full size too, to see whether they choose alike"
)
SEEDS = "seeds are of the start; truth and measurements are drawn once for each setting"
RULE = (
    "step sizes of both methods are those of a grid with the least median last squared error over three tuning seeds, "
    "which do not count (of those that end at rounding, the first there); WN's mu is the theorem's 2 unless it is said "
    "to be in the grid"
)


def curves_of(
    label: str,
    case: CurveCase,
    width: int,
    seeds: Sequence[int],
    steps: int,
    *,
    tuning_steps: int,
    tuning: tuple[CurveCase, int] | None = None,
    grids: Mapping[StudyMethod, tuple[StepSizes, ...]] = GRIDS,
    confirming: bool = False,
) -> tuple[Curve, ...]:
    """Return the curves of every method of the grids in one setting.

    Args:
        label: Label of the setting.
        case: Problem.
        width: Working rank `r`.
        seeds: Seeds of the starts.
        steps: Number of steps.
        tuning_steps: Number of steps of a trial.
        tuning: Case and width of the trials, if they are not this case and width.
        grids: Methods, each with its grid of step sizes.
        confirming: True if the grid is also run here, from one start.
    """
    curves = []
    for method, grid in grids.items():
        run = CurveRun(case, method, width, grid[0], tuple(seeds), steps)
        tuning_case, tuning_width = tuning or (case, width)
        tuned = CurveRun(tuning_case, method, tuning_width, grid[0], TUNING_SEEDS, tuning_steps)
        again = Tuning(replace(run, seeds=TUNING_SEEDS[:1]), grid) if confirming and len(grid) > 1 else None
        curves.append(Curve(label, run, Tuning(tuned, grid), confirming=again))
    return tuple(curves)


def later(method: StudyMethod) -> dict[StudyMethod, tuple[StepSizes, ...]]:
    """Return the grid of one of the later methods."""
    return {method: LATER_GRIDS[method]}
