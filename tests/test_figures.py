"""Pictures show what the table says, belong to nobody's global state, and can be told apart without colour."""

import io
import runpy
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from cases.picture_tables import demo_table, recovery_table
from wnsense.checks import InputError
from wnsense.files.tables import write_table
from wnsense.lab.demos.covariance import covariance_picture as demo
from wnsense.pages import recovery_picture as recovery
from wnsense.pages import style

RECOVERY_PICTURES = [recovery.convergence, recovery.spectrum, recovery.rank_choice]
DEMO_PICTURES = [demo.eigen_images, demo.errors, demo.spectra, demo.readme_picture]

DEMO_METHODS = ["preconditioned-wn", "wn", "gd"]


def lines(figure, label):
    return [line for axes in figure.axes for line in axes.get_lines() if line.get_label() == label]


def test_looks_differ_in_line_or_marker_and_those_of_one_color_in_both():
    for looks in (style.METHODS, style.QUANTITIES):
        for a, b in combinations(looks.values(), 2):
            assert (a.line, a.marker) != (b.line, b.marker)
            assert a.color != b.color or (a.line != b.line and a.marker != b.marker)
    # Those that share a picture with quantities have colours of their own.
    methods = [style.METHODS[name] for name in ("recover", *DEMO_METHODS, "least-squares", "truth")]
    colors = [look.color for look in (*methods, *style.QUANTITIES.values())]
    # Black is the truth: the true matrix, and the error against it.
    assert len(set(colors)) == len(colors) - 1


@pytest.mark.parametrize("draw", RECOVERY_PICTURES)
def test_recovery_pictures_leave_global_settings_alone(draw):
    before = dict(mpl.rcParams)
    figure = draw(recovery_table())
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="svg")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("draw", DEMO_PICTURES)
def test_demo_pictures_leave_global_settings_alone(draw):
    before = dict(mpl.rcParams)
    draw(demo_table()).savefig(io.BytesIO(), format="svg")
    assert dict(mpl.rcParams) == before


def test_no_picture_and_no_page_uses_pyplot():
    package = Path(style.__file__).parents[1]
    sources = [*package.glob("pages/*.py"), *package.glob("lab/**/*.py")]
    assert len(sources) > 5
    assert not any("pyplot" in source.read_text() for source in sources)


def test_convergence_draws_the_columns_on_a_log_axis():
    table = recovery_table()
    figure = recovery.convergence(table)
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    assert "applications" in axes.get_xlabel()
    for name in ("residual", "holdout_residual", "error"):
        drawn = np.concatenate(
            [line.get_ydata() for line in axes.get_lines() if line.get_color() == style.QUANTITIES[name].color]
        )
        column = table.arrays[f"trace_{name}"]
        np.testing.assert_array_equal(drawn, column[np.isfinite(column)])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "fitted measurements",
        "held-out measurements",
        "error of the matrix",
    ]


def test_convergence_marks_stages_by_their_rank():
    figure = recovery.convergence(recovery_table())
    figure.draw_without_rendering()
    (top,) = figure.axes[0].child_axes
    assert [label.get_text() for label in top.get_xticklabels()] == ["6", "3", "3"]
    # Each stage has its rank above its own applications: 4 to 22, 24 to 42 and 44 to 62.
    starts = [4, 24, 44, 64]
    assert all(low < tick < high for low, tick, high in zip(starts, top.get_xticks(), starts[1:], strict=False))


@pytest.mark.parametrize("missing", ["trace_holdout_residual", "trace_error", "trace_stage", "trace_rank"])
def test_convergence_does_without_columns_that_a_run_may_lack(missing):
    table = recovery_table()
    table = replace(table, arrays={name: column for name, column in table.arrays.items() if name != missing})
    recovery.convergence(table).savefig(io.BytesIO(), format="svg")


def test_convergence_of_an_exact_zero_residual_stays_finite():
    table = recovery_table()
    residual = table.arrays["trace_residual"].copy()
    residual[-1] = 0
    figure = recovery.convergence(replace(table, arrays=dict(table.arrays) | {"trace_residual": residual}))
    assert all(np.isfinite(figure.axes[0].get_ylim()))


def test_a_long_curve_is_thinned_with_both_ends_kept():
    figure = style.new_figure(4, 3)
    axes = figure.add_subplot()
    x = np.arange(50_000.0)
    style.curve(axes, style.METHODS["gd"], x, x + 1)
    (line,) = axes.get_lines()
    assert len(line.get_xdata()) == 1000
    assert line.get_xdata()[0] == 0
    assert line.get_xdata()[-1] == 49_999


def test_spectrum_shows_negative_eigenvalues_by_magnitude_and_apart():
    figure = recovery.spectrum(recovery_table(eigenvalues=np.array([3.0, -2.0, 1.0])))
    (positive,), (negative,) = lines(figure, "positive"), lines(figure, "negative")
    np.testing.assert_array_equal(positive.get_ydata(), [3, 1])
    np.testing.assert_array_equal(negative.get_ydata(), [2])
    np.testing.assert_array_equal(negative.get_xdata(), [2])
    assert figure.axes[0].get_ylabel().startswith("|eigenvalue|")


@pytest.mark.parametrize(("values", "scale"), [([2.0, 1.0], "linear"), ([1.0, 1e-4], "log")])
def test_spectrum_is_logarithmic_only_where_it_is_wide(values, scale):
    assert recovery.spectrum(recovery_table(eigenvalues=np.array(values))).axes[0].get_yscale() == scale


def test_rank_choice_marks_the_rank_returned():
    figure = recovery.rank_choice(recovery_table())
    (mark,) = lines(figure, "rank returned, 3")
    assert list(mark.get_xdata()) == [3, 3]


def test_rank_choice_draws_both_residuals_but_those_of_zero():
    table = recovery_table()
    held = np.array([0.2, 0.0, 2e-11])
    figure = recovery.rank_choice(replace(table, arrays=dict(table.arrays) | {"candidate_holdout_residual": held}))
    for name, expected in (("residual", [0.1, 1e-11, 1e-11]), ("holdout_residual", [0.2, np.nan, 2e-11])):
        (line,) = lines(figure, style.QUANTITIES[name].label)
        np.testing.assert_array_equal(line.get_ydata(), expected)


@pytest.mark.parametrize(
    ("absent", "has"),
    [
        ("trace_applications", recovery.has_convergence),
        ("candidate_holdout_residual", recovery.has_rank_choice),
        ("eigenvalues", recovery.has_spectrum),
    ],
)
def test_what_a_table_cannot_show_is_said(absent, has):
    table = recovery_table()
    assert has(table)
    assert not has(replace(table, arrays={k: v for k, v in table.arrays.items() if k != absent}))
    assert not has(replace(table, arrays=dict(table.arrays) | {absent: np.empty(0)}))


def test_ticks_of_a_narrow_log_axis_are_plain_numbers():
    axes = style.new_figure(4, 3).add_subplot()
    style.logarithmic(axes, 0.15, 1.1)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.2", "0.3", "0.5", "0.7", "1"]


def test_eigen_images_stand_true_above_recovered_with_their_eigenvalues():
    table = demo_table()
    figure = demo.eigen_images(table)
    count = len(table.arrays["eigen_images_true"])
    assert len(figure.axes) == 2 * count
    shown = [axes.get_images()[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(shown[:count], table.arrays["eigen_images_true"])
    np.testing.assert_array_equal(shown[count:], table.arrays["eigen_images_recovered"])
    assert figure.axes[0].get_xlabel() == f"{table.arrays['true_eigenvalues'][0]:.2f}"
    assert figure.axes[count].get_xlabel() == f"{table.arrays['eigenvalues'][0]:.2f}"


def test_errors_show_each_method_the_recovery_and_the_best_error():
    table = demo_table()
    figure = demo.errors(table)
    axes = figure.axes[0]
    for name in demo.method_names(table):
        (line,) = lines(figure, style.METHODS[name].label)
        assert line.get_color() == style.METHODS[name].color
        assert line.get_ydata()[-1] == table.arrays[f"{name}_error"][-1]
    (star,) = lines(figure, style.METHODS["recover"].label)
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (table.header["applications"], table.header["relative_error"])
    low, high = axes.get_ylim()
    assert low < table.header["best_error"] < high


def test_the_picture_of_the_readme_is_1600_pixels_wide(tmp_path):
    path = tmp_path / "images" / "demo.png"
    demo.write_readme_picture(demo_table(), path)
    assert imread(path).shape[1] == 1600
    with pytest.raises(InputError, match="a place to write"):
        demo.write_readme_picture(demo_table(), path / "below-a-file.png")


def test_the_picture_of_the_readme_is_made_by_one_command(tmp_path, monkeypatch):
    table, path = tmp_path / "demo.npz", tmp_path / "demo.png"
    write_table(table, demo_table())
    monkeypatch.setattr("sys.argv", ["demo", str(table), str(path)])
    runpy.run_path(demo.__file__, run_name="__main__")
    assert imread(path).shape[1] == 1600
