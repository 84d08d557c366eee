"""What a study cost, as facts for its table."""

import platform
import resource
import sys
from importlib.metadata import version

import torch


def costs() -> dict[str, object]:
    """Peak memory of this process in GB, and the machine and versions that figures belong to."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "wnsense": version("wnsense"),
    }
