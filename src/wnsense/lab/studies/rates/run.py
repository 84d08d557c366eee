"""All runs of the table's study, each kept in a file of its own as it ends, and the one table that they become."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.parts import study_of
from wnsense.lab.studies.frame.store import Store, Tell
from wnsense.lab.studies.rates.measure import Course, measure
from wnsense.lab.studies.rates.specification import Analysis, Method, RateStudy, Run, Setting

# So many rows of a curve at most are kept, half of them evenly and half of them in equal ratios.
_MOST_POINTS = 120


@dataclass(frozen=True)
class _Row:
    """A row of the table in a setting."""

    analysis: Analysis
    method: Method
    setting: Setting


def run_rates(store: Store, tell: Tell = lambda *_: None) -> Table:
    """Make every run that has not been made, and merge all into the study's table.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    study = study_of(store, RateStudy, "rates")
    finished = store.finished()
    if finished is not None:
        return finished
    store.prepare()
    plan = study.plan(store.scale)
    rows = [
        _Row(analysis, analysis.method, setting)
        for setting in plan.settings
        for analysis in study.analyses
        if analysis.method is not None
    ]
    making = _Making(store, tell, len(rows) * (1 + len(plan.step_sizes)))
    arrays: dict[str, np.ndarray] = {}
    told = []
    for row in rows:
        chosen, tried = making.choose(row, study)
        course = making.make(Run(row.analysis, row.setting, chosen, plan.seeds, plan.steps), row.method)
        name = f"{plan.settings.index(row.setting)}_{row.analysis.row}"
        kept = _thinned(course.step)
        arrays[f"{name}_step"], arrays[f"{name}_error"] = course.step[kept], course.error[kept]
        arrays[f"{name}_steps_to"] = np.stack([course.steps_to(level) for level in plan.levels])
        facts = {"setting": plan.settings.index(row.setting), "row": row.analysis.row, "method": row.method.look}
        told.append({**facts, "step_size": chosen, "tried": tried, "applications": course.applications})
    facts = {
        "rows": told,
        "analyses": [asdict(analysis) for analysis in study.analyses],
        "settings": [asdict(setting) for setting in plan.settings],
        "levels": plan.levels,
        "grid": plan.step_sizes,
        "steps": plan.steps,
    }
    return store.finish(arrays, facts, seconds=making.seconds, memory=making.memory)


class _Making:
    """Runs under way, and how many of all are done."""

    def __init__(self, store: Store, tell: Tell, total: int) -> None:
        self.store = store
        self.tell = tell
        self.total = total
        self.done = 0
        self.seconds = 0.0
        self.memory = 0

    def make(self, run: Run, method: Method) -> Course:
        """What a run gives, from its file where it has been made."""
        self.tell(f"{run.analysis.rate.method}, kappa = {run.setting.condition:g}", self.done, self.total)
        part = self.store.kept(run.key)
        if part is None:
            course = measure(run, method)
            facts = {"applications": course.applications, "diverged": course.diverged, "run": asdict(run)}
            arrays = {"step": course.step, "error": course.error, "seconds": np.array([course.seconds])}
            part = self.store.keep(run.key, arrays, facts)
        self.done += 1
        seconds = float(part.arrays["seconds"][0])
        self.seconds += seconds
        self.memory = max(self.memory, int(str(part.header["peak_memory"])))
        applications = int(str(part.header["applications"]))
        diverged = part.header["diverged"] is True
        return Course(part.arrays["step"], part.arrays["error"], applications, diverged, seconds)

    def choose(self, row: _Row, study: RateStudy) -> tuple[float, list[float | None]]:
        """The best step size of the grid, and each one's median steps to the goal (None: not reached, or diverged)."""
        plan = study.plan(self.store.scale)
        scores = []
        for run in plan.tuning(row.analysis, row.setting):
            course = self.make(run, row.method)
            reached = np.nan_to_num(course.steps_to(plan.goal), nan=np.inf)
            error = math.inf if course.diverged else float(np.median(course.error[-1]))
            scores.append((math.inf if course.diverged else float(np.median(reached)), error))
        best = min(range(len(scores)), key=lambda place: scores[place])
        require(scores[best][1] < math.inf, f"a step size with which {row.method} does not diverge", "none in the grid")
        return plan.step_sizes[best], [steps if math.isfinite(steps) else None for steps, _ in scores]


def _thinned(steps: np.ndarray) -> np.ndarray:
    """Rows to keep: the first, the last, and some between."""
    last = len(steps) - 1
    even = np.linspace(0, last, _MOST_POINTS // 2)
    ratios = np.geomspace(1, last + 1, _MOST_POINTS // 2) - 1
    return np.unique(np.concatenate([even, ratios]).round().astype(int))
