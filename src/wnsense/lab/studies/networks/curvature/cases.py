"""Values of the study of curvature."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from wnsense.lab.studies.networks.shared_settings import JPEG, NETWORK, SCALINGS, SEEDS, SMALL_UNIT, TWIN, UNIT
from wnsense.lab.studies.networks.specification import CurvaturePart, Design, NetworkSpecification, Part, Sampling
from wnsense.networks.network import Scaling


def _curvature_parts(
    sampling: Sampling, centre: Design, seeds: Sequence[int], sweeps: Sequence[Sequence[float]]
) -> tuple[Part, ...]:
    """Widths, depths and row lengths, each with the others at the centre; a network of two sweeps is measured once."""
    widths, depths, lengths = sweeps
    designs: list[Design] = []
    for scaling, normalized in product(SCALINGS, (True, False)):
        at = replace(centre, scaling=scaling, normalized=normalized)
        designs += [replace(at, width=int(width)) for width in widths]
        designs += [replace(at, depth=int(depth)) for depth in depths]
        if normalized:
            designs += [replace(at, row_norm=length) for length in lengths]
        if scaling is Scaling.ONE:
            designs += [replace(at, depth=int(depth), row_norm=2.0) for depth in depths]
    return tuple(CurvaturePart(sampling, design, seed) for design, seed in product(dict.fromkeys(designs), seeds))


CURVATURE = NetworkSpecification(
    "networks-curvature",
    "Hessians of outputs and of the loss at the start, against width, depth and the length of rows",
    "||grad^2 f|| <= c_H / sqrt(m) with c_H = O(L^3 / min(W_min, W_min^2)): no exponential in depth under weight "
    "normalization, and curvature that falls with width.",
    quick=_curvature_parts(SMALL_UNIT, Design(24, 2), (0, 1), ((8, 24, 48, 96), (1, 2, 4), (0.5, 1.0, 2.0, 4.0))),
    paper=_curvature_parts(
        UNIT,
        Design(256, 2),
        SEEDS,
        ((64, 256, 1024, 4096), (1, 2, 4, 8, 16), (0.25, 0.5, 1.0, 2.0, 4.0)),
    ),
    choices=(
        (
            "widths 64 to 4,096 at 2 hidden layers, depths 1 to 16 and rows of length 0.25 to 4 at width 256, "
            "rows of length 1/sqrt(3) (torch's start) elsewhere, 3 seeds (quick: widths to 96, depths to 4, digits, 2 "
            "seeds)"
        ),
        (
            "||grad^2 f|| is the mean over 2 images, one output each; the loss is that of 32 images; "
            "inputs of norm 1; single precision, double for s = 1/sqrt(m) beyond 2 layers"
        ),
        f"{NETWORK}; both s = 1, torch's, and s = 1/sqrt(m), which theory asks for; {TWIN}",
        "depths also with rows of length 2 and s = 1, where networks without WN let signals grow",
        (
            "powers by least squares of logarithms for each seed, Student's 95% intervals over seeds; a published "
            "power is that of an upper bound: it is broken where the interval lies above it"
        ),
        JPEG,
    ),
)
