"""One recovery as one self-contained page."""

from wnsense.running.tables import Table


def recovery_page(table: Table) -> str:
    """The page as HTML."""
    return f"<!doctype html><title>{table.header['status']}</title>"
