"""recover() without any setting: rank and error over ensembles and condition numbers, refusals, and noise.

`python benchmarks/recovery.py [--seeds 10] [--quick] [--write]`. About five minutes for ten seeds. `--quick` takes one
seed of the first two ensembles.
"""

import statistics
from collections import Counter
from collections.abc import Callable

import torch
from common import arguments, show

import wnsense as wn

M, RANK, N = 60, 3, 1080
Draw = Callable[[int, torch.Generator], wn.Operator]
ENSEMBLES: dict[str, tuple[wn.Kind, Draw]] = {
    "Gaussian psd": (wn.Kind.PSD, lambda n, g: wn.GaussianSensing.draw(n, M, generator=g)),
    "raw rank-one psd": (wn.Kind.PSD, lambda n, g: wn.RankOneSensing.draw(n, M, generator=g)),
    "paired rank-one psd": (wn.Kind.PSD, lambda n, g: wn.operators.PairedRankOneSensing.draw(n, M, generator=g)),
    "Gaussian symmetric": (
        wn.Kind.SYMMETRIC,
        lambda n, g: wn.GaussianSensing.draw(n, M, kind="symmetric", generator=g),
    ),
    "Gaussian hermitian": (
        wn.Kind.HERMITIAN,
        lambda n, g: wn.GaussianSensing.draw(n, M, kind="hermitian", generator=g),
    ),
    "Gaussian rectangular": (
        wn.Kind.RECTANGULAR,
        lambda n, g: wn.GaussianSensing.draw(n, (M, M), kind="rectangular", generator=g),
    ),
}


def problem(name: str, condition: float, seed: int, n: int = N, noise: float = 0.0) -> wn.Problem:
    """Draw one problem of the grid."""
    kind, draw = ENSEMBLES[name]
    generator = torch.Generator().manual_seed(seed)
    truth = wn.low_rank(M, RANK, condition, kind=kind, generator=generator)
    return wn.Problem.measure(draw(n, generator), truth, noise, generator=generator)


def recovered(given: wn.Problem, seed: int, max_rank: int | None = None) -> wn.Recovery:
    """Call recover() as a user does; the truth is for the report only."""
    return wn.recover(given.operator, given.measurements, truth=given.truth, seed=seed, max_rank=max_rank)


def exact_rows(names: list[str], seeds: int) -> list[list[object]]:
    """Recover noiseless problems with `6 m r_A` measurements."""
    rows: list[list[object]] = [
        ["ensemble", "kappa", "max_rank", "exact rank and error <= 1e-8", "worst error", "median applications"]
    ]
    for name in names:
        for condition in (1.0, 100.0, 1e4):
            for bound in (None, RANK):
                runs = [recovered(problem(name, condition, seed), seed, bound) for seed in range(seeds)]
                good = sum(
                    run.status == wn.Status.CONVERGED and run.rank == RANK and (run.relative_error or 0.0) <= 1e-8
                    for run in runs
                )
                worst = max(run.relative_error or 0.0 for run in runs)
                applications = statistics.median(run.applications for run in runs)
                rows.append([name, f"{condition:g}", bound or "-", f"{good} of {seeds}", f"{worst:.0e}", applications])
    return rows


def refusal_rows(names: list[str], seeds: int) -> list[list[object]]:
    """Count the statuses of recover() on problems without an answer."""
    rows: list[list[object]] = [["ensemble", "problem", "verdicts"]]
    for name in names:
        for condition in (1.0, 10.0):
            statuses = Counter(
                str(recovered(problem(name, condition, seed, n=90), seed).status) for seed in range(seeds)
            )
            rows.append([name, f"n = 0.5 m r_A, kappa {condition:g}", _count_text(statuses)])
        for hopeless in ("shuffled y", "pure noise"):
            statuses = Counter()
            for seed in range(seeds):
                given = problem(name, 10.0, seed)
                generator = torch.Generator().manual_seed(seed + 1000)
                y = given.measurements
                y = (
                    y[torch.randperm(len(y), generator=generator)]
                    if hopeless == "shuffled y"
                    else torch.randn(len(y), generator=generator, dtype=y.dtype)
                )
                statuses[str(wn.recover(given.operator, y, seed=seed).status)] += 1
            rows.append([name, hopeless, _count_text(statuses)])
    return rows


def noise_rows(names: list[str], seeds: int) -> list[list[object]]:
    """Recover under 1% noise, beside the least-squares fit of rank `r_A` to all measurements, started at the truth."""
    rows: list[list[object]] = [["ensemble", "verdicts", "ranks", "error over the oracle's: median", "most"]]
    for name in names:
        statuses: Counter[str] = Counter()
        ranks: Counter[int] = Counter()
        ratios = []
        for seed in range(seeds):
            given = problem(name, 10.0, seed, noise=0.01)
            run = recovered(given, seed)
            # Plain least squares: all measurements have the same weight, and only the scale is the library's.
            uniform = torch.ones_like(given.measurements) / N**0.5
            scale = wn.solvers.SensingObjective(given).calibration.scale
            objective = wn.solvers.SensingObjective(given, given=wn.solvers.Calibration(uniform, None, 1.0, scale, 0))
            oracle = wn.running.solve(
                objective,
                wn.solvers.GaussNewton(),
                objective.from_user(given.truth) if given.truth is not None else wn.solvers.haar_start(objective, RANK),
                stop=wn.running.Stop(stagnation=3, gain=1e-8, max_steps=100),
                trace=wn.running.Trace(error=wn.solvers.relative_error),
            )
            statuses[str(run.status)] += 1
            ranks[run.rank] += 1
            ratios.append((run.relative_error or 0.0) / float(oracle.trace["error"][-1]))
        counts = (_count_text(statuses), _count_text(ranks))
        rows.append([name, *counts, f"{statistics.median(ratios):.3f}", f"{max(ratios):.3f}"])
    return rows


def _count_text(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{value} x {count}" for value, count in counts.most_common())


def main() -> None:
    """Print the three tables."""
    options = arguments(__doc__ or "", ("_ensembles", len(ENSEMBLES)), quick={"ensembles": 2})
    torch.set_num_threads(1)
    setting = f"m={M}, r_A={RANK}, n={N}, {options.seeds} seeds"
    names = list(ENSEMBLES)[: options.ensembles]
    for name, title, rows in (
        ("recovery_exact", "recover() without settings", exact_rows),
        ("recovery_refusals", "Problems without an answer", refusal_rows),
        ("recovery_noise", "1% noise, kappa 10", noise_rows),
    ):
        show(name, f"{title}: {setting}", rows(names, options.seeds), write=options.write)


if __name__ == "__main__":
    main()
