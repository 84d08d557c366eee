"""Runs of a study of curves, each kept in a file of its own as it ends, and the content of its table."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.curves.measure import CurveCourse, measure, measure_together
from wnsense.lab.studies.curves.specification import (
    Curve,
    CurveRun,
    CurveSpecification,
    Rows,
    StepSizes,
    Tuning,
    run_key,
)
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study_head import read_head
from wnsense.running.progress import ProgressCallback

# Size m from which reading the rows dominates the cost of a step, so that runs share it.
_LARGE = 200


@dataclass(frozen=True)
class _CurvePartHead:
    """Entries of the head of a part."""

    wall_seconds: float


@dataclass(frozen=True)
class _GridChoice:
    """Step sizes, and the median last error with each setting of the grid, if the grid has several."""

    sizes: StepSizes
    tried: tuple[float, ...]


def run_curves(specification: CurveSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing run, and return the content of the study's table; see `Study.measure`."""
    store.prepare()
    curves = specification.plan(store.scale)
    ledger = PartLedger(store, progress, _work(curves), _seconds_of)
    choices = [_choice(ledger, curve.tuning) for curve in curves]
    _share(ledger, [run for curve, choice in zip(curves, choices, strict=True) for run in _all_runs(curve, choice)])
    confirmed = [None if curve.confirming is None else _choice(ledger, curve.confirming) for curve in curves]
    parts = [_merged(ledger, curve, choice) for curve, choice in zip(curves, choices, strict=True)]
    arrays = {f"{place}_{name}": array for place, part in enumerate(parts) for name, array in part.items()}
    facts = [_facts(*row) for row in zip(curves, choices, confirmed, strict=True)]
    return ledger.result(arrays, {"beside": specification.beside, "against": specification.against, "curves": facts})


def _work(curves: Sequence[Curve]) -> int:
    """Return the number of steps of all runs."""
    tunings = [tuning for curve in curves for tuning in (curve.tuning, curve.confirming) if tuning is not None]
    tuned = sum(run.steps for run in {run for tuning in tunings for run in tuning.runs()})
    return tuned + sum(curve.run.steps * len(curve.data_seeds) for curve in curves)


def _course(ledger: PartLedger, run: CurveRun, words: str) -> CurveCourse:
    """Return the course of a run, from its file if it has been made."""

    def make() -> PartContent:
        began = time.perf_counter()
        course = measure(run, ledger.store.checkpoint(run_key(run)), progress=lambda steps: ledger.report(words, steps))
        return _content(run, course, time.perf_counter() - began)

    part = ledger.part(run_key(run), words, make, run.steps)
    return CurveCourse(part.arrays, tuple(bool(diverged) for diverged in part.arrays["diverged"]))


def _content(run: CurveRun, course: CurveCourse, seconds: float) -> PartContent:
    arrays = {**course.arrays, "diverged": np.array(course.diverged)}
    return arrays, {"run": asdict(run), "wall_seconds": seconds}


def _seconds_of(part: Table) -> float:
    return read_head(part, _CurvePartHead, "curves").wall_seconds


def _share(ledger: PartLedger, runs: Sequence[CurveRun]) -> None:
    """Make the runs on large problems, all of one problem in the same sweeps over its rows."""
    needed = [run for run in dict.fromkeys(runs) if run.case.rows is Rows.FACTOR and run.case.size >= _LARGE]
    for case in dict.fromkeys(run.case for run in needed):
        missing = [run for run in needed if run.case == case and ledger.store.kept(run_key(run)) is None]
        if missing:
            _make_together(ledger, missing)


def _make_together(ledger: PartLedger, runs: Sequence[CurveRun]) -> None:
    """Make and keep several runs on one problem."""
    ends = [time.perf_counter()]

    def keep(run: CurveRun, course: CurveCourse) -> None:
        # If one start diverged, the others of its run ended too: such a run is made again start by start, alone.
        if any(course.diverged) and len(run.seeds) > 1:
            return
        # The time since the last end is counted for this run, so that the sum is the time that passed.
        ends.append(time.perf_counter())
        ledger.store.keep(run_key(run), *_content(run, course, ends[-1] - ends[-2]))

    measure_together(
        runs,
        lambda run: ledger.store.checkpoint(run_key(run)),
        keep,
        lambda steps: ledger.report("running all at once", steps),
    )


def _choice(ledger: PartLedger, tuning: Tuning) -> _GridChoice:
    """Return the step sizes with the least median of the last squared error."""
    runs = tuning.runs()
    if not runs:
        return _GridChoice(tuning.grid[0], ())
    scores = [_score(_course(ledger, run, f"choosing step sizes of {run.method}"), run.case.rounding) for run in runs]
    errors = tuple(error for error, _ in scores)
    # Errors below rounding do not rank the settings.
    best = min(range(len(runs)), key=lambda place: (max(errors[place], tuning.run.case.rounding), scores[place][1]))
    require(math.isfinite(errors[best]), "a step size in the grid with which no start diverges", "none")
    return _GridChoice(tuning.grid[best], errors)


def _score(course: CurveCourse, rounding: float) -> tuple[float, float]:
    """Return the median last squared error, and the first step at which the median was at rounding."""
    if any(course.diverged):
        return math.inf, math.inf
    medians = np.median(course.arrays["error"], axis=1)
    rounded = course.arrays["step"][medians <= rounding]
    return float(medians[-1]), float(rounded[0]) if len(rounded) else math.inf


def _all_runs(curve: Curve, choice: _GridChoice) -> list[CurveRun]:
    """Return the runs that a curve needs once its step sizes are chosen."""
    return [*curve.runs(choice.sizes), *([] if curve.confirming is None else curve.confirming.runs())]


def _merged(ledger: PartLedger, curve: Curve, choice: _GridChoice) -> dict[str, np.ndarray]:
    """Return the arrays of a curve: all starts on all problems side by side."""
    courses = [_course(ledger, run, f"running {run.method}, {curve.label}").arrays for run in curve.runs(choice.sizes)]
    arrays = {name: array for name, array in courses[0].items() if name != "diverged"}
    for name in ("error", "least"):
        arrays[name] = np.concatenate([course[name] for course in courses], axis=1)
    arrays["seconds"] = np.sum([course["seconds"] for course in courses], axis=0)
    if "oracle" in arrays:
        arrays["oracle"] = np.concatenate([course["oracle"] for course in courses])
    return arrays


def _facts(curve: Curve, choice: _GridChoice, confirmed: _GridChoice | None) -> dict[str, object]:
    """Return the entry of the table's head for a curve (read back as `CurveHead`)."""
    facts = asdict(curve.run)
    case = facts.pop("case")
    case.pop("seed")
    method = curve.run.method
    return {
        **facts,
        **case,
        "label": curve.label,
        "data_seeds": curve.data_seeds,
        "step_sizes": choice.sizes.text(method),
        "grid": [sizes.text(method) for sizes in curve.tuning.grid],
        "grid_errors": _finite(choice.tried),
        "confirmed": None if confirmed is None else confirmed.sizes.text(method),
        "confirmed_errors": [] if confirmed is None else _finite(confirmed.tried),
        "tuning_steps": curve.tuning.run.steps,
        "tuning_size": curve.tuning.run.case.size,
        "tuning_seeds": curve.tuning.run.seeds,
    }


def _finite(errors: Sequence[float]) -> list[float | None]:
    """Return errors with None for infinity, which JSON cannot hold."""
    return [error if math.isfinite(error) else None for error in errors]
