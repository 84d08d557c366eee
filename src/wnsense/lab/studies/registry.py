"""Names of all studies, each with the folder that holds it. A new study adds one line here.

This module imports nothing, so that the command line can list the names at once; `lookup` imports the studies.
"""

from collections.abc import Mapping

STUDY_FOLDERS: Mapping[str, str] = {
    "figure-1": "learning",
    "figure-4": "images",
    "figure-2a": "curves",
    "figure-2b": "curves",
    "figure-2c": "curves",
    "figure-3a": "curves",
    "figure-3b": "curves",
    "beyond-condition": "curves",
    "beyond-rank": "curves",
    "beyond-ensembles": "curves",
    "beyond-kinds": "curves",
    "beyond-cone": "curves",
    "table-1": "rates",
    "exponents": "exponents",
    "samples": "samples",
    "diagonal-recovery": "diagonal.recovery",
    "diagonal-trajectories": "diagonal.trajectories",
    "diagonal-bound": "diagonal.bound",
    "diagonal-ratio": "diagonal.ratio",
    "diagonal-speed": "diagonal.speed",
    "networks-training": "networks.training",
    "networks-curvature": "networks.curvature",
    "networks-generalization": "networks.generalization",
    "networks-minimum-norm": "networks.minimum_norm",
    "networks-activations": "networks.activations",
    "networks-rates": "networks.rates",
}
