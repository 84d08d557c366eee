"""Sizes of the study."""

from itertools import product

from wnsense.lab.studies.diagonal.sparse_drawing import GAUSSIAN_MAP, Rates, SparseDrawing
from wnsense.lab.studies.diagonal.speed.specification import LayersPart, RatePart, SpeedPart
from wnsense.lab.studies.diagonal.step_grid import GridPart, RateFamily, geometric_values
from wnsense.lab.studies.frame.parts import NumberedSpecification

_DEPTHS = (2, 3, 4)
_LAYER_SIZES = ((3, 5, 4), (4, 6, 4), (3, 5, 4, 3), (4, 4, 4, 4), (3, 4, 5, 4, 3))
_LAYER_RATIOS: Rates = (None, 10.0, 1.0, 0.1)


def _speed_parts(
    problems: tuple[SparseDrawing, ...],
    depths: tuple[int, ...],
    scales: tuple[float, ...],
    lengths: tuple[float, ...],
    steps: int,
) -> tuple[GridPart, ...]:
    families = ((RateFamily.PLAIN, (1.0,)), (RateFamily.CONSTANT, (1.0, 0.3, 0.1)))
    return tuple(
        GridPart(problem, depth, scale, family, ratios, lengths, 1e-3, steps)
        for depth, scale, problem, (family, ratios) in product(depths, scales, problems, families)
    )


SPEED: NumberedSpecification[SpeedPart] = NumberedSpecification(
    "diagonal-speed",
    "Speed: steps for an error, and rates at the end beside their predictions",
    "Weight normalization converges faster than gradient descent. For L = 2 the loss falls at least like 1/t; on "
    "multi-layer linear models (ICML 2023) exponentially, at a rate that imbalance and the product's least singular "
    "value bound from below.",
    quick=(
        *_speed_parts((SparseDrawing(20, 50, 2, 0),), (2,), (1e-2, 0.1), geometric_values(1e-2, 0.3, 4), 500),
        *(
            RatePart(SparseDrawing(5, 10, 2, seed), depth, 0.3, ratio, 1e-7)
            for depth, seed, ratio in product((2, 3), (0, 1), (None, 1.0))
        ),
        *(LayersPart(sizes, 0.2, 0, (None, 1.0)) for sizes in ((3, 4, 3), (3, 3, 3, 3))),
    ),
    paper=(
        *_speed_parts(
            tuple(SparseDrawing(60, 200, 5, seed) for seed in range(2)),
            _DEPTHS,
            (1e-3, 1e-2, 0.1),
            geometric_values(3e-3, 0.3, 7),
            20_000,
        ),
        *(
            RatePart(SparseDrawing(15, 30, 2, seed), depth, scale, ratio, 1e-7)
            for depth, scale, ratio, seed in product(_DEPTHS, (0.1, 0.3), (None, 1.0, 0.1), range(3))
        ),
        *(
            LayersPart(sizes, spread, seed, _LAYER_RATIOS)
            for sizes, spread, seed in product(_LAYER_SIZES, (0.1, 0.3), range(2))
        ),
    ),
    choices=(
        f"steps: N = 200, M = 60, s = 5, two problems (quick: 50, 20, 2, one). {GAUSSIAN_MAP}; alpha from 0.001 to 0.1",
        "each method has the constant step, of 0.003 to 0.3, that never raises the loss and is first at residual 1e-3",
        "rates: flows at N = 30, M = 15, s = 2, over the last decade down to a relative residual of 1e-7",
        "multi-layer models: 2 to 4 layers that begin near parts of an identity, singular values of the target 1 to 2",
    ),
)
