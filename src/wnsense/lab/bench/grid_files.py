"""Files of a grid's table and of its description, which tells whether rows may be added."""

import json
from dataclasses import dataclass
from pathlib import Path

from wnsense.atomic import write_text
from wnsense.checks import InputError, require
from wnsense.lab.costs import machine, versions


@dataclass(frozen=True)
class TableFiles:
    """Files of a grid: its rows as CSV, and its description as JSON.

    Attributes:
        directory: Directory of both files.
        name: Name of the grid.
        fingerprint: Hash of all that the rows depend on.
        version: Version of the table's columns and of the way of measuring.
    """

    directory: Path
    name: str
    fingerprint: str
    version: int

    @property
    def table(self) -> Path:
        """Path of the rows."""
        return self.directory / f"bench_{self.name}.csv"

    @property
    def description(self) -> Path:
        """Path of the description: grid, versions and machine."""
        return self.directory / f"bench_{self.name}.json"

    def facts(self) -> dict[str, object]:
        """Return the description of a table: grid, versions and machine."""
        return {
            "format": self.version,
            "grid": self.name,
            "fingerprint": self.fingerprint,
            "versions": versions(),
            "machine": machine(),
        }

    def check(self) -> None:
        """Check that the stored table is of this grid and of these versions.

        Raises:
            InputError: If it is not, or its description cannot be read.
        """
        stored, now = read_facts(self.description), self.facts()
        for name in ("format", "grid", "fingerprint", "versions"):
            require(
                stored.get(name) == now[name],
                f"a table with {name} {now[name]} at {self.table}",
                stored.get(name),
                "name another directory, or remove that table to begin anew",
            )

    def describe(self) -> None:
        """Write the description unless there is a table already."""
        if not self.table.exists():
            write_text(self.description, json.dumps(self.facts(), indent=2, sort_keys=True) + "\n")


def read_facts(path: Path) -> dict[str, object]:
    """Read the description beside a table.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"needed the description of the table at {path}, got: {error}; name another directory"
        ) from error
    require(
        isinstance(stored, dict), f"the description of the table at {path}", "something else", "name another directory"
    )
    return dict(stored)
