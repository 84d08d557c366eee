"""Findings of the study: robustness to the scale of the start, and speed."""

import math
from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.diagonal.recovery.table import RecoveryGroup, RecoveryTable
from wnsense.lab.studies.diagonal.sparse_drawing import Rate, rate_words
from wnsense.lab.studies.diagonal.table import FOUND
from wnsense.lab.studies.frame.findings import Finding, Paragraph

# Starts below this part of the answer's radius are compared with each other.
_SMALL_START = 0.2
# Largest factor of variation over decades of the start that counts as hardly any.
_HARDLY = 3.0
# Below this part of the other's steps a method is faster.
_FASTER = 0.9


def findings(study: RecoveryTable) -> list[Finding]:
    """Return the findings on robustness and on speed."""
    groups = study.entries
    depths = sorted({group.first.depth for group in groups})
    by_depth = [[group for group in groups if group.first.depth == depth] for depth in depths]
    statements = (_robust, _flat, _faster, _too_large, _too_small_start)
    return [statement(same_depth) for statement in statements for same_depth in by_depth]


def _best(group: RecoveryGroup) -> tuple[float, Rate]:
    """Return the largest start from which vectors are found with weight normalization, and the least such ratio."""
    pairs = [(group.largest_found(ratio), ratio) for ratio in group.ratios if ratio is not None]
    return max(pairs, key=lambda pair: (pair[0], -float(pair[1])))


def _robust(groups: Sequence[RecoveryGroup]) -> Finding:
    words, holds = [], []
    for group in groups:
        plain, (best, ratio) = group.largest_found(None), _best(group)
        how = f" ({rate_words(ratio)})" if best else ""
        words.append(f"s = {group.sparsity}: {_scale(plain)} without, {_scale(best)} with{how}")
        holds.append(best > plain)
    text = (
        f"L = {groups[0].first.depth}: largest start of the grid at which the median error is at most {FOUND:g}, "
        f"{'; '.join(words)}"
    )
    return Finding(text, all(holds))


def _scale(scale: float) -> str:
    return f"alpha = {scale:g}" if scale else "none"


def _flat(groups: Sequence[RecoveryGroup]) -> Finding:
    """Return the variation of the error over starts well below the radius of the answer.

    Only starts from which runs arrived or found the vector count.
    """
    words, holds = [], []
    for group in groups:
        small = group.scales <= _SMALL_START * group.critical_scale
        spreads: dict[Rate, float] = {}
        for ratio in group.ratios:
            compared = small & (group.arrived(ratio) | (group.error(ratio) <= FOUND))
            errors = group.error(ratio)[compared]
            if compared.sum() >= 2:
                spreads[ratio] = float(errors.max() / errors.min())
        with_wn = {ratio: spread for ratio, spread in spreads.items() if ratio is not None}
        plain = f"{spreads[None]:.2g} without WN" if None in spreads else "no two starts without WN"
        parts = ", ".join(f"{spread:.2g} at eta = {ratio:g}" for ratio, spread in with_wn.items()) or "no two with WN"
        words.append(f"s = {group.sparsity}: {plain}, {parts}")
        holds += [spread <= _HARDLY for spread in with_wn.values()]
    text = (
        f"L = {groups[0].first.depth}: factor by which the median error varies over starts below {_SMALL_START:g} "
        f"r_inf (those that arrived or found the vectors), {'; '.join(words)}"
    )
    return Finding(text, all(holds) if holds else None)


def _faster(groups: Sequence[RecoveryGroup]) -> Finding:
    words, holds = [], []
    for group in groups:
        steps = {ratio: group.steps_to_found(ratio) for ratio in group.ratios}
        plain = float(steps[None].min())
        ratio = min((rate for rate in steps if rate is not None), key=lambda rate: float(steps[rate].min()))
        best = float(steps[ratio].min())
        how = f" ({rate_words(ratio)})" if math.isfinite(best) else ""
        words.append(
            f"s = {group.sparsity}: {_count(plain, steps[None], group)} without, "
            f"{_count(best, steps[ratio], group)} with{how}"
        )
        holds.append(best < _FASTER * plain)
    text = (
        f"L = {groups[0].first.depth}: fewest steps, over all starts, until the median error stays at most {FOUND:g}, "
        f"{'; '.join(words)}"
    )
    return Finding(text, all(holds))


def _count(steps: float, by_scale: np.ndarray, group: RecoveryGroup) -> str:
    if not math.isfinite(steps):
        return f"never in {group.first.steps:,}"
    return f"{steps:,.0f} (alpha = {group.scales[int(by_scale.argmin())]:g})"


def _too_large(groups: Sequence[RecoveryGroup]) -> Finding:
    """Return the errors at a start beyond the radius of the answer, where no rate magnifies."""
    words = []
    for group in groups:
        beyond = group.scales > group.critical_scale
        if not beyond.any():
            continue
        place = int(np.flatnonzero(beyond)[0])
        best = min(float(group.error(ratio)[place]) for ratio in group.ratios if ratio is not None)
        words.append(
            f"s = {group.sparsity}, alpha = {group.scales[place]:g}: {group.error(None)[place]:.2g} without, "
            f"at best {best:.2g} with"
        )
    text = (
        f"L = {groups[0].first.depth}: median error at the first start whose radius is above r_inf, {'; '.join(words)}"
    )
    return Finding(text, None)


def _too_small_start(groups: Sequence[RecoveryGroup]) -> Finding:
    """Return the cases in which gradient descent is better: small starts, and a ratio too large to magnify."""
    words = []
    for group in groups:
        wins = []
        for ratio in group.ratios:
            if ratio is None:
                continue
            both = group.arrived(ratio) | (group.error(None) <= FOUND)
            better = both & (group.error(None) < group.error(ratio) / 2)
            if better.any():
                wins.append(f"{rate_words(ratio)} at {int(better.sum())} of {len(better)} starts")
        words.append(f"s = {group.sparsity}: {', '.join(wins) or 'none'}")
    starts = "; ".join(words)
    text = f"L = {groups[0].first.depth}: starts where the error without WN is at most half of that with WN, {starts}"
    return Finding(text, None)


def paragraphs(study: RecoveryTable) -> list[Paragraph]:
    """Return the key to the pictures."""
    groups = study.entries
    scales = ", ".join(f"L = {group.first.depth}, s = {group.sparsity}: {group.critical_scale:.2g}" for group in groups)
    return [
        Paragraph(
            "In the pictures:",
            (
                "medians over problems, bands from 25% to 75% quantiles; hollow where most runs spent the budget",
                f"dashed: the start whose radius is that of the answer, alpha sqrt(2 N) = r_inf ({scales})",
                f"dotted: an error of {FOUND:g}, or the budget",
            ),
        )
    ]
