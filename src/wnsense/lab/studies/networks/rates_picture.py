"""Learning rates in pictures and words: gradient descent at parts and multiples of 1 / beta, with and without WN."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import Seeds, data_lines, legend_of, look_of, seeds_of, span_words
from wnsense.pages.style import FAINT, dress, new_figure

# A loss that is no more than so many times the best one counts as near it.
_NEAR = 2.0
# In single precision a loss may rise by this part of itself and not have risen.
_ROUNDING = 1e-5
_PUBLISHED_RATE = 1e-3


def pictures(table: Table) -> Mapping[str, Figure]:
    """The loss at the end against the rate, in units of 1 / beta and as it is.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "learning_rate")
    figure = new_figure(9.0, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    worst = max(float(run.first("train_loss").max()) for run in runs)
    for kind, own in _kinds(runs).items():
        look = look_of(kind)
        relative = np.array([run.number("learning_rate") for run in own])
        rates = np.array([np.median(run.first("learning_rate")) for run in own])
        ends = np.stack([final_loss(run) for run in own])
        # What diverged is drawn at the upper edge.
        shown = np.minimum(np.nan_to_num(ends, nan=np.inf), 3 * worst)
        for axes, x in ((left, relative), (right, rates)):
            middle = np.median(shown, axis=1)
            axes.fill_between(x, shown.min(axis=1), shown.max(axis=1), color=look.color, alpha=0.2, linewidth=0)
            axes.plot(
                x,
                middle,
                color=look.color,
                linestyle=look.line,
                marker=look.marker,
                markersize=5,
                linewidth=1.6,
                label=look.label,
            )
    left.axvline(2.0, color=FAINT, linestyle="--", linewidth=1.4, label="2 / beta, beta as at the start")
    right.axvline(_PUBLISHED_RATE, color=FAINT, linestyle=":", linewidth=1.8, label="the published rate, 0.001")
    for axes, words in ((left, "learning rate times beta"), (right, "learning rate")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        dress(axes, x=words, y="training loss at the end" if axes is left else "")
    titled(
        figure,
        table,
        f"After {runs[0].number('epochs'):g} steps of gradient descent; at the upper edge: diverged or worse",
    )
    legend_of(figure, [left, right], 3)
    return {"": figure}


def _kinds(runs: Sequence[Seeds]) -> Mapping[str, list[Seeds]]:
    found: dict[str, list[Seeds]] = {}
    for run in sorted(runs, key=lambda of: of.number("learning_rate")):
        found.setdefault(run.kind, []).append(run)
    return found


def final_loss(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """Training loss at the end; infinite where a run diverged."""
    return np.where(np.isfinite(run.last("train_loss")), run.last("train_loss"), np.inf)


def findings(table: Table) -> list[Finding]:
    """Whether steps below 2 / beta descend as they must, and how wide the range of good rates is.

    Raises:
        InputError: When it is no table of such a study.
    """
    kinds = _kinds(seeds_of(table, "TrainingPart", "learning_rate"))
    found = []
    for kind, runs in kinds.items():
        found += [_descends(kind, runs), _contracts(kind, runs), _range(kind, runs), _published(kind, runs)]
    return found


def _descends(kind: str, runs: Sequence[Seeds]) -> Finding:
    below = [run for run in runs if run.number("learning_rate") < 2]
    losses = np.concatenate([run.stack("train_loss") for run in below])
    falls = losses[:, 1:] <= (1 + _ROUNDING) * losses[:, :-1]
    safe = [run.number("learning_rate") for run in runs if _always_falls(run)]
    up_to = f", in every one at rates up to {max(safe):g} / beta" if safe else ""
    above = [run for run in runs if run.number("learning_rate") > 2]
    fine = [run.number("learning_rate") for run in above if (final_loss(run) < run.first("train_loss")).all()]
    beyond = f"; beyond it the loss is lower at the end than at the start up to {max(fine):g} / beta" if fine else ""
    text = (
        f"{look_of(kind).label}: at rates below 2 / beta, beta measured at the start, the loss falls in "
        f"{int(falls.sum())} of {falls.size} steps{up_to}{beyond}"
    )
    return Finding(text, bool(falls.all()))


def _always_falls(run: Seeds) -> bool:
    losses = run.stack("train_loss")
    return bool((losses[:, 1:] <= (1 + _ROUNDING) * losses[:, :-1]).all())


def _contracts(kind: str, runs: Sequence[Seeds]) -> Finding:
    """L+ <= L (1 - omega (2 - omega) / (2 beta) ||grad L||^2 / L), what smoothness promises."""
    kept, total, curvatures = 0, 0, []
    for run in runs:
        omega = run.number("learning_rate")
        beta = run.first("loss_curvature")
        curvatures.append(run.stack("loss_curvature"))
        if omega >= 2:
            continue
        losses, ratios = run.stack("train_loss"), run.stack("ratio")[:, :-1]
        promised = losses[:, :-1] * (1 - omega * (2 - omega) / (2 * beta[:, None]) * ratios)
        kept += int((losses[:, 1:] <= promised + _ROUNDING * losses[:, :-1]).sum())
        total += promised.size
    ends = np.concatenate(curvatures)
    growth = ends[:, 1] / ends[:, 0]
    text = (
        f"{look_of(kind).label}: a step lowers the loss at least as much as the gradient-to-loss ratio and beta of the "
        f"start promise in {kept} of {total} steps; beta at the end is {span_words(growth)} times that of the start"
    )
    return Finding(text, kept == total)


def _range(kind: str, runs: Sequence[Seeds]) -> Finding:
    ends = np.array([np.median(final_loss(run)) for run in runs])
    rates = np.array([np.median(run.first("learning_rate")) for run in runs])
    near = rates[ends <= _NEAR * ends.min()]
    best = int(ends.argmin())
    diverged = sum(int(run.first("diverged").sum()) for run in runs)
    text = (
        f"{look_of(kind).label}: the least loss at the end is {ends[best]:.3g}, at "
        f"{runs[best].number('learning_rate'):g} / beta (rate {rates[best]:.2g}); within twice that for rates "
        f"{near.min():.2g} to {near.max():.2g}, a factor of {near.max() / near.min():.3g}; {diverged} runs diverged"
    )
    return Finding(text, None)


def _published(kind: str, runs: Sequence[Seeds]) -> Finding:
    betas = np.concatenate([run.first("loss_curvature") for run in runs])
    share = span_words(_PUBLISHED_RATE * betas)
    return Finding(f"{look_of(kind).label}: the published rate, {_PUBLISHED_RATE:g}, is {share} / beta here", None)


def paragraphs(table: Table) -> list[Paragraph]:
    """The images.

    Raises:
        InputError: When it is no table of such a study.
    """
    return [Paragraph("Images:", data_lines(table))]
