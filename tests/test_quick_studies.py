"""Studies at their quick scale, as a user runs them: from the first run to pictures and words, and not twice."""

import numpy as np
import pytest

from cases.presented import findings, pictures
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.lookup import study_named
from wnsense.lab.studies.registry import STUDY_FOLDERS

pytestmark = pytest.mark.usefixtures("as_users_run")

# Those that tests of their own run at this scale.
ELSEWHERE = {"figure-2a", "figure-2b", "figure-2c"}
OWN_TESTS = ("diagonal-", "networks-")
# Seconds each; the others take up to a minute, and have tests of their own at a smaller scale.
SHORT = {"table-1"}
NAMES = [
    pytest.param(name, marks=() if name in SHORT else pytest.mark.slow)
    for name in STUDY_FOLDERS
    if name not in ELSEWHERE and not name.startswith(OWN_TESTS)
]


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_study_runs_to_its_pictures_and_words(name, tmp_path):
    study = study_named(name)
    store = study.store(tmp_path, Scale.QUICK)
    store.prepare()
    reports = []
    table = study.run(tmp_path, Scale.QUICK, lambda stage, done, total: reports.append((stage, done, total)))
    assert reports
    for column in table.arrays.values():
        assert column.dtype.kind in "fiub"
    assert float(table.arrays["spent_seconds"][0]) > 0
    written = study.publish(tmp_path, Scale.QUICK, table)
    assert {path.name for path in written} == {
        *(f"{name}{suffix}_quick.png" for suffix in pictures(table)),
        f"{name}_quick.txt",
    }
    words = store.caption.read_text()
    seen = findings(table)
    assert seen
    assert all(finding.text in words for finding in seen)
    assert study.specification.claim in words

    # The table that lies there is what a second run gives, with nothing run again.
    before = {path: path.stat().st_mtime_ns for path in store.parts.iterdir()}
    again = study.run(tmp_path, Scale.QUICK)
    assert {path: path.stat().st_mtime_ns for path in store.parts.iterdir()} == before
    assert again.header == table.header
    for key, column in table.arrays.items():
        np.testing.assert_array_equal(again.arrays[key], column)
