"""The command line: it parses, delegates to the library, and speaks to a person."""

from wnsense.cli.app import main

__all__ = ["main"]
