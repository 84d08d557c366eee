"""The command line: parses options, calls the library, and reports to a person."""

from wnsense.cli.app import main

__all__ = ["main"]
