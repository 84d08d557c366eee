"""Caption of the study of row lengths."""

from collections.abc import Callable, Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.networks.minimum_norm.table import (
    RowLengthTable,
    convexity_quotient,
    row_factor,
    row_length,
)
from wnsense.lab.studies.networks.network_phrases import power_words, span_words
from wnsense.lab.studies.networks.table import LONG, SHORT, TrainingRuns, is_within_row_bound, power_over

# Rounding of single precision over a few layers and a division.
_ROUNDING = 1e-5


def findings(study: RowLengthTable) -> list[Finding]:
    """Return if `f` stays, if curvature falls as published, and if longer rows help."""
    starts, midway = study.entries, study.midway
    return [
        _same_function(starts),
        *(_symmetry(run) for run in midway if row_factor(run) != 1),
        *_curvature(starts),
        _convexity(starts),
        _training(starts, "set at the start", row_length),
        _training(midway, "changed midway", row_factor),
        _growth(starts),
    ]


def _same_function(starts: Sequence[TrainingRuns]) -> Finding:
    losses = np.stack([run.first("train_loss") for run in starts])
    spread = float((np.ptp(losses, axis=0) / losses.mean(axis=0)).max())
    text = (
        f"rows of length {row_length(starts[0]):g} to {row_length(starts[-1]):g} at the start leave f alone: losses "
        f"differ by {spread:.1e} of themselves"
    )
    return Finding(text, spread <= _ROUNDING)


def _symmetry(run: TrainingRuns) -> Finding:
    moved, fall = run.first("moved_output"), run.first("gradient_fall")
    off = float(np.abs(fall / row_factor(run) - 1).max())
    ratio = span_words(run.first("ratio_fall"))
    text = (
        f"rows times {row_factor(run):g} midway: f moves by {float(moved.max()):.1e} of its largest value, and the "
        f"gradient by W is divided by {span_words(fall)}; ||grad L||^2 / L by {ratio}"
    )
    return Finding(text, float(moved.max()) <= _ROUNDING and off <= 1e-3)


def _curvature(starts: Sequence[TrainingRuns]) -> list[Finding]:
    """Return the powers for short rows and for long rows, which the published bound treats apart."""
    powers = []
    for words, low, high, published in (("up to 1", 0.0, 1.0, SHORT), ("from 1 on", 1.0, np.inf, LONG)):
        sweep = [run for run in starts if low <= row_length(run) <= high]
        if len(sweep) < 3:
            continue
        power = power_over(sweep, row_length, lambda run: run.first("output_curvature"))
        text = (
            f"for rows {words}, ||grad^2 f|| at the start goes as length^{power_words(power)}; published, as an upper "
            f"bound, {published:g}"
        )
        powers.append(Finding(text, is_within_row_bound(power, published)))
    return powers


def _convexity(starts: Sequence[TrainingRuns]) -> Finding:
    power = power_over(starts, row_length, convexity_quotient)
    ratio = power_over(starts, row_length, lambda run: run.first("gradient_to_loss"))
    alphas = np.stack([run.first("convexity_estimate") for run in starts])
    text = (
        f"the term that raises alpha over the term that lowers it goes as length^{power_words(power)}: it should grow "
        f"with longer rows, although ||grad L||^2 / L itself goes as length^{power_words(ratio)}; alpha by the formula "
        f"is {span_words(alphas)}"
    )
    return Finding(text, power.low > 0)


def _training(runs: Sequence[TrainingRuns], words: str, place: Callable[[TrainingRuns], float]) -> Finding:
    losses = ", ".join(f"{place(run):g}: {run.last('train_loss').mean():.3g}" for run in runs)
    return Finding(f"{words}, the training loss at the end by length or factor is {losses}", None)


def _growth(starts: Sequence[TrainingRuns]) -> Finding:
    growths = ", ".join(
        f"{row_length(run):g}: {(run.last('shortest') / run.first('shortest')).mean() - 1:.2g}" for run in starts
    )
    fall = max(float((1 - run.stack("shortest")[:, 1:] / run.stack("shortest")[:, :-1]).max()) for run in starts)
    text = f"the shortest row never falls, and grows over the training by these parts of its length: {growths}"
    return Finding(text, fall <= _ROUNDING)
