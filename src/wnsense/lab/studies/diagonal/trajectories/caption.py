"""Findings of the study: invariants, predicted limits, the effect of the magnification."""

from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.diagonal.sparse_drawing import rate_words
from wnsense.lab.studies.diagonal.trajectories.table import CONSERVED, Trajectory, TrajectoryTable, depths_of
from wnsense.lab.studies.frame.findings import Finding, Paragraph

# Error of a prediction that counts as agreement, for runs with a final residual below _NEAR.
_AGREEING = 1e-6
_NEAR = 1e-10
# Relative difference below which two excesses count as the same.
_SAME = 1e-3


def findings(study: TrajectoryTable) -> list[Finding]:
    """Return the findings on the invariants, on the predicted limits and on the effect of `rho`."""
    runs = study.entries
    return [
        _kernel(runs),
        _norms(runs),
        _limits(runs),
        _late(runs),
        *(_magnified(runs, L) for L in depths_of(runs)),
        _overshoots(runs),
    ]


def _second_half(run: Trajectory) -> float:
    """Return the largest null-space part of the change in the second half; before, the change may be rounding."""
    drift = run.arrays["drift"]
    return float(drift[len(drift) // 2 :].max())


def _kernel(runs: Sequence[Trajectory]) -> Finding:
    drifts = [_second_half(run) for run in runs]
    worst = runs[int(np.argmax(drifts))]
    last = max(float(run.arrays["time"][-1]) for run in runs)
    sizes = [float(run.arrays["change"].max()) / run.single("size") for run in runs]
    text = (
        f"up to t = {last:.0e} the part of the invariants' change in the null space of A is at most "
        f"{max(drifts):.1e} of it (L = {worst.part.depth}, {rate_words(worst.part.ratio)}), over {len(runs)} runs; "
        f"the changes themselves are {min(sizes):.2g} times ||h(0)|| and more"
    )
    return Finding(text, max(drifts) <= CONSERVED)


def _norms(runs: Sequence[Trajectory]) -> Finding:
    drifts = [float(run.arrays["norm_drift"].max()) for run in runs]
    worst = runs[int(np.argmax(drifts))]
    text = f"||u|| = 1 holds to {max(drifts):.1e} (L = {worst.part.depth}, {rate_words(worst.part.ratio)})"
    return Finding(text, max(drifts) <= CONSERVED)


def _is_near(run: Trajectory) -> bool:
    return float(run.arrays["residual"][-1]) <= _NEAR


def _limits(runs: Sequence[Trajectory]) -> Finding:
    near = [run for run in runs if _is_near(run)]
    errors = [run.single("predicted_error") for run in near]
    gaps = [float(np.abs(run.arrays["predicted"] - run.arrays["log_rho"][-1]).min()) for run in near]
    if not near:
        return Finding(f"no run has a residual of {_NEAR:g} or less at its end", None)
    text = (
        f"the limit predicted without a run is reached to {max(errors):.1e}, and log rho to {max(gaps):.1e}, "
        f"in the {len(near)} of {len(runs)} runs whose residual is at most {_NEAR:g} at the end"
    )
    return Finding(text, max(errors) <= _AGREEING and max(gaps) <= _AGREEING)


def _late(runs: Sequence[Trajectory]) -> Finding:
    late = [run for run in runs if not _is_near(run)]
    words = "; ".join(
        f"L = {run.part.depth}, {rate_words(run.part.ratio)}: residual {run.arrays['residual'][-1]:.1e}, "
        f"{run.single('predicted_error'):.1e} from the limit"
        for run in late
    )
    return Finding(f"not at their limit by the end: {words or 'none'}", None)


def _excess(run: Trajectory) -> float:
    return float(run.arrays["norm"][-1]) / run.single("least") - 1


def _magnified(runs: Sequence[Trajectory], depth: int) -> Finding:
    """Return the comparison of l1 norms with that of plain flow: smaller for `rho > 1`, larger for `rho < 1`."""
    compared = [run for run in runs if run.part.depth == depth]
    plain = next((run for run in compared if run.part.ratio is None), None)
    if plain is None:
        return Finding(f"L = {depth}: no plain flow to compare with", None)
    words, holds = [f"{_excess(plain):.2g} without WN"], []
    for run in compared:
        if run.part.ratio is None:
            continue
        rho = float(np.exp(run.arrays["log_rho"][-1]))
        words.append(f"{_excess(run):.2g} at eta = {run.part.ratio:g} (rho = {rho:.3g})")
        better = _excess(run) < (1 - _SAME) * _excess(plain)
        worse = _excess(run) > (1 + _SAME) * _excess(plain)
        holds.append(better if rho > 1 else worse)
    return Finding(f"L = {depth}: the l1 norm exceeds the least by {', '.join(words)}", all(holds))


def _overshoots(runs: Sequence[Trajectory]) -> Finding:
    peaks = [float(run.arrays["radius"].max() / run.arrays["radius"][-1]) for run in runs]
    over = [peak for peak in peaks if peak > 1 + _SAME]
    worst = runs[int(np.argmax(peaks))]
    text = (
        f"the radius ends below its maximum in {len(over)} of {len(runs)} runs, by a factor of at most "
        f"{max(peaks):.3g} (L = {worst.part.depth}, {rate_words(worst.part.ratio)})"
    )
    return Finding(text, None)


def paragraphs(study: TrajectoryTable) -> list[Paragraph]:
    """Return the key to the pictures."""
    runs = study.entries
    starts = ", ".join(f"L = {run.part.depth}: {run.arrays['radius'][0]:.2g}" for run in runs if run.part.ratio is None)
    return [
        Paragraph(
            "In the pictures:",
            (
                "h: log u + r^2 / (2 eta) for L = 2, (u e^{r^2 / (2 eta)})^{-(L-2)} beyond; log x, x^{-(L-2)} if plain",
                f"r_0 = alpha sqrt(2 N) ({starts})",
                "rho(t) = (r_0 / r) exp((r^2 - r_0^2) / (2 eta)) for the radius r at time t",
            ),
        )
    ]
