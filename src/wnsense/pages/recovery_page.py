"""One recovery as one self-contained page."""

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
            "The number of independent patterns that the matrix is a sum of. Nobody had to say it: the run was given "
            "more than needed, and kept those that the measurements ask for."
        ),
    ),
    (
        "Relative residual",
        "What the matrix leaves unexplained of the measurements: 0 is a perfect fit, 1 is what a zero matrix leaves.",
    ),
    (
        "Held-out measurements",
        (
            "Measurements that were set aside before fitting. A matrix that predicts them has been recovered; one that "
            "only fits what it has seen may be wrong everywhere else."
        ),
    ),
    (
        "Application",
        (
            "The unit of cost: measuring one matrix, or going back once from measurements to a matrix. It is the same "
            "on every machine."
        ),
    ),
)


def recovery_page(table: Table) -> str:
    """The page as HTML, from the table that `Recovery.table()` makes; columns that it lacks are left out."""
    header = table.header
    status = str(header.get("status", "unknown"))
    good = status in {str(one) for one in Status if one.is_success}
    return html.page(
        f"{size(header.get('size'))} matrix, {words(status)}",
        html.verdict(words(status).capitalize(), str(header.get("advice", "")), good=good),
        html.paragraph(summary(table)),
        html.section("Warnings", html.bullets(warnings(table))),
        html.section("Figures", html.facts(fact_rows(table), "What was asked, found and spent")),
        html.section("How it went", convergence_picture(table)),
        html.section("The matrix", spectrum_picture(table)),
        html.section("Which rank", rank_picture(table)),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def summary(table: Table) -> str:
    """The outcome in a sentence or two."""
    header = table.header
    kind = {"psd": "positive semidefinite"}.get(str(header.get("kind")), words(header.get("kind", "")))
    text = (
        f"A {kind} matrix of size {size(header.get('size'))} and rank {number(header.get('rank'))} was fitted to "
        f"{number(header.get('measurements'))} measurements. "
        f"Its relative residual is {number(header.get('relative_residual'))}"
    )
    held = header.get("holdout_residual")
    if isinstance(held, float):
        text += f"; on measurements that a fit of this rank had not seen, it is {number(held)}"
    text += "."
    error = header.get("relative_error")
    if isinstance(error, float):
        text += f" Against the true matrix, which is known here, its relative error is {number(error)}."
    return text


def warnings(table: Table) -> list[str]:
    """The warnings, in words."""
    found = table.header.get("warnings")
    return [str(warning) for warning in found] if isinstance(found, list | tuple) else []


def fact_rows(table: Table) -> list[tuple[str, str]]:
    """The figures of the header, named; those that are not known are left out."""
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
    """The course of the residuals, where there is one."""
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
            "What each step left unexplained. White and grey bands are stages: first a run "
            "with more rank than needed, which shows what rank there is, then fits of the ranks around it, last a fit "
            "of the rank chosen to all measurements, held-out ones too. Where the fitted curve falls and the held-out "
            "one does not, the matrix learns noise."
        ),
    )


def spectrum_picture(table: Table) -> str:
    """The spectrum, where the matrix is not zero."""
    if not figures.has_spectrum(table):
        return ""
    values = figures.spectrum_values(table)
    name = "Eigenvalues" if "eigenvalues" in table.arrays else "Singular values"
    return html.picture(
        figures.spectrum(table),
        alternative=f"{name} of the matrix found, the largest first: "
        + ", ".join(number(float(value)) for value in values[:12])
        + (f", and {len(values) - 12} more." if len(values) > 12 else "."),
        caption=f"{name} of the matrix found: how much each of its patterns weighs. There are {len(values)}, "
        "all others are zero.",
    )


def rank_picture(table: Table) -> str:
    """What each rank left unexplained, where measurements were held out."""
    if not figures.has_rank_choice(table):
        return ""
    ranks, held = table.arrays["candidate_rank"], table.arrays["candidate_holdout_residual"]
    told = ", ".join(f"rank {k}: {number(float(v))}" for k, v in zip(ranks, held, strict=True) if np.isfinite(v))
    return html.picture(
        figures.rank_choice(table),
        alternative=f"Relative residual on held-out measurements for each rank tried. {told}.",
        caption=(
            "A larger rank always fits the measurements that it sees better. It is taken only where it also predicts "
            "those held out better, by enough to pay for the numbers that it adds."
        ),
    )


def footer() -> str:
    """Who wrote the page."""
    return f"<footer>Written by wnsense {version('wnsense')}. The page needs no network.</footer>"
