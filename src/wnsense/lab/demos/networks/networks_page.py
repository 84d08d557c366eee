"""The demo of deep networks as one self-contained page."""

from collections.abc import Mapping
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
            "Each unit's row of weights is divided by its length before it is used. Only its direction counts, and "
            "steps of the optimizer turn it."
        ),
    ),
    (
        "Gradient-to-loss ratio",
        (
            "The squared length of the loss' gradient over the loss. Theory wants it large against curvature: then "
            "each step takes away a fixed part of the loss."
        ),
    ),
    (
        "Curvature",
        (
            "The largest eigenvalue of the loss' second derivatives by all weights; gradient descent is locally stable "
            "for steps below 2 over it. Found by Lanczos' method, without forming the matrix."
        ),
    ),
    (
        "Shortest row",
        "The length of the shortest row of weights in any hidden layer, W_min: theory's bounds on curvature need it.",
    ),
)


def networks_page(table: Table) -> str:
    """The page as HTML, from the table of the demo."""
    header = table.header
    accuracy = float(table.arrays["wn_test_accuracy"][-1])
    finished = all(of == "finished" for of in cast("Mapping[str, str]", header["endings"]).values())
    return html.page(
        f"{header['train']:,} real digits, learned with weight normalization",
        html.paragraph(_summary(table)),
        html.verdict(
            f"{100 * accuracy:.1f} % of {header['test']:,} digits that it had not seen",
            "Trained to the end." if finished else "A training broke off: its numbers left their range.",
            good=finished,
        ),
        html.section("What it says of digits that it had not seen", _digits(table)),
        html.section("Learning", _learning(table)),
        html.section("What theory looks at", _measured(table)),
        html.section("A symmetry", html.paragraph(_symmetry(table))),
        html.section("What diagnose() says of the trained network", html.said(str(header["diagnosis"]))),
        html.section("The program", html.code(str(header["program"]))),
        html.section("Figures", html.facts(_facts(table), "What was trained, on what, and how")),
        html.section("Words", html.definitions(_GLOSSARY)),
        footer(),
    )


def _last(table: Table, name: str) -> float:
    return float(table.arrays[name][-1])


def _first(table: Table, name: str) -> float:
    return float(table.arrays[name][0])


def _summary(table: Table) -> str:
    header = table.header
    return (
        f"Two networks of {header['depth']} hidden layers, {header['width']} units each and {header['parameters']:,} "
        f"weights began with the same random weights and saw the same {header['train']:,} handwritten digits in the "
        f"same order, {header['epochs']} times. One divides each row of weights by its length, the other does not. At "
        f"the end the first is right on {100 * _last(table, 'wn_test_accuracy'):.1f} % of other digits, the second on "
        f"{100 * _last(table, 'plain_test_accuracy'):.1f} %."
    )


def _digits(table: Table) -> str:
    labels, answers = table.arrays["shown_labels"], table.arrays["shown_answers"]
    told = ", ".join(f"{label} seen as {answer}" for label, answer in zip(labels, answers, strict=True))
    wrong = int((labels != answers).sum())
    return html.picture(
        figures.digits(table),
        alternative=f"Handwritten digits with the network's answers: {told}.",
        caption=f"The first of the test digits that it gets right, and {wrong} that it gets wrong, side by side.",
    )


def _learning(table: Table) -> str:
    ends = "; ".join(
        f"{words}: loss {_first(table, f'{name}_train_loss'):.3g} to {_last(table, f'{name}_train_loss'):.3g}, "
        f"accuracy {100 * _last(table, f'{name}_test_accuracy'):.1f} %"
        for name, words in (("wn", "with weight normalization"), ("plain", "without"))
    )
    return html.picture(
        figures.learning(table),
        alternative=f"Training loss and test accuracy at each epoch. {ends}.",
        caption=f"After each pass over the digits. {ends[0].upper()}{ends[1:]}. Both take the same learning rate.",
    )


def _measured(table: Table) -> str:
    rows = table.arrays["wn_shortest"]
    growth = 100 * (float(rows[-1]) / float(rows[0]) - 1)
    ends = "; ".join(
        f"{words}: ratio {_first(table, f'{name}_ratio'):.3g} to {_last(table, f'{name}_ratio'):.3g}, curvature "
        f"{_first(table, f'{name}_loss_curvature'):.3g} to {_last(table, f'{name}_loss_curvature'):.3g}"
        for name, words in (("wn", "with weight normalization"), ("plain", "without"))
    )
    return html.picture(
        figures.measured(table),
        alternative=f"Gradient-to-loss ratio, largest curvature of the loss and shortest row at each epoch. {ends}.",
        caption=(
            f"On the same digits at each epoch. {ends[0].upper()}{ends[1:]}. Under weight normalization the shortest "
            f"row grew by {growth:.2g} %: a gradient is at right angles to the row that it moves."
        ),
    )


def _symmetry(table: Table) -> str:
    moved = float(table.arrays["moved_output"][0])
    before, after = table.arrays["rescaled_ratio"]
    flat, flatter = table.arrays["rescaled_curvature"]
    return (
        f"All rows of the trained network were multiplied by {table.header['factor']:g}. What it says moved by "
        f"{moved:.1e} of its largest output, which is rounding: lengths are divided out. The gradient-to-loss ratio "
        f"went from {before:.3g} to {after:.3g}, and the curvature of an output from {flat:.3g} to {flatter:.3g}: "
        "longer rows are flatter, and slower."
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
        ("Steps with WN took", seconds(_last(table, "wn_seconds"))),
        ("Steps without took", seconds(_last(table, "plain_seconds"))),
        ("Made with", ", ".join(f"{name} {of}" for name, of in versions.items())),
        ("On", f"{header['machine']}, {header['threads']} thread(s)"),
    ]
