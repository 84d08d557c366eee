"""Runs of the study of Table 1, each kept in a file of its own as it ends, and the content of its table."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.specification import file_key
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study_head import read_head
from wnsense.lab.studies.rates.measure import RateCourse, measure
from wnsense.lab.studies.rates.specification import (
    Analysis,
    RateMethod,
    RatePlan,
    RateRun,
    RateSetting,
    RateSpecification,
)
from wnsense.running.progress import ProgressCallback

# Rows of a curve that are kept at most: half of them at even distances, half in equal ratios.
_MOST_POINTS = 120


@dataclass(frozen=True)
class _Row:
    """A row of Table 1 in a setting."""

    analysis: Analysis
    method: RateMethod
    setting: RateSetting


@dataclass(frozen=True)
class _RatePartHead:
    """Entries of the head of a part."""

    applications: int
    diverged: bool


@dataclass(frozen=True)
class _StepSizeChoice:
    """Step size of a row, and the median steps to the goal with each step size of the grid.

    The steps are None where the goal was not reached or a start diverged.
    """

    step_size: float
    tried: list[float | None]


def run_rates(specification: RateSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing run, and return the content of the study's table; see `Study.measure`."""
    store.prepare()
    plan = specification.plan(store.scale)
    rows = [
        _Row(analysis, analysis.method, setting)
        for setting in plan.settings
        for analysis in specification.analyses
        if analysis.method is not None
    ]
    ledger = PartLedger(store, progress, len(rows) * (1 + len(plan.step_sizes)), _seconds_of)
    arrays: dict[str, np.ndarray] = {}
    row_facts: list[dict[str, object]] = []
    for row in rows:
        choice = _choice(ledger, plan, row)
        course = _course(
            ledger, RateRun(row.analysis, row.setting, choice.step_size, plan.seeds, plan.steps), row.method
        )
        place = plan.settings.index(row.setting)
        arrays |= {f"{place}_{row.analysis.row}_{name}": array for name, array in _columns(course, plan).items()}
        facts = {"setting": place, "row": row.analysis.row, "method": row.method.look}
        row_facts.append({**facts, **asdict(choice), "applications": course.applications})
    return ledger.result(
        arrays,
        {
            "rows": row_facts,
            "analyses": [asdict(analysis) for analysis in specification.analyses],
            "settings": [asdict(setting) for setting in plan.settings],
            "levels": plan.levels,
            "grid": plan.step_sizes,
            "steps": plan.steps,
        },
    )


def _course(ledger: PartLedger, run: RateRun, method: RateMethod) -> RateCourse:
    """Return the course of a run, from its file if it has been made."""
    words = f"{run.analysis.rate.method}, kappa = {run.setting.condition:g}"

    def make() -> PartContent:
        ledger.report(words)
        course = measure(run, method)
        arrays = {"step": course.step, "error": course.error, "seconds": np.array([course.seconds])}
        return arrays, {"applications": course.applications, "diverged": course.diverged, "run": asdict(run)}

    part = ledger.part(file_key("run", run), words, make)
    head = read_head(part, _RatePartHead, "rates")
    return RateCourse(part.arrays["step"], part.arrays["error"], head.applications, head.diverged, _seconds_of(part))


def _choice(ledger: PartLedger, plan: RatePlan, row: _Row) -> _StepSizeChoice:
    """Return the step size of the grid with the fewest median steps to the goal, then with the least error."""
    scores = []
    for run in plan.tuning(row.analysis, row.setting):
        course = _course(ledger, run, row.method)
        reached = np.nan_to_num(course.steps_to(plan.goal), nan=np.inf)
        error = math.inf if course.diverged else float(np.median(course.error[-1]))
        scores.append((math.inf if course.diverged else float(np.median(reached)), error))
    best = min(range(len(scores)), key=lambda place: scores[place])
    require(scores[best][1] < math.inf, f"a step size with which {row.method} does not diverge", "none in the grid")
    return _StepSizeChoice(plan.step_sizes[best], [steps if math.isfinite(steps) else None for steps, _ in scores])


def _columns(course: RateCourse, plan: RatePlan) -> dict[str, np.ndarray]:
    """Return the arrays of a row: its curve, thinned, and the steps to each level."""
    rows = _thinned(len(course.step))
    steps_to = np.stack([course.steps_to(level) for level in plan.levels])
    return {"step": course.step[rows], "error": course.error[rows], "steps_to": steps_to}


def _thinned(count: int) -> np.ndarray:
    """Return the places of the rows that are kept: the first, the last, and some between."""
    even = np.linspace(0, count - 1, _MOST_POINTS // 2)
    ratios = np.geomspace(1, count, _MOST_POINTS // 2) - 1
    return np.unique(np.concatenate([even, ratios]).round().astype(int))


def _seconds_of(part: Table) -> float:
    return float(part.arrays["seconds"][0])
