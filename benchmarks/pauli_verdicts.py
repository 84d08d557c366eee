"""Verdicts of recover() on counted Pauli strings, beside least squares of the true rank from the true state.

`python benchmarks/pauli_verdicts.py [--seeds 120] [--quick] [--write]`: one random state a seed. It has 3 to 6 qubits and
rank 1 or 2. A tenth to all of the strings are measured by 1,000 to 10,000 shots each; the identity is among the strings
for every second seed. The rank is not given to recover().

The oracle starts at the truth and has its rank. An answer is right if its error is at most 1.5 times that of the
oracle. A problem is posed well if it has at least 1.5 rows a degree of freedom and its Jacobian at the truth has full
rank. A wrong answer, and any answer to a problem with a rank-deficient Jacobian, is a false success if it is not refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from common import arguments, show

import wnsense as wn
from wnsense.linalg import random_normal
from wnsense.operators import PauliSensing
from wnsense.recovery.last_fit import plain_least_squares
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.trust.tangent_jacobian import TangentJacobian

# Largest error of a right answer, over that of the oracle, and least rows a degree of freedom of a problem posed well.
_RIGHT, _WELL_POSED = 1.5, 1.5
# Singular values of the Jacobian below this share of the largest are zero.
_NULL = 1e-8
_QUBITS, _RANKS, _SHARES, _SHOTS = (3, 6), (1, 2), (0.1, 1.0), (1_000, 10_000)


@dataclass(frozen=True)
class Posed:
    """Counted measurements of one state.

    Attributes:
        problem: Operator, relative frequencies and true state.
        rank: Rank of the state.
        shots: Shots for each string.
    """

    problem: wn.Problem
    rank: int
    shots: int


@dataclass(frozen=True)
class Outcome:
    """Answer to one problem.

    Attributes:
        qubits: Number of qubits.
        rank: Rank of the state.
        oversampling: Rows over the degrees of freedom of the state.
        has_full_rank: True if the Jacobian at the truth has full rank.
        status: Status of the recovery.
        ratio: Error over that of the oracle.
    """

    qubits: int
    rank: int
    oversampling: float
    has_full_rank: bool
    status: wn.Status
    ratio: float

    @property
    def is_well_posed(self) -> bool:
        """True if the rows determine a state of the true rank, with rows to spare."""
        return self.has_full_rank and self.oversampling >= _WELL_POSED

    @property
    def is_right(self) -> bool:
        """True if the answer is nearly as good as that of the oracle."""
        return self.ratio <= _RIGHT

    @property
    def is_false(self) -> bool:
        """True if an answer is called a success that is wrong, or that the rows do not determine."""
        return self.status.is_success and not (self.is_right and self.has_full_rank)


def posed(seed: int) -> Posed:
    """Draw the state and its counts."""
    drawn = np.random.default_rng((17, seed))
    qubits = int(drawn.integers(_QUBITS[0], _QUBITS[1] + 1))
    rank = int(drawn.integers(_RANKS[0], _RANKS[1] + 1))
    share = float(drawn.uniform(*_SHARES)) if seed % 8 else 1.0
    shots = round(float(np.exp(drawn.uniform(*np.log(_SHOTS)))))
    with_identity = seed % 2 == 0
    generator = torch.Generator().manual_seed(int(drawn.integers(2**48)))
    strings = 4**qubits - (0 if with_identity else 1)
    n = max(1, round(share * strings))
    operator = PauliSensing.draw(n, qubits, with_identity=with_identity, generator=generator)
    A = random_normal((2**qubits, rank), generator=generator, dtype=operator.dtype)
    state = wn.LowRank(A / A.norm(), torch.eye(rank, dtype=operator.dtype)).orthonormal()
    expected = operator.measure(state) / operator.scale
    chances = ((1 + expected) / 2).clamp(0, 1).numpy()
    frequencies = torch.from_numpy(2 * drawn.binomial(shots, chances) / shots - 1)
    return Posed(wn.Problem(operator, operator.scale * frequencies, state), rank, shots)


def oracle_error(problem: wn.Problem) -> float:
    """Return the relative error of least squares of the true rank from the truth."""
    if problem.truth is None:
        raise ValueError("the problems of this benchmark have a truth")
    objective = plain_least_squares(SensingObjective(problem))
    stop = Stop(residual=1e-12, stagnation=3, gain=1e-3, max_steps=300)
    answer = solve(objective, ConjugateWN(), objective.from_user(problem.truth), stop=stop).answer
    return float(answer.distance(problem.truth) / problem.truth.norm())


def outcome(seed: int) -> Outcome:
    """Recover one state."""
    given = posed(seed)
    problem = given.problem
    recovery = wn.recover(problem, seed=seed)
    values = np.linalg.svd(TangentJacobian.at(problem, problem.truth).dense(), compute_uv=False)
    freedom = problem.operator.degrees_of_freedom(given.rank)
    return Outcome(
        qubits=problem.operator.qubits,
        rank=given.rank,
        oversampling=problem.operator.count / freedom,
        has_full_rank=problem.operator.count >= freedom and bool(values.min() > _NULL * values.max()),
        status=recovery.status,
        ratio=recovery.relative_error / oracle_error(problem),
    )


_GROUPS: dict[str, Callable[[Outcome], bool]] = {
    "posed well, right": lambda one: one.is_well_posed and one.is_right,
    "posed well, wrong": lambda one: one.is_well_posed and not one.is_right,
    "few rows, right": lambda one: one.has_full_rank and not one.is_well_posed and one.is_right,
    "few rows, wrong": lambda one: one.has_full_rank and not one.is_well_posed and not one.is_right,
    "not determined": lambda one: not one.has_full_rank,
}


def table(outcomes: list[Outcome]) -> list[list[object]]:
    """Return the number of successes of each group of problems, for each number of qubits and in all."""
    rows: list[list[object]] = [["problems", "qubits", "states", "successes", "share", "false successes"]]
    for name, belongs in _GROUPS.items():
        for qubits in (*range(_QUBITS[0], _QUBITS[1] + 1), None):
            those = [one for one in outcomes if belongs(one) and qubits in (one.qubits, None)]
            successes = sum(one.status.is_success for one in those)
            share = f"{successes / len(those):.0%}" if those else "-"
            false = sum(one.is_false for one in those)
            rows.append([name, "all" if qubits is None else qubits, len(those), successes, share, false])
    return rows


def main() -> None:
    """Recover all states."""
    options = arguments(__doc__ or "", quick={"seeds": 4})
    torch.set_num_threads(1)
    outcomes = [outcome(seed) for seed in range(options.seeds)]
    title = f"Verdicts on counted Pauli strings: {options.seeds} states, 3 to 6 qubits, rank 1 and 2"
    show("pauli_verdicts", title, table(outcomes), write=options.write)


if __name__ == "__main__":
    main()
