"""The built packages, and the tools that check them."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from selection import MOST_FILES, SMOKE, select

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_source_distribution_holds_package_tests_and_documentation_without_results():
    files = {file.relative_path: Path(file.path) for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    for expected in ("src/wnsense/__init__.pyi", "src/wnsense/py.typed", "tests/conftest.py", "docs/recovery.md"):
        assert expected in files
    assert {"Makefile", "requirements.lock", "CONTRIBUTING.md", "benchmarks/gallery.py"} <= set(files)
    assert not [name for name in files if "results/" in name]
    assert sum(file.stat().st_size for file in files.values()) < 6_000_000


def test_wheel_holds_the_marker_of_typed_packages():
    names = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {"wnsense/py.typed", "wnsense/__init__.pyi", "wnsense/pages/interactive.css"} <= names


@pytest.mark.parametrize(
    ("hook", "package"),
    [("astral-sh/ruff-pre-commit", "ruff"), ("pre-commit/mirrors-mypy", "mypy")],
)
def test_hooks_have_the_versions_of_the_lock(hook, package):
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    found = re.search(rf"{hook}\n    rev: v(\S+)", hooks)
    assert found is not None
    assert f"{package}=={found.group(1)}" in (ROOT / "requirements.lock").read_text().splitlines()


def test_classifiers_name_the_python_that_runs_the_tests():
    named = [line.rsplit(" ", 1)[-1] for line in PROJECT["project"]["classifiers"] if ":: Python :: 3." in line]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in named


def test_lock_pins_all_that_is_declared():
    locked = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    names = {re.split(r"[>=<\[]", line)[0].lower() for line in declared}
    assert names <= locked


def test_the_quick_check_runs_what_a_change_concerns():
    importing = select(["src/wnsense/recovery/robust.py"])
    assert importing[0] == "tests/test_robust.py"
    assert len(select(["src/wnsense/sensing/operator.py", "src/wnsense/checks.py"])) == MOST_FILES
    assert select(["tests/test_checks.py", "docs/files.md"]) == ["tests/test_checks.py"]
    for path in select(["tests/cases/commands.py"]):
        assert "from cases.commands import" in (ROOT / path).read_text()
    assert select(["README.md"]) == list(SMOKE)
    assert all((ROOT / path).is_file() for path in SMOKE)
