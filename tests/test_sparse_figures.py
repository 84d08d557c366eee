"""Pictures of sparse recovery: what they show of a table."""

import numpy as np
import pytest

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.demos.sparse_picture import samples_picture, transition_picture


def test_every_cell_of_a_transition_is_told_and_coloured():
    found = np.array([[[1.0, 0.5], [0.25, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.75, 1.0], [0.5, 0.25]]])
    arrays = {"found": found, "measured": np.array([0.1, 0.2, 0.4]), "filled": np.array([0.1, 0.3])}
    figure = transition_picture(Table({"methods": ["ours", "theirs"], "size": 50, "problems": 4}, arrays))
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["ours", "theirs"]
    for panel, shares in zip(figure.axes, found, strict=True):
        told = {text.get_position(): text.get_text() for text in panel.texts}
        assert told == {(i, j): f"{shares[i, j]:.0%}" for i, j in np.ndindex(3, 2)}
        np.testing.assert_array_equal(panel.images[0].get_array(), shares.T)
        assert [label.get_text() for label in panel.get_xticklabels()] == ["0.1", "0.2", "0.4"]


def test_a_photograph_is_shown_beside_its_samples_and_answers():
    rng = np.random.default_rng(0)
    image = rng.random((4, 5))
    sampled = np.where(rng.random((4, 5)) < 0.5, image, np.nan)
    answers = np.stack([image + 0.1, image - 0.1])
    coefficients = np.array([[3.0, 0.0, -1.0], [2.0, 1.0, 0.5]])
    arrays = {"image": image, "sampled": sampled, "answers": answers}
    arrays |= {"true_coefficients": np.array([4.0, -2.0, 1.0]), "coefficients": coefficients}
    header = {"methods": ["ours", "theirs"], "errors": [0.123, 0.2], "share": 0.5}
    figure = samples_picture(Table(header, arrays))
    *panels, right = figure.axes
    shown = [panel.images[0].get_array() for panel in panels]
    for seen, expected in zip(shown, [image, sampled, *answers], strict=True):
        np.testing.assert_array_equal(np.ma.filled(seen, np.nan), expected)
    assert [panel.get_xlabel()[-5:] for panel in panels[2:]] == ["12.3%", "20.0%"]
    # By size, without the zeros.
    lines = [line.get_ydata() for line in right.lines]
    np.testing.assert_array_equal(lines[0], [4, 2, 1])
    np.testing.assert_array_equal(lines[1], [3, 1])
    with pytest.raises(InputError, match="lists of methods and errors"):
        samples_picture(Table(header | {"errors": "none"}, arrays))
