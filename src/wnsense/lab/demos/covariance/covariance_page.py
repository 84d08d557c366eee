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

# The error that may stand beside the best one of the same rank without a word.
_FAIR_RATIO = 1.5
# Where the methods are compared on their way.
_EARLY = 50
# About as far as a method comes: within a twentieth of its last error.
_NEAR = 1.05

_GLOSSARY = (
    (
        "Covariance",
        (
            "The table of how each pixel varies together with each other pixel, over all images. Its leading "
            "eigenvectors, drawn as images, are the patterns by which digits differ from their average."
        ),
    ),
    (
        "Sketch",
        (
            "One number for a pair of random patterns: by how much more the images vary along the first than along the "
            "second. The sensor updates sums as each image passes, and keeps nothing else."
        ),
    ),
    (
        "Effective rank",
        (
            "A real covariance has no exact rank: its eigenvalues fall and fall. The rank found is the one whose fit "
            "best predicts sketches that were held out, unless a smaller one predicts them about as well."
        ),
    ),
    (
        "Relative error",
        "The size of what is wrong over the size of the whole (Frobenius norm): 0 is perfect, a zero matrix has 1.",
    ),
    (
        "Application",
        "The unit of cost: sketching one candidate matrix, or going back once from sketches to a matrix.",
    ),
)


def demo_page(table: Table) -> str:
    """The page as HTML, from the table that `run_demo()` makes."""
    header = table.header
    status = str(header["status"])
    good = status in {str(one) for one in Status if one.is_success}
    side = _integer(header["side"]) ** 2
    return html.page(
        f"A covariance of {side:,} {TIMES} {side:,}, from {percent(_share(header))} of its numbers",
        *(html.paragraph(text) for text in _summary(header)),
        html.verdict(words(status).capitalize(), str(header["advice"]), good=good),
        html.section("Warnings", html.bullets(warnings(table))),
        html.section("What the images vary by", _eigen_picture(table)),
        html.section("How near, and how soon", _error_picture(table), _method_table(table)),
        html.section(
            "How many patterns", _spectrum_picture(table), rank_picture(table) if has_rank_choice(table) else ""
        ),
        html.section("How the recovery went", convergence_picture(table) if has_convergence(table) else ""),
        _program(header),
        html.section("Figures", html.facts(_facts(table), "What was asked, found and spent")),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def _summary(header: Mapping[str, object]) -> list[str]:
    """What happened, in plain words."""
    rank, images = _integer(header["rank"]), _integer(header["images"])
    error, best = _float(header["relative_error"]), _float(header["best_error"])
    first = (
        f"A sensor watched {images:,} images go by, each of them once. It stored none: it kept "
        f"{_integer(header['measurements']):,} sketches, one number each for a pair of random patterns. The covariance "
        f"of these images has {_integer(header['unknowns']):,} unknown numbers, so that the sketches are "
        f"{percent(_share(header))} of what it takes to write it down."
    )
    second = (
        "That is enough, since the covariance is close to one of low rank, a sum of few patterns. Nobody said how few: "
        f"recover() found {rank} (the effective rank), and a matrix of that rank with a relative error of {error:.3f}."
    )
    return [first, second, _against_best(header, rank, error, best)]


def _against_best(header: Mapping[str, object], rank: int, error: float, best: float) -> str:
    """The error beside the best one of the same rank, and why it is larger."""
    text = (
        f"No matrix of rank {rank} can have an error below {best:.3f}, and finding the one that has it takes the whole "
        f"covariance. The error here is {error / best:.2f} times that."
    )
    if error > _FAIR_RATIO * best:
        pixels, count = _integer(header["side"]) ** 2, _integer(header["measurements"])
        freedom = rank * (2 * pixels - rank + 1) // 2
        text += (
            f" Why not less: what the covariance has beyond rank {rank} disturbs the sketches like noise, and a fit "
            f"must find {freedom:,} numbers from {count:,} disturbed sketches. More sketches, or a smaller max_rank, "
            "bring the two closer."
        )
    informed = _float(header["informed_error"])
    text += (
        f" A fit to the same sketches that begins at that best matrix, which takes knowing the answer, ends at "
        f"{informed:.3f}: so much do the sketches leave open, however one searches."
    )
    if error > _NEAR * informed:
        text += f" The rest, up to {error:.3f}, is what the search missed."
    return text


def _eigen_picture(table: Table) -> str:
    agreement = table.arrays["eigen_images_agreement"]
    told = ", ".join(f"{value:.2f}" for value in agreement)
    return html.picture(
        figures.eigen_images(table),
        alternative=(
            f"The {len(agreement)} leading eigenvectors of the true covariance as images, above those recovered. "
            f"Their agreement, the absolute cosine of the angle between them: {told}."
        ),
        caption=(
            "The strongest patterns, true above and recovered below, with their eigenvalues: how much the images vary "
            "along them. Grey is zero; a pattern and its negative are the same, so signs are matched. Where two "
            f"eigenvalues are close, their patterns may mix. Agreement, from 0 to 1: {told}."
        ),
    )


def _error_picture(table: Table) -> str:
    header = table.header
    told = "; ".join(f"{METHODS[n].label}: {table.arrays[f'{n}_error'][-1]:.3f}" for n in figures.method_names(table))
    return html.picture(
        figures.errors(table),
        alternative=(
            f"Relative error against applications for each method. Where they end: {told}; recover: "
            f"{_float(header['relative_error']):.3f} at {_integer(header['applications']):,} applications."
        ),
        caption=(
            f"The solvers are told a rank, {number(header['rank'])}, and start from the same matrix. The star is "
            "recover(), which is told none: it tries ranks, judges them by held-out sketches, and fits the one it "
            "chose to all. The dotted line is what no matrix of that rank can better."
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
        f"{_sooner(table)} Least squares knows nothing of low rank: of all matrices that explain the sketches it takes "
        "the smallest, and with so few sketches most of the covariance stays unseen."
    )


def _ending(header: Mapping[str, object], name: str) -> str:
    """How a method ended, where it was not by its budget or at its goal."""
    statuses = header["method_statuses"]
    status = str(statuses.get(name)) if isinstance(statuses, Mapping) else ""
    usual = {str(Status.OUT_OF_BUDGET), *(str(one) for one in Status if one.is_success)}
    return "" if status in usual else f" ({words(status)})"


def _sooner(table: Table) -> str:
    """What it takes each solver to come about as far as the default one does."""
    solvers = [name for name in figures.method_names(table) if name != "least-squares"]
    goal = _NEAR * float(table.arrays[f"{solvers[0]}_error"][-1])
    told = []
    for name in solvers:
        applications, errors = table.arrays[f"{name}_applications"], table.arrays[f"{name}_error"]
        reached = applications[errors <= goal]
        cost = f"{int(reached[0]):,}" if len(reached) else f"more than {int(applications[-1]):,}"
        told.append(f"{METHODS[name].label} {cost}")
    return f"Applications to an error of {goal:.3f}: {'; '.join(told)}."


def _spectrum_picture(table: Table) -> str:
    true, found = table.arrays["true_eigenvalues"], table.arrays["eigenvalues"]
    return html.picture(
        figures.spectra(table),
        alternative=(
            f"Eigenvalues on a logarithmic axis. True: {', '.join(number(float(v)) for v in true[:6])} and so on. "
            f"Recovered, {len(found)} of them: {', '.join(number(float(v)) for v in found[:6])} and so on."
        ),
        caption=(
            "How much the images vary along each pattern. The true eigenvalues have no gap, so that any rank is a "
            "compromise: more patterns describe more, and each must be found from the same sketches."
        ),
    )


def _program(header: Mapping[str, object]) -> str:
    text = header.get("program")
    return html.section("The program", html.code(text)) if isinstance(text, str) else ""


def _facts(table: Table) -> list[tuple[str, str]]:
    header = table.header
    return [
        *fact_rows(table),
        ("Error of the best matrix of this rank", number(header["best_error"])),
        ("Images, stored by the sensor", f"{_integer(header['images']):,}, none"),
        ("Time of the whole demo", seconds(header.get("demo_seconds"))),
    ]


def _share(header: Mapping[str, object]) -> float:
    return _integer(header["measurements"]) / _integer(header["unknowns"])


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
