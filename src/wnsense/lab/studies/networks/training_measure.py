"""One training of a study with its measurements at the start, at each epoch and at the end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from wnsense.lab.studies.networks.design import build_network, trainable_parameters
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.networks.data.labelled_images import Samples, batches
from wnsense.networks.layers import Normalization, parameter_matrix
from wnsense.networks.measuring.measurement import Measurement, measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.surface import LossSurface, measurement_mode
from wnsense.networks.network import Network
from wnsense.networks.row_norms import rescale_rows, row_norm_range, set_row_norms
from wnsense.networks.training.plan import CheckpointPlan, TrainingPlan
from wnsense.networks.training.train import train
from wnsense.networks.training.training_result import Ending, Training
from wnsense.running.trace import Columns
from wnsense.theory.networks import gradient_bound, rademacher_bound, row_gain, signal_bound

# Offset between the seeds of the order of images and those of starts.
_ORDER_SEED = 7_000_000
_TEST_BATCH = 1000
_SAVE_EVERY = 20.0
_PER_EPOCH = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "ratio", "shortest", "longest")
# Of `Measurement`, at the start and at the end.
_AT_ENDS = (
    "loss_curvature",
    "least_curvature",
    "output_curvature",
    "output_slope",
    "convexity_here",
    "convexity_away",
    "convexity_estimate",
    "gradient_to_loss",
    "loss",
)


@dataclass(frozen=True)
class _RatioProbe:
    """Measurement at each epoch on the same images."""

    inputs: Tensor
    targets: Tensor

    def __call__(self, model: nn.Module, _before: Float[Tensor, " p"] | None) -> Mapping[str, float]:
        """Return `||grad L||^2 / L`, NaN if the loss is zero or not finite, and the shortest and longest rows."""
        with measurement_mode(model):
            surface = LossSurface(model, functional.mse_loss, self.inputs, self.targets).derivatives()
        loss, slope = float(surface.value), float(torch.linalg.vector_norm(surface.gradient))
        shortest, longest = row_norm_range(model)
        ratio = slope**2 / loss if loss > 0 and math.isfinite(slope) else math.nan
        return {"ratio": ratio, "shortest": shortest, "longest": longest}


def measure_training(part: TrainingPart, samples: Samples, checkpoint: Path) -> Mapping[str, np.ndarray]:
    """Train the network of a part.

    Args:
        part: Specification of the part.
        samples: Images of the part.
        checkpoint: File of the checkpoints; a training of two phases has none.

    Returns:
        Arrays with a number for each epoch, the start included, NaN after a divergence: `train_loss`, `test_loss`,
        `train_accuracy`, `test_accuracy`, `ratio` (`||grad L||^2 / L` on the probes), `shortest` and `longest` row.
        Arrays of two numbers, at the start and at the end: those of `Measurement`, `rademacher`, `largest_output` (a
        bound on `|f|`) and `slope_bound`. Those of `Measurement` are NaN at the end of a run that diverged. Arrays of
        one number: `learning_rate`, `diverged`, and, if rows are rescaled, `moved_output` (the largest change of `f`
        over the largest `|f|`), `gradient_fall` and `ratio_fall` (before over after).

    Raises:
        KeyboardInterrupt: If interrupted.
    """
    model = build_network(part.design, part.seed, _features(samples))
    if part.row_norm is not None:
        set_row_norms(model, part.row_norm)
    x, y = samples.train[: part.probes]
    settings = MeasurementSettings(
        steps=24, tolerance=0.02, output_samples=2, cosine=part.cosine, distance=part.distance, directions=4
    )
    start = measure(model, x, y, settings=settings)
    rate = part.learning_rate / start.loss_curvature if part.relative else part.learning_rate
    begun = _bounds(model, samples)
    training, symmetry = _run(part, model, samples, _RatioProbe(x, y), rate=rate, checkpoint=checkpoint)
    diverged = training.ending is Ending.DIVERGED
    end = None if diverged or not _finite(model) else measure(model, x, y, settings=settings)
    ends = {name: _pair(start, end, name) for name in _AT_ENDS}
    ended = _bounds(model, samples) if end is not None else dict.fromkeys(begun, math.nan)
    return {
        **{name: _padded(training.records[name], part.epochs + 1) for name in _PER_EPOCH},
        **ends,
        **{name: np.array([begun[name], ended[name]]) for name in begun},
        "learning_rate": np.array([rate]),
        "diverged": np.array([float(diverged)]),
        **{name: np.array([value]) for name, value in symmetry.items()},
    }


def _run(
    part: TrainingPart, model: Network, samples: Samples, probe: _RatioProbe, *, rate: float, checkpoint: Path
) -> tuple[Training, Mapping[str, float]]:
    """Run all epochs, in two phases if rows are rescaled between them; both ways have the same order of images."""
    optimizer = torch.optim.SGD(trainable_parameters(model), lr=rate)
    data = batches(samples.train, part.batch, torch.Generator().manual_seed(_ORDER_SEED + part.seed))
    test = batches(samples.test, _TEST_BATCH)
    if part.rescale_at == 0:
        kept = CheckpointPlan(checkpoint, resume=checkpoint.exists(), every_seconds=_SAVE_EVERY)
        plan = TrainingPlan(part.epochs, measure=probe)
        return _ended(train(model, optimizer, data, plan, test=test, checkpoint=kept)), {}
    first = _ended(train(model, optimizer, data, TrainingPlan(part.rescale_at, measure=probe), test=test))
    if first.ending is Ending.DIVERGED:
        return first, {}
    symmetry = _rescale(model, probe, part.rescale_by)
    second = _ended(
        train(model, optimizer, data, TrainingPlan(part.epochs - part.rescale_at, measure=probe), test=test)
    )
    # The first record of the second phase replaces the last one of the first; they differ by the rescaling only.
    joined = {name: np.concatenate([first.records[name][:-1], second.records[name]]) for name in second.records}
    return replace(second, records=Columns(joined)), symmetry


def _rescale(model: Network, probe: _RatioProbe, factor: float) -> dict[str, float]:
    """Multiply all rows, and return the changes of `f` and of its gradient by `W`."""
    before, slopes = _outputs_and_slopes(model, probe)
    ratio = probe(model, None)["ratio"]
    rescale_rows(model, factor)
    after, others = _outputs_and_slopes(model, probe)
    return {
        "moved_output": float((after - before).abs().max() / before.abs().max()),
        "gradient_fall": float(torch.linalg.vector_norm(slopes) / torch.linalg.vector_norm(others)),
        "ratio_fall": ratio / probe(model, None)["ratio"],
    }


def _outputs_and_slopes(model: Network, probe: _RatioProbe) -> tuple[Tensor, Tensor]:
    """Return the outputs, and the gradient of the loss by all `W`."""
    outputs = model(probe.inputs)
    loss = functional.mse_loss(outputs, probe.targets)
    slopes = torch.autograd.grad(loss, [parameter_matrix(layer) for layer in model.layers])
    return outputs.detach(), torch.cat([slope.reshape(-1) for slope in slopes])


def _bounds(model: Network, samples: Samples) -> dict[str, float]:
    """Return the bounds of theory for the class with the norms of the network, for the longest input."""
    architecture = model.architecture
    x = samples.train.tensors[0]
    longest = float(torch.linalg.vector_norm(x, dim=1).max())
    rows = model.row_norms()
    normalized = architecture.normalization is Normalization.WEIGHT
    lengths = [1.0 if normalized else float(row.max()) for row in rows]
    gains = [row_gain(architecture.width, length, architecture.scale) for length in lengths]
    v = float(torch.linalg.vector_norm(model.output.weight.detach(), dim=1).max())
    complexity = rademacher_bound(
        gains=gains, samples=len(x), input_norm=longest, output_norm=v, lipschitz=architecture.activation.lipschitz
    )
    stack = model.stack(longest)
    return {
        "rademacher": complexity,
        "largest_output": v * signal_bound(stack),
        "slope_bound": gradient_bound(stack),
    }


def _ended(training: Training) -> Training:
    if training.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return training


def _finite(model: nn.Module) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def _features(samples: Samples) -> int:
    return int(_inputs(samples.train).shape[1])


def _inputs(dataset: TensorDataset) -> Tensor:
    return dataset.tensors[0]


def _pair(start: Measurement, end: Measurement | None, name: str) -> np.ndarray:
    return np.array([start.row()[name], math.nan if end is None else end.row()[name]])


def _padded(column: np.ndarray, length: int) -> np.ndarray:
    out = np.full(length, np.nan)
    out[: len(column)] = column
    return out
