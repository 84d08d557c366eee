"""Page on one recovery, as self-contained HTML."""

from importlib.metadata import version

import numpy as np

from wnsense.files.tables import Table
from wnsense.pages import html
from wnsense.pages import recovery_picture as figures
from wnsense.pages.words import NONE, number, percent, seconds, size, versions, words
from wnsense.running.status import Status

_GLOSSARY = (
    (
        "Rank",
        (
            "The number of independent patterns that the matrix is a sum of. It was not given: the run started with "
            "more than needed, and kept those that the measurements support."
        ),
    ),
    (
        "Relative residual",
        "The share of the measurements that the matrix does not explain: 0 for a perfect fit, 1 for the zero matrix.",
    ),
    (
        "Held-out measurements",
        (
            "Measurements that were set aside before fitting. A matrix that predicts them has been recovered. A matrix "
            "that only explains the fitted measurements may be wrong."
        ),
    ),
    (
        "Application",
        (
            "The unit of cost: one product of the operator with a matrix, or of its adjoint with measurements. It is "
            "the same on every machine."
        ),
    ),
)


def recovery_page(table: Table) -> str:
    """Return the page as HTML, from the table of `Recovery.table()`; missing columns are left out."""
    header = table.header
    status = str(header.get("status", "unknown"))
    good = status in {str(one) for one in Status if one.is_success}
    return html.page(
        f"{size(header.get('size'))} matrix, {words(status)}",
        html.verdict(words(status).capitalize(), str(header.get("advice", "")), good=good),
        html.paragraph(summary(table)),
        html.section("Warnings", html.bullets(warnings(table))),
        html.section("Figures", html.facts(fact_rows(table), "Input, result and cost")),
        html.section("Convergence", convergence_picture(table)),
        html.section("The matrix", spectrum_picture(table)),
        html.section("Choice of the rank", rank_picture(table)),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def summary(table: Table) -> str:
    """Return the result in one or two sentences."""
    header = table.header
    kind = {"psd": "positive semidefinite"}.get(str(header.get("kind")), words(header.get("kind", "")))
    text = (
        f"A {kind} matrix of size {size(header.get('size'))} and rank {number(header.get('rank'))} was fitted to "
        f"{number(header.get('measurements'))} measurements. "
        f"Its relative residual is {number(header.get('relative_residual'))}"
    )
    held = header.get("holdout_residual")
    if isinstance(held, float):
        text += f"; on measurements held out from a fit of this rank it is {number(held)}"
    text += "."
    judged = header.get("judged_rank")
    if isinstance(judged, int) and judged != header.get("rank"):
        text += (
            f" The rank that the measurements support is {judged}; a smoothed fit, which shrinks small values instead "
            "of cutting them off, predicted held-out measurements better and took its place."
        )
    error = header.get("relative_error")
    if isinstance(error, float):
        text += f" The true matrix is known here: the relative error is {number(error)}."
    return text


def warnings(table: Table) -> list[str]:
    """Return the warnings."""
    texts = table.header.get("warnings")
    return [str(text) for text in texts] if isinstance(texts, list | tuple) else []


def fact_rows(table: Table) -> list[tuple[str, str]]:
    """Return the facts of the header with their names; unknown ones are left out."""
    header = table.header
    rows = [
        ("Status", words(header.get("status"))),
        ("Rank", number(header.get("rank"))),
        ("Size", size(header.get("size"))),
        ("Kind", words(header.get("kind"))),
        ("Measurements", number(header.get("measurements"))),
        ("Relative residual, all measurements", number(header.get("relative_residual"))),
        ("Relative residual, held-out measurements", number(header.get("holdout_residual"))),
        ("Variance of held-out measurements explained", percent(header.get("explained_variance"))),
        ("Relative error to expect from the noise", number(header.get("expected_error"))),
        ("Relative error against the truth", number(header.get("relative_error"))),
        ("Solver, working rank", f"{header.get('solver', NONE)}, {number(header.get('working_rank'))}"),
        ("Applications of the operator", number(header.get("applications"))),
        ("Steps", number(header.get("steps"))),
        ("Time, metrics not counted", seconds(header.get("seconds"))),
        ("Seed", number(header.get("seed"))),
        ("Versions", versions(header.get("versions"))),
    ]
    return [(name, value) for name, value in rows if value not in {NONE, "None"}]


def convergence_picture(table: Table) -> str:
    """Return the picture of the residuals along the recovery, or an empty text."""
    if not figures.has_convergence(table):
        return ""
    arrays = table.arrays
    residual = arrays["trace_residual"]
    return html.picture(
        figures.convergence(table),
        alternative=(
            f"Relative residual on a logarithmic axis against applications, from {number(float(residual[0]))} "
            f"to {number(float(residual[-1]))} at {number(int(arrays['trace_applications'][-1]))} applications."
        ),
        caption=(
            "The relative residual after each step. White and grey bands are stages: first a run with more rank than "
            "needed, which shows the rank; then fits of ranks near it; last a fit of the final rank to all "
            "measurements, including the held-out ones. Where the fitted curve falls and the held-out one does not, "
            "the matrix fits noise."
        ),
    )


def spectrum_picture(table: Table) -> str:
    """Return the picture of the spectrum, or an empty text for the zero matrix."""
    if not figures.has_spectrum(table):
        return ""
    values = figures.spectrum_values(table)
    name = "Eigenvalues" if "eigenvalues" in table.arrays else "Singular values"
    return html.picture(
        figures.spectrum(table),
        alternative=f"{name} of the recovered matrix, the largest first: "
        + ", ".join(number(float(value)) for value in values[:12])
        + (f", and {len(values) - 12} more." if len(values) > 12 else "."),
        caption=f"{name} of the recovered matrix, the weights of its patterns. There are {len(values)}; "
        "all others are zero.",
    )


def rank_picture(table: Table) -> str:
    """Return the picture of the residual of each rank, or an empty text without held-out measurements."""
    if not figures.has_rank_choice(table):
        return ""
    ranks, held = table.arrays["candidate_rank"], table.arrays["candidate_holdout_residual"]
    residuals = ", ".join(f"rank {k}: {number(float(v))}" for k, v in zip(ranks, held, strict=True) if np.isfinite(v))
    return html.picture(
        figures.rank_choice(table),
        alternative=f"Relative residual on held-out measurements for each rank tried. {residuals}.",
        caption=(
            "A larger rank always explains the fitted measurements better. It is used only if it also predicts the "
            "held-out ones better, by more than its additional degrees of freedom cost."
        ),
    )


def footer() -> str:
    """Return the footer of the page."""
    return f"<footer>Written by wnsense {version('wnsense')}. The page needs no network.</footer>"
