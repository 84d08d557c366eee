"""Sizes of the study."""

from wnsense.lab.studies.diagonal.sparse_drawing import GAUSSIAN_MAP, SparseDrawing
from wnsense.lab.studies.diagonal.trajectories.specification import TrajectoryPart
from wnsense.lab.studies.frame.parts import NumberedSpecification

_DEPTHS = (2, 3, 4)
# Scales alpha by depth, at which r_0 is below r_inf.
_FLOW_SCALES = {2: 0.05, 3: 0.12, 4: 0.2}
_PROBLEM = SparseDrawing(15, 30, 2, 0, 1.7)

TRAJECTORIES = NumberedSpecification(
    "diagonal-trajectories",
    "Coordinates, radius, magnification and invariants along the flow",
    "Along the flow with weight normalization a function of u and r changes within the range of A^T only, so that its "
    "limit is that of plain flow from a start divided by rho; rho > 1 makes a large start act like a small one.",
    quick=tuple(
        TrajectoryPart(_PROBLEM, depth, _FLOW_SCALES[depth], ratio, 1e8) for depth in (2, 3) for ratio in (None, 0.3)
    ),
    paper=tuple(
        TrajectoryPart(_PROBLEM, depth, _FLOW_SCALES[depth], ratio, 1e8)
        for depth in _DEPTHS
        for ratio in (None, 10.0, 1.0, 0.3, 0.1)
    ),
    choices=(
        f"N = 30, M = 15, s = 2, the truth scaled to a least l1 norm of 1.7. {GAUSSIAN_MAP}",
        "alpha = 0.05, 0.12 and 0.2 for L = 2, 3 and 4; time is that of the flow with eta_u = 1, up to 1e8",
        "Radau's method with a tolerance of 1e-10 in logarithms; it has no access to the invariants",
    ),
)
