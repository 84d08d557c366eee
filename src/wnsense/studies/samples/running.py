"""All searches of the study, each kept in a file of its own as it ends, and the one table that they become."""

import time
from dataclasses import asdict

import numpy as np

from wnsense.checks import InputError
from wnsense.running.tables import Table
from wnsense.studies.samples.measuring import isometry, search
from wnsense.studies.samples.specification import IsometrySearch, SamplePlan, SampleStudy, Search
from wnsense.studies.store import Store, Tell


def run_samples(store: Store, tell: Tell = lambda *_: None) -> Table:
    """Make every search that has not been made, and merge all into the study's table.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    if not isinstance(store.study, SampleStudy):
        raise InputError(f"needed a study of samples, got {store.study.name} of form {store.study.form}")
    finished = store.finished()
    if finished is not None:
        return finished
    store.prepare()
    plan = store.study.plan(store.scale)
    jobs = _jobs(plan)
    made: dict[Search | IsometrySearch, Table] = {}
    for place, job in enumerate(jobs):
        tell(_words(job), place, len(jobs))
        made[job] = store.kept(job.key) or _make(store, job)
    tell("merging", len(jobs), len(jobs))
    arrays = {"isometry": np.array([_found(made[sought]) for sought in plan.isometry])}
    for place, sweep in enumerate(plan.sweeps):
        for recoverer in sweep.recoverers:
            rows = [[_found(made[sought]) for sought in plan.searches(case, recoverer)] for case in sweep.cases]
            arrays[f"{place}_{recoverer}"] = np.array(rows)
    seconds = sum(float(table.arrays["seconds"][0]) for table in made.values())
    memory = max(int(str(table.header["peak_memory"])) for table in made.values())
    return store.finish(arrays, _told(plan), seconds=seconds, memory=memory)


def _jobs(plan: SamplePlan) -> list[Search | IsometrySearch]:
    """Each once; sweeps meet at the base case."""
    searches = [
        sought
        for sweep in plan.sweeps
        for case in sweep.cases
        for recoverer in sweep.recoverers
        for sought in plan.searches(case, recoverer)
    ]
    return [*dict.fromkeys(searches), *plan.isometry]


def _make(store: Store, job: Search | IsometrySearch) -> Table:
    began = time.perf_counter()
    found = search(job) if isinstance(job, Search) else isometry(job)
    arrays = {"found": np.array([found]), "seconds": np.array([time.perf_counter() - began])}
    return store.keep(job.key, arrays, {"job": asdict(job)})


def _found(table: Table) -> float:
    return float(table.arrays["found"][0])


def _words(job: Search | IsometrySearch) -> str:
    case = job.case
    where = f"m = {case.size}, r = {case.rank}, r_A = {case.true_rank}, kappa = {case.condition:g}"
    if isinstance(job, IsometrySearch):
        return f"isometry of n = {job.count:,}, {where}"
    return f"the smallest n of {job.recoverer}, {where}"


def _told(plan: SamplePlan) -> dict[str, object]:
    """What the table's head says of it."""
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
