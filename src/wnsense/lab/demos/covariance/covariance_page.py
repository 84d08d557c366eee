"""The covariance demo as one self-contained page."""

from collections.abc import Mapping

from wnsense.files.tables import Table
from wnsense.lab.demos.covariance import covariance_picture as figures
from wnsense.pages import html
from wnsense.pages.recovery_page import convergence_picture, fact_rows, footer, rank_picture, warnings
from wnsense.pages.recovery_picture import has_convergence, has_rank_choice
from wnsense.pages.style import METHODS
from wnsense.pages.words import NONE, TIMES, number, percent, seconds, words
from wnsense.running.status import Status

# Largest ratio of the error to the best one of the same rank that needs no explanation.
_FAIR_RATIO = 1.5
# Number of applications at which the methods are compared early.
_EARLY = 50
# Ratio of errors that count as equal.
_NEAR = 1.05

_GLOSSARY = (
    (
        "Covariance",
        (
            "A table that says how each pixel varies together with each other pixel, over all images. Its leading "
            "eigenvectors, drawn as images, are the patterns by which digits differ from their average."
        ),
    ),
    (
        "Sketch",
        (
            "One number for a pair of random patterns: the variance of the images along the first pattern minus the "
            "variance along the second. The sensor updates sums as each image passes, and stores nothing else."
        ),
    ),
    (
        "Effective rank",
        (
            "A real covariance has no exact rank: its eigenvalues decrease without a gap. The effective rank is the "
            "one whose fit best predicts the held-out sketches, unless a smaller rank predicts them about as well. A "
            "smoothed fit may follow more patterns: it shrinks the small eigenvalues instead of cutting them off."
        ),
    ),
    (
        "Relative error",
        "The norm of the error over the norm of the true matrix (Frobenius): 0 is perfect, a zero matrix has 1.",
    ),
    (
        "Application",
        "The unit of cost: one product of the operator with a matrix, or of its adjoint with a vector of sketches.",
    ),
)


def demo_page(table: Table) -> str:
    """Return the page as HTML, from the table of `run_demo()`."""
    header = table.header
    status = str(header["status"])
    good = status in {str(one) for one in Status if one.is_success}
    side = _integer(header["side"]) ** 2
    return html.page(
        f"A covariance of {side:,} {TIMES} {side:,}, from {percent(_share(header))} of its numbers",
        *(html.paragraph(text) for text in _summary(header)),
        html.verdict(words(status).capitalize(), str(header["advice"]), good=good),
        html.section("Warnings", html.bullets(warnings(table))),
        html.section("The strongest patterns", _eigen_picture(table)),
        html.section("Error and cost of each method", _error_picture(table), _method_table(table)),
        html.section(
            "The number of patterns", _spectrum_picture(table), rank_picture(table) if has_rank_choice(table) else ""
        ),
        html.section("Course of the recovery", convergence_picture(table) if has_convergence(table) else ""),
        _program(header),
        html.section("Figures", html.facts(_facts(table), "Settings, results and cost")),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def _summary(header: Mapping[str, object]) -> list[str]:
    """Return the summary: measurements, result, and comparison with the best error."""
    rank, images = _compared_rank(header), _integer(header["images"])
    error, best = _float(header["relative_error"]), _float(header["best_error"])
    first = (
        f"{images:,} images passed a sensor once. It stored no image, only {_integer(header['measurements']):,} "
        "sketches, one number for each pair of random patterns. The covariance of these images has "
        f"{_integer(header['unknowns']):,} unknown numbers; the sketches are {percent(_share(header))} as many."
    )
    second = (
        "That is enough, since the covariance is close to one of low rank, a sum of few patterns. The number of "
        f"patterns was not given: recover() found {rank} (the effective rank), and a matrix with a relative error of "
        f"{error:.3f}."
    )
    return [first, second, *_smoothed(header, rank), _against_best(header, rank, error, best)]


def _compared_rank(header: Mapping[str, object]) -> int:
    """Return the rank of the verdict, at which methods are compared; older tables have only that of the matrix."""
    return _integer(header.get("judged_rank")) or _integer(header["rank"])


def _smoothed(header: Mapping[str, object], rank: int) -> list[str]:
    """Return the paragraph on a smoothed fit in place of that of one rank, if there is one."""
    if rank == _integer(header["rank"]):
        return []
    text = (
        f"A fit of rank {rank} takes the eigenvalues beyond it for noise, and its own come out too large. A smoothed "
        f"fit predicts held-out sketches better, so that it took its place. It follows {number(header['rank'])} "
        "patterns and shrinks the small eigenvalues; how much, the held-out sketches decide."
    )
    return [text]


def _against_best(header: Mapping[str, object], rank: int, error: float, best: float) -> str:
    """Return the comparison with the best error of the same rank, and the reason for a larger one."""
    text = (
        f"No matrix of rank {rank} has an error below {best:.3f}, and the best one can only be computed from the whole "
        f"covariance. The error here is {error / best:.2f} times that."
    )
    if error > _FAIR_RATIO * best:
        pixels, count = _integer(header["side"]) ** 2, _integer(header["measurements"])
        freedom = rank * (2 * pixels - rank + 1) // 2
        text += (
            f" Why not less: the part of the covariance beyond rank {rank} disturbs the sketches like noise, and a fit "
            f"must find {freedom:,} numbers from {count:,} disturbed sketches. With more sketches, or a smaller "
            "max_rank, the two errors are closer."
        )
    informed = _float(header["informed_error"])
    text += (
        f" A fit to the same sketches that starts at that best matrix, hence at the true answer, ends at "
        f"{informed:.3f}. That much error is due to the sketches and not to the search."
    )
    if error > _NEAR * informed:
        text += f" The rest of the error, up to {error:.3f}, is what the search missed."
    return text


def _eigen_picture(table: Table) -> str:
    agreement = table.arrays["eigen_images_agreement"]
    cosines = ", ".join(f"{value:.2f}" for value in agreement)
    return html.picture(
        figures.eigen_images(table),
        alternative=(
            f"The {len(agreement)} leading eigenvectors of the true covariance as images, above those recovered. "
            f"Their agreement, the absolute cosine of the angle between them: {cosines}."
        ),
        caption=(
            "The strongest patterns, true above and recovered below, with their eigenvalues, the variances of the "
            "images along them. Grey is zero. A pattern and its negative are the same, so signs are matched. If two "
            f"eigenvalues are close, their patterns may mix. Agreement, from 0 to 1: {cosines}."
        ),
    )


def _error_picture(table: Table) -> str:
    header = table.header
    ends = "; ".join(f"{METHODS[n].label}: {table.arrays[f'{n}_error'][-1]:.3f}" for n in figures.method_names(table))
    return html.picture(
        figures.errors(table),
        alternative=(
            f"Relative error against applications for each method. Last errors: {ends}; recover: "
            f"{_float(header['relative_error']):.3f} at {_integer(header['applications']):,} applications."
        ),
        caption=(
            f"The solvers are given the rank {_compared_rank(header)} and start from the same matrix. The star is "
            "recover(), which is given no rank: it tries ranks, compares them by held-out sketches, and fits the best "
            "one to all sketches. The dotted line is the least error of any matrix of the rank that the solvers have."
        ),
    )


def _method_table(table: Table) -> str:
    header = table.header
    rows = []
    for name in figures.method_names(table):
        applications, errors = table.arrays[f"{name}_applications"], table.arrays[f"{name}_error"]
        early = errors[applications <= _EARLY]
        rows.append(
            (
                METHODS[name].label,
                f"{early[-1]:.3f}" if len(early) else NONE,
                f"{errors[-1]:.3f}",
                f"{int(applications[-1]):,}" + _ending(header, name),
            )
        )
    error, spent = f"{_float(header['relative_error']):.3f}", f"{_integer(header['applications']):,}"
    return html.grid(
        ("Method", f"Error at {_EARLY}", "at the end", "Spent"),
        [(METHODS["recover"].label, NONE, error, spent), *rows],
        f"Relative errors after {_EARLY} applications and at the end, and the applications spent",
    ) + html.paragraph(
        f"{_sooner(table)} Least squares does not use low rank: it returns the smallest of all matrices that explain "
        "the sketches. So few sketches leave most of the covariance undetermined."
    )


def _ending(header: Mapping[str, object], name: str) -> str:
    """Return the status of a method in brackets, or nothing if it ended at its goal or its budget."""
    statuses = header["method_statuses"]
    status = str(statuses.get(name)) if isinstance(statuses, Mapping) else ""
    usual = {str(Status.OUT_OF_BUDGET), *(str(one) for one in Status if one.is_success)}
    return "" if status in usual else f" ({words(status)})"


def _sooner(table: Table) -> str:
    """Return the cost of each solver to about the last error of the first one."""
    solvers = [name for name in figures.method_names(table) if name != "least-squares"]
    goal = _NEAR * float(table.arrays[f"{solvers[0]}_error"][-1])
    costs = []
    for name in solvers:
        applications, errors = table.arrays[f"{name}_applications"], table.arrays[f"{name}_error"]
        reached = applications[errors <= goal]
        cost = f"{int(reached[0]):,}" if len(reached) else f"more than {int(applications[-1]):,}"
        costs.append(f"{METHODS[name].label} {cost}")
    return f"Applications to an error of {goal:.3f}: {'; '.join(costs)}."


def _spectrum_picture(table: Table) -> str:
    true, recovered = table.arrays["true_eigenvalues"], table.arrays["eigenvalues"]
    return html.picture(
        figures.spectra(table),
        alternative=(
            f"Eigenvalues on a logarithmic axis. True: {', '.join(number(float(v)) for v in true[:6])} and so on. "
            f"Recovered, {len(recovered)} of them: {', '.join(number(float(v)) for v in recovered[:6])} and so on."
        ),
        caption=(
            "Variance of the images along each pattern. The true eigenvalues have no gap, so that any rank is a "
            "compromise: more patterns describe more, but all must be found from the same sketches."
        ),
    )


def _program(header: Mapping[str, object]) -> str:
    text = header.get("program")
    return html.section("The program", html.code(text)) if isinstance(text, str) else ""


def _facts(table: Table) -> list[tuple[str, str]]:
    header = table.header
    return [
        *fact_rows(table),
        (f"Error of the best matrix of rank {_compared_rank(header)}", number(header["best_error"])),
        ("Images, stored by the sensor", f"{_integer(header['images']):,}, none"),
        ("Time of the whole demo", seconds(header.get("demo_seconds"))),
    ]


def _share(header: Mapping[str, object]) -> float:
    return _integer(header["measurements"]) / _integer(header["unknowns"])


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
