"""Iterations of solvers: PreconditionedWN at several condition numbers, and Algorithm 1 against gradient descent.

`python benchmarks/solvers.py [--seeds 10] [--quick] [--write]`. About two minutes.
"""

import statistics

import torch
from common import arguments, show

import wnsense as wn


def iterations_of_preconditioned(condition: float, seed: int) -> tuple[int, int]:
    """Return steps and applications to a relative error of 1e-10: m=50, r=9, r_A=3, n=3,000."""
    generator = torch.Generator().manual_seed(seed)
    truth = wn.low_rank(50, 3, condition, generator=generator)
    problem = wn.Problem.measure(wn.GaussianSensing.draw(3000, 50, generator=generator), truth)
    objective = wn.solvers.SensingObjective(problem)
    start = wn.solvers.haar_start(objective, rank=9, generator=generator)
    trace = wn.running.Trace(error=wn.solvers.relative_error)
    stop = wn.running.Stop(residual=1e-13, max_steps=100)
    result = wn.running.solve(objective, wn.solvers.PreconditionedWN(), start, stop=stop, trace=trace)
    reached = int((result.trace["error"] <= 1e-10).argmax())
    if result.trace["error"][reached] > 1e-10:
        raise RuntimeError(f"no error of 1e-10 in {result.steps} steps (condition {condition}, seed {seed})")
    return int(result.trace["step"][reached]), int(result.trace["applications"][reached])


def published(seed: int, n: int) -> tuple[int, float, float]:
    """Compare Algorithm 1 with gradient descent on m=10, r=5, r_A=3, kappa=5, the problem of the paper.

    Returns:
        The steps of Algorithm 1 to a squared error of 1e-20, and the squared errors of gradient descent after as many
        steps and after 6,000.
    """
    generator = torch.Generator().manual_seed(seed)
    truth = wn.low_rank(10, 3, 5.0, generator=generator)
    problem = wn.Problem.measure(wn.GaussianSensing.draw(n, 10, generator=generator), truth)
    objective = wn.solvers.SensingObjective(problem)
    start = wn.solvers.haar_start(objective, rank=5, magnitude=1.0, generator=generator)
    trace = wn.running.Trace(every=10, error=wn.solvers.relative_error)
    size = float(truth.norm())

    def squared(result: "wn.running.Result[wn.solvers.State, wn.LowRank]") -> list[float]:
        return [float((error * size) ** 2) for error in result.trace["error"]]

    stop = wn.running.Stop(residual=1e-12, max_steps=2000)
    normalized = wn.running.solve(objective, wn.solvers.WeightNormalizedGD(), start, stop=stop, trace=trace)
    steps = next(int(s) for s, e in zip(normalized.trace["step"], squared(normalized), strict=True) if e <= 1e-20)
    descent = wn.running.solve(
        objective, wn.solvers.GradientDescent(), start, stop=wn.running.Stop(max_steps=6000), trace=trace
    )
    errors = squared(descent)
    return steps, errors[steps // 10], errors[-1]


def main() -> None:
    """Print both tables."""
    options = arguments(__doc__ or "", ("_n", 60_000), quick={"n": 2_000})
    rows: list[list[object]] = [["kappa", "median steps", "least", "most", "median applications, probes counted"]]
    for condition in (10.0, 1e3, 1e5):
        runs = [iterations_of_preconditioned(condition, seed) for seed in range(options.seeds)]
        steps = [run[0] for run in runs]
        applications = statistics.median(run[1] for run in runs)
        rows.append([f"{condition:g}", statistics.median(steps), min(steps), max(steps), applications])
    show(
        "preconditioned",
        f"PreconditionedWN to relative error 1e-10: m=50, r=9, r_A=3, n=3,000, {options.seeds} seeds",
        rows,
        write=options.write,
    )
    rows = [["seed", "WN: steps to squared error 1e-20", "GD: squared error then", "GD: squared error after 6,000"]]
    for seed in range(min(options.seeds, 3)):
        steps_needed, then, later = published(seed, options.n)
        rows.append([seed, steps_needed, f"{then:.1e}", f"{later:.1e}"])
    show(
        "published",
        f"Algorithm 1 (eta=1, mu=2) and gradient descent (eta=0.5): m=10, r=5, r_A=3, n={options.n:,}, kappa=5",
        rows,
        write=options.write,
    )


if __name__ == "__main__":
    main()
