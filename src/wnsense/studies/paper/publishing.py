"""From a study's table to what people read: the picture and its caption, made of nothing but the table."""

from pathlib import Path

from wnsense.atomic import write_text
from wnsense.checks import require
from wnsense.figures.large import save
from wnsense.figures.paper import paper_picture
from wnsense.figures.paper_caption import caption
from wnsense.running.tables import Table, read_table
from wnsense.studies.paper.running import Store


def written(store: Store) -> Table:
    """A study's table as it lies there, whoever made it and with whatever versions.

    Raises:
        InputError: When it is missing, damaged, or of another study.
    """
    command = f"wnsense study run {store.study.name} --scale {store.scale}"
    require(store.table.exists(), f"the table {store.table}", "none there", f"make it with {command}")
    table = read_table(store.table)
    for name in ("format", "name", "scale"):
        needed = store.belongs()[name]
        require(table.header.get(name) == needed, f"{name} {needed} in {store.table}", table.header.get(name))
    return table


def publish(store: Store, table: Table) -> list[Path]:
    """Write picture and caption; returns their files."""
    save(paper_picture(table), store.picture)
    write_text(store.caption, caption(table))
    return [store.picture, store.caption]
