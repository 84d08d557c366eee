"""Memory, versions and machine of a computation, as facts for its table."""

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch


def costs() -> dict[str, object]:
    """Return the peak memory of this process in GB, the number of threads, and the versions."""
    return {
        "peak_memory_gb": peak_memory() / 1e9,
        "threads": torch.get_num_threads(),
        **versions(),
    }


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Return the versions of Python, torch and this package."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "wnsense": version("wnsense")}


def machine() -> str:
    """Return the name of the processor and its number of cores."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
