"""Statuses of recover() on problems without an answer, which should never be CONVERGED or REACHED_NOISE_FLOOR.

There are ten ensembles and four families of hopeless problems. These are too few measurements (fewer than the degrees
of freedom of the truth), measurements by another draw of the operator, shuffled `y`, and pure noise. Each is run without
and with a bound on the rank. Hard but possible problems follow (noiseless, `n` from 1.2 to 3 degrees of freedom); there
a success counts only with the right matrix. Last come kinds of problems that once led to false successes
(`fault_kinds.py`): a success counts if its error is within five times `noise sqrt(d / n)`, or, for wrong scales, if it
has a warning. The seeds of a kind go through three noise levels (0, 1e-6, 1e-2).

`python benchmarks/false_positives.py --seeds 26 [--hard 30] [--kinds 150] [--quick] [--write]`: seeds for each of 80
cells of hopeless problems, 10 of hard ones and 11 kinds, in two processes of one thread. This call repeats a case:
`recovered(Case("shuffled y", "DCT psd", bounded=False, seed=3))`, and `drawn_question("repeated rows", 3)` of
`fault_kinds` gives the input of another. `--quick` runs one case of eight.
"""

import math
import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from common import arguments, show
from fault_kinds import KINDS, drawn_question

import wnsense as wn

Size = int | tuple[int, int]
Draw = Callable[[int, Size, torch.Generator], wn.Operator]


def _side(size: Size) -> int:
    return size if isinstance(size, int) else size[0]


def _gaussian(kind: wn.Kind) -> tuple[wn.Kind, Draw]:
    return kind, lambda n, size, g: wn.GaussianSensing.draw(n, size, kind=kind, generator=g)


def _entries(kind: wn.Kind) -> tuple[wn.Kind, Draw]:
    return kind, lambda n, size, g: wn.EntrySensing.draw(n, size, kind=kind, generator=g)


ENSEMBLES: dict[str, tuple[wn.Kind, Draw]] = {
    "Gaussian psd": _gaussian(wn.Kind.PSD),
    "Gaussian symmetric": _gaussian(wn.Kind.SYMMETRIC),
    "Gaussian hermitian": _gaussian(wn.Kind.HERMITIAN),
    "Gaussian rectangular": _gaussian(wn.Kind.RECTANGULAR),
    "raw rank-one psd": (wn.Kind.PSD, lambda n, size, g: wn.RankOneSensing.draw(n, _side(size), generator=g)),
    "paired rank-one psd": (
        wn.Kind.PSD,
        lambda n, size, g: wn.operators.PairedRankOneSensing.draw(n, _side(size), generator=g),
    ),
    "entries psd": _entries(wn.Kind.PSD),
    "entries rectangular": _entries(wn.Kind.RECTANGULAR),
    "DCT psd": (wn.Kind.PSD, lambda n, size, g: wn.operators.DCTSensing.draw(n, size, generator=g)),
    # Masks are whole: n is their number times m.
    "coded diffraction": (
        wn.Kind.HERMITIAN,
        lambda n, size, g: wn.operators.CodedDiffractionSensing.draw(n // _side(size), _side(size), generator=g),
    ),
}
# Ensembles that measure each coordinate at most once.
_COORDINATES = {"entries psd", "entries rectangular", "DCT psd"}
TOO_FEW, WRONG, SHUFFLED, NOISE, HARD = "too few", "wrong operator", "shuffled y", "pure noise", "hard but possible"
HOPELESS = (TOO_FEW, WRONG, SHUFFLED, NOISE)
# Least and most measurements over the degrees of freedom of the truth.
_OVERSAMPLING = {TOO_FEW: (0.3, 0.99), WRONG: (1.5, 8.0), SHUFFLED: (1.5, 8.0), NOISE: (1.5, 8.0), HARD: (1.2, 3.0)}
_SUCCESS = {wn.Status.CONVERGED, wn.Status.REACHED_NOISE_FLOOR}
# Largest relative error of a success where there is an answer and no noise.
_ALLOWED = {wn.Status.CONVERGED: 1e-6, wn.Status.REACHED_NOISE_FLOOR: 1e-2}


@dataclass(frozen=True)
class Case:
    """One problem: family, ensemble, whether the rank is a bound for recover(), and seed."""

    family: str
    ensemble: str
    bounded: bool
    seed: int


@dataclass(frozen=True)
class Outcome:
    """Answer of recover(): status, rank, relative error, and whether the answer is a false success."""

    case: Case
    status: str
    rank: int
    error: float
    setting: str
    wrong: bool


def posed(case: Case) -> tuple[wn.Problem, int]:
    """Draw the problem of a case, and return it with the rank of its truth; the bound does not change the problem."""
    kind, draw = ENSEMBLES[case.ensemble]
    families, ensembles = (*HOPELESS, HARD), tuple(ENSEMBLES)
    drawn = np.random.default_rng((families.index(case.family), ensembles.index(case.ensemble), case.seed))
    generator = torch.Generator().manual_seed(int(drawn.integers(2**48)))
    m, m2, rank = (int(drawn.integers(least, most + 1)) for least, most in ((12, 30), (12, 30), (1, 3)))
    size: Size = (m, m2) if kind is wn.Kind.RECTANGULAR else m
    condition = (1.0, 10.0)[int(drawn.integers(2))]
    truth = wn.low_rank(size, rank, condition, kind=kind, generator=generator)
    is_complex = truth.dtype.is_complex
    freedom = kind.degrees_of_freedom(truth.shape, rank, is_complex=is_complex)
    least, most = _OVERSAMPLING[case.family]
    n = round(float(drawn.uniform(least, most)) * freedom)
    if case.family == TOO_FEW:
        n = min(n, freedom - 1)
    if case.ensemble == "coded diffraction":
        masks = max(1, n // m) if case.family == TOO_FEW else math.ceil(n / m)
        n = masks * m
    if case.ensemble in _COORDINATES:
        n = min(n, kind.dimension(truth.shape, is_complex=is_complex))
    operator = draw(n, size, generator)
    problem = wn.Problem.measure(operator, truth)
    y = problem.measurements
    if case.family == WRONG:
        y = draw(n, size, generator).measure(truth)
    if case.family == SHUFFLED or (case.family == WRONG and case.ensemble in _COORDINATES):
        # Coordinates are in order of rows: another draw in that order is partly the same, and the matrix with other
        # signs of the DCT would explain it.
        y = y[torch.randperm(n, generator=generator)]
    if case.family == NOISE:
        y = torch.randn(n, generator=generator, dtype=y.dtype)
    return wn.Problem(operator, y, truth), rank


def recovered(case: Case) -> wn.Recovery:
    """Run recover() on a case; the truth is for the report only."""
    problem, rank = posed(case)
    bound = rank if case.bounded else None
    return wn.recover(problem.operator, problem.measurements, truth=problem.truth, seed=case.seed, max_rank=bound)


def outcome(case: Case) -> Outcome:
    """Run a case, and return its outcome."""
    problem, rank = posed(case)
    recovery = recovered(case)
    error = recovery.relative_error if recovery.relative_error is not None else math.inf
    freedom = problem.operator.degrees_of_freedom(rank)
    setting = f"{problem.operator.kind} {problem.operator.shape}, rank {rank}, n = {problem.operator.count}, {freedom} degrees of freedom"
    wrong = recovery.status in _SUCCESS and (case.family != HARD or not error <= _ALLOWED[recovery.status])
    return Outcome(case, str(recovery.status), recovery.rank, error, setting, wrong)


def kind_outcome(kind: str, seed: int) -> Outcome:
    """Run the question of a kind and a seed, and return its outcome; input that is refused is no success."""
    case, question = Case(kind, "", bounded=False, seed=seed), drawn_question(kind, seed)
    size = str(question.operator)
    try:
        recovery = wn.recover(question.operator, question.measurements, weights=question.weights, seed=seed)
    except wn.InputError:
        return Outcome(case, "refused", 0, math.inf, size, wrong=False)
    # Measurements in other units may lie near the ends of the range: errors are compared in plain ones.
    unit = float(question.truth.Theta.abs().max())
    truth = question.truth.scaled(1 / unit)
    error = float(recovery.matrix.scaled(1 / unit).distance(truth) / truth.norm())
    is_told = question.warns and bool(recovery.warnings)
    wrong = recovery.status in _SUCCESS and not error <= question.allowed and not is_told
    return Outcome(case, str(recovery.status), recovery.rank, error, size, wrong)


def cases(seeds: int, hard: int) -> list[Case]:
    """Return all hopeless cases, and hard ones, of which every second one has a bound on the rank."""
    hopeless = [
        Case(family, ensemble, bounded, seed)
        for seed in range(seeds)
        for ensemble in ENSEMBLES
        for family in HOPELESS
        for bounded in (False, True)
    ]
    return hopeless + [Case(HARD, ensemble, seed % 2 == 1, seed) for seed in range(hard) for ensemble in ENSEMBLES]


def table(outcomes: list[Outcome]) -> list[list[object]]:
    """Return the number of each status for each ensemble and family, and the seed of each false success."""
    rows: list[list[object]] = [["problem", "ensemble", "runs", "verdicts", "false successes", "which"]]
    for family in (*HOPELESS, HARD):
        total = [one for one in outcomes if one.case.family == family]
        for ensemble in ENSEMBLES:
            those = [one for one in total if one.case.ensemble == ensemble]
            rows.append([family, ensemble, *_counted(those)])
        rows.append([f"**{family}**", "all", *_counted(total)[:-1], ""])
    hopeless = [one for one in outcomes if one.case.family in HOPELESS]
    rows.append(["**all hopeless**", "all", *_counted(hopeless)[:-1], ""])
    rows += [[kind, "several", *_counted([one for one in outcomes if one.case.family == kind])] for kind in KINDS]
    rows.append(["**all**", "all", *_counted(outcomes)[:-1], ""])
    return rows


def _counted(those: list[Outcome]) -> list[object]:
    said = Counter(one.status for one in those)
    wrong = [one for one in those if one.wrong]
    which = "; ".join(
        f"seed {one.case.seed}{', bounded' if one.case.bounded else ''}: {one.status}, rank {one.rank}, error {one.error:.1e} ({one.setting})"
        for one in wrong
    )
    return [len(those), ", ".join(f"{value} x {count}" for value, count in said.most_common()), len(wrong), which]


def _one_thread() -> None:
    torch.set_num_threads(1)


def main() -> None:
    """Print the table."""
    options = arguments(
        __doc__ or "", ("hard", 30), ("kinds", 150), ("_step", 1), quick={"hard": 1, "kinds": 1, "step": 8}
    )
    given = cases(options.seeds, options.hard)[:: options.step]
    torch.set_num_threads(1)
    # Fresh processes: the threads of a library do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=_one_thread) as pool:
        outcomes = list(pool.map(outcome, given, chunksize=4))
        pairs = [(kind, seed) for kind in KINDS for seed in range(options.kinds)]
        outcomes += pool.map(kind_outcome, *zip(*pairs, strict=True), chunksize=4)
    title = f"Problems without an answer, and hard ones: m from 12 to 30, {options.seeds} seeds a cell"
    show("false_positives", title, table(outcomes), write=options.write)


if __name__ == "__main__":
    main()
