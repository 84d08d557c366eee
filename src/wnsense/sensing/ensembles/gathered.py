"""Several runs over the same rows at once: each row is read once for all of them, of any widths and solvers."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.operator import Operator, RowDual
from wnsense.sensing.space import Space

T = TypeVar("T")


def gather(operator: PackedSensing, jobs: Sequence[Callable[[Operator], T]]) -> list[T]:
    """Run jobs that use one operator, so that each sweep over its rows serves all jobs that wait for one.

    A job is any function of an operator, such as a run of the loop on an objective of it. One job computes at a time,
    in their order, until it needs measurements and their back-projection (`pull_back`). When all running jobs wait,
    their matrices go through the rows in one pass. So no two compete for cores, and the outcome does not depend on
    timing. The result of a job differs from that of a run alone by rounding only.

    All jobs must use the same weights of rows and the same target.

    Args:
        operator: Shared operator.
        jobs: Functions of an operator with the same measurements, which they must use instead of it.

    Returns:
        Results of the jobs, in their order.

    Raises:
        KeyboardInterrupt: If interrupted, after each job has been interrupted at its next sweep.
        Exception: If a job raises, the first exception, after all others have ended.
    """
    meeting = _Meeting(operator, len(jobs))

    def attend(place: int) -> T:
        with meeting.turn:
            try:
                return jobs[place](GatheredSensing.from_operator(operator, meeting, place))
            except KeyboardInterrupt:
                meeting.interrupt()
                raise
            finally:
                meeting.leave()

    # Each job needs a thread of its own, since all of them run at once.
    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        futures = [pool.submit(attend, place) for place in range(len(jobs))]
        try:
            errors = [future.exception() for future in futures]
        except KeyboardInterrupt:
            meeting.interrupt()
            raise
    # If one fails in a sweep, the others are interrupted; its own error comes first.
    for error in sorted(filter(None, errors), key=lambda error: isinstance(error, KeyboardInterrupt)):
        raise error
    return [future.result() for future in futures]


@dataclass(frozen=True)
class GatheredSensing(PackedSensing):
    """Shared operator as one of several jobs uses it (`gather`).

    Attributes:
        operator: Shared operator.
        meeting: Queue in which the jobs wait for each other.
        place: Number of the job.
        space: Space of the unknown.
        count: Number of measurements.
        second_moment: See `Operator`.
        scale: Factor of each row.
    """

    operator: PackedSensing
    meeting: "_Meeting" = field(repr=False)
    place: int
    space: Space
    count: int
    second_moment: tuple[float, float] | None
    scale: float

    @classmethod
    def from_operator(cls, operator: PackedSensing, meeting: "_Meeting", place: int) -> "GatheredSensing":
        """Return the operator of one job, with the space, count and law of the shared one."""
        return cls(operator, meeting, place, operator.space, operator.count, operator.second_moment, operator.scale)

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop."""
        return self.operator.packed_rows(start, stop)

    def sweep(self, z: Float[Tensor, "k d"], dual: RowDual) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k d"]]:
        """Measure and back-project in one pass over the rows, together with all other jobs."""
        return self.meeting.ask(_Question(self.place, z, dual))


@dataclass
class _Question:
    """Request of a job for one sweep."""

    place: int
    z: Tensor
    dual: RowDual
    answer: tuple[Tensor, Tensor] | None = None


class _Meeting:
    """Queue of jobs that wait for each other; the job that computes holds `turn`."""

    def __init__(self, operator: PackedSensing, count: int) -> None:
        self.operator = operator
        self.present = count
        self.questions: list[_Question] = []
        self.interrupted = False
        self.turn = threading.Condition()

    def ask(self, question: _Question) -> tuple[Tensor, Tensor]:
        """Submit a request, let the others go on, and return its answer."""
        if self.questions:
            is_same = _is_same(question.dual, self.questions[0].dual)
            require(is_same, "jobs of the same weights and target", "others")
        self.questions.append(question)
        self.sweep_if_all_wait()
        while question.answer is None and not self.interrupted:
            self.turn.wait()
        if question.answer is None:
            # A solver's loop then returns its last iterate.
            raise KeyboardInterrupt
        return question.answer

    def leave(self) -> None:
        """Remove a job that has ended."""
        self.present -= 1
        self.sweep_if_all_wait()

    def interrupt(self) -> None:
        """End all jobs at their next request."""
        with self.turn:
            self.interrupted = True
            self.turn.notify_all()

    def sweep_if_all_wait(self) -> None:
        """Answer all requests if every job that has not ended waits."""
        # In the order of the jobs, not of arrival, so that a sweep gives the same whichever thread was first.
        waiting = sorted(self.questions, key=lambda question: question.place)
        if self.interrupted or not waiting or len(waiting) < self.present:
            return
        self.questions = []
        try:
            y, g = self.operator.sweep(torch.cat([question.z for question in waiting]), waiting[0].dual)
            counts = [len(question.z) for question in waiting]
            for question, own_y, own_g in zip(waiting, torch.split(y, counts), torch.split(g, counts), strict=True):
                question.answer = (own_y, own_g)
        finally:
            # After an error no answer will come, so that all jobs must end.
            self.interrupted = waiting[-1].answer is None
            self.turn.notify_all()


def _is_same(one: RowDual, other: RowDual) -> bool:
    def alike(a: Tensor | None, b: Tensor | None) -> bool:
        return a is b or (a is not None and b is not None and a.shape == b.shape and bool((a == b).all()))

    return alike(one.weight, other.weight) and alike(one.target, other.target)
