"""The one loop that runs a solver: `solve`, with its stops, traces, checkpoints and statuses.

| group | names |
|---|---|
| loop | `solve`, `Result` |
| when it ends | `Stop`, `Status`, `Progress` |
| what it records | `Trace`, `Columns` |
| what it keeps on disk | `Checkpoint` |
"""

from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Trace

__all__ = ["Checkpoint", "Columns", "Progress", "Result", "Status", "Stop", "Trace", "solve"]
