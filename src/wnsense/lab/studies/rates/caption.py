"""Caption of the study of Table 1."""

from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.rates.table import CountedRow, RateTable, row_name, stated
from wnsense.theory.convergence_forms import Decay
from wnsense.theory.published_rates import TABLE_1, Rate


def findings(study: RateTable) -> list[Finding]:
    """Return for each row a finding that compares the stated decay with the measured one."""
    return [_decay(row, kappa) for rows, kappa in zip(study.counted, study.conditions, strict=True) for row in rows]


def _decay(row: CountedRow, kappa: float) -> Finding:
    linear = row.is_linear()
    seen = "too fast for a fit" if linear is None else "linear" if linear else "sublinear"
    text = f"row {row.head.row + 1}, {row_name(row.rate)}, kappa = {kappa:g}: stated {stated(row.rate)}; seen {seen}"
    # With noise every curve ends flat; and a decay that is not certain in this setting cannot be contradicted.
    if row.rate.decay is None or row.noise:
        return Finding(f"{text}, down to {row.final:.1e}", None)
    holds = linear is not False if row.rate.decay is Decay.LINEAR else linear is False
    return Finding(text, holds)


def paragraphs(study: RateTable) -> list[Paragraph]:
    """Return the steps of each row, the rows that were not run, and the sources."""
    levels = ", ".join(f"{level:g}" for level in study.head.levels)
    lists = [
        Paragraph(
            f"Steps to relative errors of {levels} at kappa = {kappa:g}:",
            tuple(_line(row, len(study.head.levels)) for row in rows),
        )
        for rows, kappa in zip(study.counted, study.conditions, strict=True)
    ]
    omitted = tuple(f"row {row + 1}, {row_name(TABLE_1[row])}: {reason}" for row, reason in study.reasons.items())
    notes = tuple(f"row {place + 1}: {_source(rate)}. {rate.note}" for place, rate in enumerate(TABLE_1))
    return [*lists, Paragraph("Not run:", omitted), Paragraph("Sources:", notes)]


def _source(rate: Rate) -> str:
    return rate.source if rate.arxiv is None else f"{rate.source}, arXiv {rate.arxiv}"


def _line(row: CountedRow, levels: int) -> str:
    steps = [row.reached(level) for level in range(levels)]
    counts = ", ".join("-" if count is None else f"{count:,.0f}" for count in steps)
    end = f"; {row.final:.1e} after {int(row.step[-1]):,}" if None in steps else ""
    noise = f", noise {row.noise:g}" if row.noise else ""
    how = f"eta {row.head.step_size:g}, {row.head.applications} applications a step"
    return f"row {row.head.row + 1}, {row_name(row.rate)}{noise} ({how}): {counts}{end}"
