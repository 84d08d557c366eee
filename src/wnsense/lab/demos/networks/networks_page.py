"""Page of the demo of deep networks, in one self-contained file."""

from collections.abc import Callable, Mapping
from typing import cast

from wnsense.files.tables import Table
from wnsense.lab.demos.networks import networks_picture as figures
from wnsense.pages import html
from wnsense.pages.recovery_page import footer
from wnsense.pages.words import seconds

_GLOSSARY = (
    (
        "Weight normalization",
        (
            "Each unit's row of weights is divided by its length before it is used. Only its direction has an effect, "
            "and steps of the optimizer turn it."
        ),
    ),
    (
        "Gradient-to-loss ratio",
        (
            "The squared norm of the loss' gradient over the loss. If it is large against the curvature, each step "
            "lowers the loss by a fixed fraction, by the theory."
        ),
    ),
    (
        "Curvature",
        (
            "The largest eigenvalue of the loss' second derivatives by all weights. Gradient descent is locally stable "
            "for learning rates below 2 over it. Lanczos' method computes it without the matrix."
        ),
    ),
    (
        "Shortest row",
        "The length W_min of the shortest row of weights in any hidden layer. The theory's bounds on curvature use it.",
    ),
)


def networks_page(table: Table) -> str:
    """Return the page as HTML, from the table of the demo."""
    header = table.header
    accuracy = float(table.arrays["wn_test_accuracy"][-1])
    finished = all(ending == "finished" for ending in cast("Mapping[str, str]", header["endings"]).values())
    return html.page(
        f"{header['train']:,} real digits, learned with weight normalization",
        html.paragraph(_summary(table)),
        html.verdict(
            f"{100 * accuracy:.1f} % of {header['test']:,} new digits are right",
            "Both trainings are complete." if finished else "A training diverged: numbers became infinite or NaN.",
            good=finished,
        ),
        html.section("Answers on new digits", _digits(table)),
        html.section("Learning", _learning(table)),
        html.section("Quantities of the theory", _measured(table)),
        html.section("A symmetry", html.paragraph(_symmetry(table))),
        html.section("Diagnosis of the trained network by diagnose()", html.program_output(str(header["diagnosis"]))),
        html.section("The program", html.code(str(header["program"]))),
        html.section("Figures", html.facts(_facts(table), "Networks, data and training")),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def _last(table: Table, name: str) -> float:
    return float(table.arrays[name][-1])


def _change(table: Table, name: str) -> str:
    """Return the first and the last value of a column in words."""
    values = table.arrays[name]
    return f"{float(values[0]):.3g} to {float(values[-1]):.3g}"


def _of_both(words_of: Callable[[str], str]) -> str:
    """Return words on both networks, from a function of the name of each in the table."""
    networks = (("wn", "with weight normalization"), ("plain", "without"))
    return "; ".join(f"{words}: {words_of(name)}" for name, words in networks)


def _summary(table: Table) -> str:
    header = table.header
    return (
        f"Two networks of {header['depth']} hidden layers, {header['width']} units each and {header['parameters']:,} "
        f"weights were trained from the same random weights. Both used the same {header['train']:,} handwritten "
        f"digits in the same order, {header['epochs']} times. One divides each row of weights by its length, the other "
        f"does not. At the end the first one recognizes {100 * _last(table, 'wn_test_accuracy'):.1f} % of new digits, "
        f"the second one {100 * _last(table, 'plain_test_accuracy'):.1f} %."
    )


def _digits(table: Table) -> str:
    labels, answers = table.arrays["shown_labels"], table.arrays["shown_answers"]
    answers_text = ", ".join(f"{label} taken for {answer}" for label, answer in zip(labels, answers, strict=True))
    wrong = int((labels != answers).sum())
    return html.picture(
        figures.digits(table),
        alternative=f"Handwritten digits with the network's answers: {answers_text}.",
        caption=f"The first test digits with a right answer, and {wrong} with a wrong one.",
    )


def _learning(table: Table) -> str:
    accuracy = {name: 100 * _last(table, f"{name}_test_accuracy") for name in ("wn", "plain")}
    ends = _of_both(lambda name: f"loss {_change(table, f'{name}_train_loss')}, accuracy {accuracy[name]:.1f} %")
    return html.picture(
        figures.learning(table),
        alternative=f"Training loss and test accuracy at each epoch. {ends}.",
        caption=f"After each pass over the digits. {ends[0].upper()}{ends[1:]}. Both have the same learning rate.",
    )


def _measured(table: Table) -> str:
    rows = table.arrays["wn_shortest"]
    growth = 100 * (float(rows[-1]) / float(rows[0]) - 1)
    ends = _of_both(
        lambda name: f"ratio {_change(table, f'{name}_ratio')}, curvature {_change(table, f'{name}_loss_curvature')}"
    )
    return html.picture(
        figures.measured(table),
        alternative=f"Gradient-to-loss ratio, largest curvature of the loss and shortest row at each epoch. {ends}.",
        caption=(
            f"On the same digits at each epoch. {ends[0].upper()}{ends[1:]}. With weight normalization the shortest "
            f"row grew by {growth:.2g} %: the gradient is orthogonal to its row, so that steps make it longer."
        ),
    )


def _symmetry(table: Table) -> str:
    moved = float(table.arrays["moved_output"][0])
    before, after = table.arrays["rescaled_ratio"]
    flat, flatter = table.arrays["rescaled_curvature"]
    return (
        f"All rows of the trained network were multiplied by {table.header['factor']:g}. The outputs changed by "
        f"{moved:.1e} of the largest output, which is rounding, since rows are divided by their lengths. The "
        f"gradient-to-loss ratio went from {before:.3g} to {after:.3g}, and the curvature of an output from "
        f"{flat:.3g} to {flatter:.3g}: longer rows make the loss flatter, and training slower."
    )


def _facts(table: Table) -> list[tuple[str, str]]:
    header = table.header
    versions = cast("Mapping[str, str]", header["versions"])
    return [
        ("Digits", f"{header['images']}: {header['train']:,} to train on, {header['test']:,} to test on"),
        ("Network", f"{header['depth']} hidden layers of {header['width']}, tanh, 10 outputs"),
        (
            "Training",
            f"SGD, batch {header['batch']}, rate {header['learning_rate']:g}, momentum {header['momentum']:g}",
        ),
        ("Time of the steps with WN", seconds(_last(table, "wn_seconds"))),
        ("Time of the steps without WN", seconds(_last(table, "plain_seconds"))),
        ("Made with", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("On", f"{header['machine']}, {header['threads']} thread(s)"),
    ]
