"""Searches of the study of sample sizes, each stored in its own file as it ends, and the table of all of them."""

from dataclasses import asdict

import numpy as np

from wnsense.lab.studies.frame.parts import PartWork, make_parts
from wnsense.lab.studies.frame.specification import file_key
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.samples.measure import isometry_constant, smallest_count
from wnsense.lab.studies.samples.specification import CountSearch, IsometrySearch, SamplePlan, SampleSpecification
from wnsense.running.progress import ProgressCallback


def run_samples(specification: SampleSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing search of the study and return the content of its table, as `Study` describes."""
    plan = specification.plan(store.scale)
    work = PartWork(_key, _words, lambda job: {"job": asdict(job)}, _make)
    made = make_parts(store, _jobs(plan), progress, work)
    results = {job: float(table.arrays["found"][0]) for job, table in made.tables.items()}
    arrays = {"isometry": np.array([results[sought] for sought in plan.isometry])}
    for place, sweep in enumerate(plan.sweeps):
        for recoverer in sweep.recoverers:
            rows = [[results[sought] for sought in plan.searches(case, recoverer)] for case in sweep.cases]
            arrays[f"{place}_{recoverer}"] = np.array(rows)
    return made.result(arrays, _head_entries(plan))


def _jobs(plan: SamplePlan) -> list[CountSearch | IsometrySearch]:
    """Return all searches, each once; sweeps share the base case."""
    searches = [
        sought
        for sweep in plan.sweeps
        for case in sweep.cases
        for recoverer in sweep.recoverers
        for sought in plan.searches(case, recoverer)
    ]
    return [*dict.fromkeys(searches), *plan.isometry]


def _key(job: CountSearch | IsometrySearch) -> str:
    return file_key("isometry" if isinstance(job, IsometrySearch) else job.recoverer, job)


def _make(job: CountSearch | IsometrySearch) -> dict[str, np.ndarray]:
    result = smallest_count(job) if isinstance(job, CountSearch) else isometry_constant(job)
    return {"found": np.array([result])}


def _words(job: CountSearch | IsometrySearch) -> str:
    case = job.case
    where = f"m = {case.size}, r = {case.rank}, r_A = {case.true_rank}, kappa = {case.condition:g}"
    if isinstance(job, IsometrySearch):
        return f"isometry of n = {job.count:,}, {where}"
    return f"the smallest n of {job.recoverer}, {where}"


def _head_entries(plan: SamplePlan) -> dict[str, object]:
    """Return the entries of the table's head, as `SampleHead` reads them."""
    sweeps = [
        {
            "varied": str(sweep.varied),
            "values": sweep.values,
            "cases": [asdict(case) for case in sweep.cases],
            "limits": [case.information_limit for case in sweep.cases],
            "recoverers": [str(recoverer) for recoverer in sweep.recoverers],
        }
        for sweep in plan.sweeps
    ]
    isometries = [{**asdict(sought.case), "count": sought.count, "tried_rank": sought.rank} for sought in plan.isometry]
    return {"sweeps": sweeps, "isometries": isometries, "precision": plan.effort.ratio}
