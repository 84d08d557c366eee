"""Recovery of a low-rank matrix of unknown rank from linear measurements.

| to do | names |
|---|---|
| recover with nothing to set | `recover`, `Recovery` |
| recover where some measurements are grossly wrong | `recover_robustly`, `RobustRecovery` |
"""

from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.recovery.robust import RobustRecovery, recover_robustly

__all__ = ["Recovery", "RobustRecovery", "recover", "recover_robustly"]
