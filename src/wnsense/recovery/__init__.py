"""recover(): a low-rank matrix from measurements, with nothing else given; and what it returns."""

from wnsense.recovery.driver import recover
from wnsense.recovery.result import Recovery

__all__ = ["Recovery", "recover"]
