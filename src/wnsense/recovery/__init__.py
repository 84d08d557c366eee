"""recover(): a low-rank matrix from measurements, with nothing else given; and what it returns."""

from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.recovery.robust import RobustRecovery, recover_robustly

__all__ = ["Recovery", "RobustRecovery", "recover", "recover_robustly"]
