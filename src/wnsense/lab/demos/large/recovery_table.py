"""Part of a table that all large recoveries share: the facts and the trace of the recovery, and its cost."""

from wnsense.files.tables import Table
from wnsense.lab.costs import costs
from wnsense.recovery import Recovery


def with_recovery(table: Table, recovery: Recovery) -> Table:
    """Return a table with the facts of a recovery, its cost, and its trace under names `trace_...` added."""
    trace = {f"trace_{name}": column for name, column in recovery.trace.items()}
    return Table({**table.header, **recovery.facts(), **costs()}, {**table.arrays, **trace})
