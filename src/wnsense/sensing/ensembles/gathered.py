"""Several runs over the same rows at once: each row is read for all of them, whatever their widths and solvers."""

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
    """Run jobs that all use one operator, each sweep over its rows serving all jobs that wait for one.

    A job is any function of an operator, such as a run of the loop on an objective of it. One job computes at a time,
    in their order, until it asks for measurements and their back-projection (`pull_back`); when all jobs that have not
    ended have asked, their matrices go through the rows in one pass. So nothing competes for cores, and the outcome
    does not depend on timing. What a job gets differs from what it would get alone by rounding.

    All must back-project alike: the same weights of rows and the same target.

    Args:
        operator: What measures.
        jobs: Functions of an operator that measures the same, which they must use instead of it.

    Returns:
        What the jobs return, in their order.

    Raises:
        KeyboardInterrupt: When interrupted, after each job has been interrupted at its next question.
        Exception: The first that a job raised, after all others have ended.
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

    # Each job needs a thread of its own, since all of them are under way at once.
    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        futures = [pool.submit(attend, place) for place in range(len(jobs))]
        try:
            errors = [future.exception() for future in futures]
        except KeyboardInterrupt:
            meeting.interrupt()
            raise
    # Where one fails in a sweep the others are interrupted: what it failed of comes first.
    for error in sorted(filter(None, errors), key=lambda error: isinstance(error, KeyboardInterrupt)):
        raise error
    return [future.result() for future in futures]


@dataclass(frozen=True)
class GatheredSensing(PackedSensing):
    """What an operator measures, asked for by one of several jobs (`gather`).

    Attributes:
        operator: What measures.
        meeting: Where its jobs wait for each other.
        place: Of the job among them.
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
        """Rows start to stop."""
        return self.operator.packed_rows(start, stop)

    def sweep(self, z: Float[Tensor, "k d"], dual: RowDual) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k d"]]:
        """One pass over the rows together with all other jobs."""
        return self.meeting.ask(_Question(self.place, z, dual))


@dataclass
class _Question:
    """What a job waits for."""

    place: int
    z: Tensor
    dual: RowDual
    answer: tuple[Tensor, Tensor] | None = None


class _Meeting:
    """Where jobs wait for each other. `turn` is held by the one that computes."""

    def __init__(self, operator: PackedSensing, count: int) -> None:
        self.operator = operator
        self.present = count
        self.questions: list[_Question] = []
        self.interrupted = False
        self.turn = threading.Condition()

    def ask(self, question: _Question) -> tuple[Tensor, Tensor]:
        """Hand in a question, let the others go on, and come back with its answer."""
        if self.questions:
            is_same = _is_same(question.dual, self.questions[0].dual)
            require(is_same, "jobs of the same weights and target", "others")
        self.questions.append(question)
        self.sweep_if_all_wait()
        while question.answer is None and not self.interrupted:
            self.turn.wait()
        if question.answer is None:
            # What a solver's loop understands: it keeps what it has.
            raise KeyboardInterrupt
        return question.answer

    def leave(self) -> None:
        """A job has ended."""
        self.present -= 1
        self.sweep_if_all_wait()

    def interrupt(self) -> None:
        """End all jobs where they wait next."""
        with self.turn:
            self.interrupted = True
            self.turn.notify_all()

    def sweep_if_all_wait(self) -> None:
        """Answer all questions, if every job that has not ended has asked one."""
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
            # Nobody waits for what will not come.
            self.interrupted = waiting[-1].answer is None
            self.turn.notify_all()


def _is_same(one: RowDual, other: RowDual) -> bool:
    def alike(a: Tensor | None, b: Tensor | None) -> bool:
        return a is b or (a is not None and b is not None and a.shape == b.shape and bool((a == b).all()))

    return alike(one.weight, other.weight) and alike(one.target, other.target)
