"""Tables of studies that the repository stores, and the source distribution does not."""

from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "studies" / "results"

needs_results = pytest.mark.skipif(
    not RESULTS.is_dir(), reason="studies/results is in the repository only, not in the source distribution"
)
