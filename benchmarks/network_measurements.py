"""Cost of measuring a network (Hessian spectra, probes) beside the cost of an epoch of training.

`python benchmarks/network_measurements.py [--width 1024] [--depth 8] [--samples 128] [--threads 1] [--quick] [--write]`.
"""

import time

import torch
from common import arguments, show
from torch.nn import functional

from wnsense import networks
from wnsense.networks.measuring.measurement import measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings

# Name, samples of an epoch and pixels of the paper's data sets.
DATA = (("MNIST", 60_000, 784), ("CIFAR-10", 50_000, 3072))
BATCH = 512
LEARNING_RATE = 1e-3


def synthetic(count: int, pixels: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw inputs of standardized pixels and one-hot targets; costs do not depend on the images."""
    x = torch.randn(count, pixels, generator=rng)
    return x, functional.one_hot(torch.arange(count) % 10, 10).float()


def step_seconds(network: networks.Network, x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """Return the processor seconds of a training step, the mean without the first."""
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    spent = 0.0
    for step in range(steps + 1):
        begun = time.process_time()
        optimizer.zero_grad()
        functional.mse_loss(network(x), y).backward()
        optimizer.step()
        spent += (time.process_time() - begun) if step else 0.0
    return spent / steps


def main() -> None:
    """Measure networks of both scalings with the default measurement and a smaller one, and print the table."""
    sizes = (("width", 1024), ("depth", 8), ("samples", 128), ("threads", 1), ("steps", 3))
    options = arguments(__doc__ or "", *sizes, quick={"width": 16, "depth": 2, "samples": 4, "steps": 1})
    torch.set_num_threads(options.threads)
    kinds = {
        "curvature of the loss alone": MeasurementSettings(output_samples=0, directions=0),
        "all (the default)": MeasurementSettings(),
    }
    rows: list[list[object]] = [
        ["inputs", "s", "measured", "samples", "products", "processor s", "steps", "of an epoch", "top eigenvalue"]
    ]
    for name, count, pixels in DATA:
        for scaling in networks.Scaling:
            rng = torch.Generator().manual_seed(0)
            architecture = networks.Architecture(pixels, options.width, options.depth, 10, scaling=scaling)
            network = networks.uniform_network(architecture, rng)
            x, y = synthetic(BATCH, pixels, rng)
            step = step_seconds(network, x, y, options.steps)
            epoch = step * -(-count // BATCH)
            rows.append(
                [name, scaling, "a step of training", BATCH, "", f"{step:.2f}", 1, f"{100 * step / epoch:.1f} %", ""]
            )
            for words, settings in kinds.items():
                begun = time.process_time()
                measured = measure(network, x[: options.samples], y[: options.samples], settings=settings)
                spent = time.process_time() - begun
                top = f"{measured.loss_curvature:.3g} +- {measured.loss_curvature_error:.0e}"
                shape = [name, scaling, words, options.samples, measured.products]
                rows.append([*shape, f"{spent:.1f}", f"{spent / step:.1f}", f"{100 * spent / epoch:.0f} %", top])
    title = f"Measurements at width {options.width}, depth {options.depth}, float32, beside an epoch of SGD"
    show("network_measurements", title, rows, write=options.write)


if __name__ == "__main__":
    main()
