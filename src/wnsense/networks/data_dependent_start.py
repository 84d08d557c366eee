"""Start of any weight-normalized model by a first batch (arXiv 1602.07868)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils.hooks import RemovableHandle

from wnsense.checks import require
from wnsense.linalg import Rng
from wnsense.networks.layers import NormalizedLayer, require_normalized_layers
from wnsense.networks.module_state import ModuleModes

# Standard deviation of the entries of `v` in arXiv 1602.07868.
DIRECTION_DEVIATION = 0.05
# Convolutions with the number of their spatial dimensions.
_CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def data_dependent_start(model: nn.Module, inputs: Tensor, generator: Rng = None) -> None:
    """Start a model so that the outputs of each weight-normalized layer have mean 0 and variance 1 on a batch.

    First `v ~ N(0, 0.05^2)` is drawn. Then the batch passes through the layers one after the other. With
    `t = <v, x> / ||v||`, each layer gets `g = 1 / std(t)` and `b = -mean(t) / std(t)`. Mean and deviation are over the
    batch and, for convolutions, over places (arXiv 1602.07868).

    Args:
        model: Any model with weight-normalized linear or convolutional layers that have a bias and one length for
            each row; changed in place.
        inputs: First batch.
        generator: CPU generator of `v`; without one `v` is not changed.

    Raises:
        InputError: If no layer fits, the batch does not reach a layer, or the outputs of one are constant or not
            finite. After any exception the model is unchanged.
    """
    layers = require_normalized_layers(model)
    for layer in layers:
        _check_startable(layer)
    standardizers = [_Standardizer(layer, generator) for layer in layers]
    handles: list[RemovableHandle] = []
    modes = ModuleModes.of(model)
    with torch.no_grad(), _undone_on_failure(layers):
        try:
            handles += [
                standardizer.layer.module.register_forward_pre_hook(standardizer, with_kwargs=True)
                for standardizer in standardizers
            ]
            model.eval()
            model(inputs)
        finally:
            for handle in handles:
                handle.remove()
            modes.restore()
        missed = ", ".join(repr(standardizer.layer.name) for standardizer in standardizers if not standardizer.is_done)
        advice = "give a batch that does, or start a part of the model"
        require(not missed, "a batch that passes through every weight-normalized layer", f"none in {missed}", advice)


class _Standardizer:
    """Forward pre-hook that sets `v`, `g` and `b` of a layer by its inputs."""

    def __init__(self, layer: NormalizedLayer, generator: Rng) -> None:
        self.layer = layer
        self.generator = generator
        self.is_done = False

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        # If a model uses a layer twice, the first use starts it.
        if self.is_done:
            return
        self.is_done = True
        layer = self.layer
        if self.generator is not None:
            drawn = torch.randn(layer.direction.shape, generator=self.generator, dtype=torch.float64)
            layer.direction.copy_(DIRECTION_DEVIATION * drawn)
        bias = _bias(layer)
        layer.length.fill_(1.0)
        bias.zero_()
        _refresh(layer)
        # `forward` and not the module itself, whose hooks would run.
        deviation, mean = _spread(layer, module.forward(*arguments, **named))
        layer.length.copy_((1 / deviation).reshape(layer.length.shape))
        bias.copy_(-mean / deviation)
        _refresh(layer)


def _spread(layer: NormalizedLayer, t: Tensor) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """Return standard deviation and mean of the outputs of each row, and refuse those that are constant."""
    rows = layer.direction.shape[0]
    each = t.numel() // rows
    require(each >= 2, f"at least 2 samples or places at {layer.name!r}", each, "take a larger batch")
    channel = _channel(layer.module, t)
    deviation, mean = torch.std_mean(t, dim=[d for d in range(t.dim()) if d != channel])
    broken = int((~(torch.isfinite(deviation) & torch.isfinite(mean))).sum())
    advice = "check the batch, and the weights that it passes"
    require(broken == 0, f"finite numbers from {layer.name!r}", f"NaN or infinity from {broken} of {rows} rows", advice)
    limits = torch.finfo(t.dtype)
    # A smaller deviation is rounding: `g` would multiply rounding, and `b` would cancel all digits.
    constant = int((deviation <= (4 * limits.eps * mean.abs()).clamp_min(limits.tiny)).sum())
    needed = f"a batch with more than one value from every row of {layer.name!r}"
    require(constant == 0, needed, f"one that leaves {constant} constant", "take more or other inputs")
    return deviation, mean


@contextmanager
def _undone_on_failure(layers: tuple[NormalizedLayer, ...]) -> Iterator[None]:
    """Restore the layers' numbers if an exception is raised."""
    numbers = [(tensor, tensor.clone()) for layer in layers for tensor in (layer.direction, layer.length, _bias(layer))]
    try:
        yield
    except BaseException:
        for tensor, before in numbers:
            tensor.copy_(before)
        for layer in layers:
            _refresh(layer)
        raise


def _bias(layer: NormalizedLayer) -> Tensor:
    return layer.module.get_parameter("bias")


def _refresh(layer: NormalizedLayer) -> None:
    """Compute the weight again in layers with torch's older hooks; parametrizations compute it at each use."""
    for hook in vars(layer.module)["_forward_pre_hooks"].values():
        if isinstance(hook, WeightNorm):
            hook(layer.module, ())


def _channel(module: nn.Module, outputs: Tensor) -> int:
    """Return the dimension of a layer's outputs that counts the rows of `v`."""
    if isinstance(module, nn.Linear):
        return outputs.dim() - 1
    # (channels, places) or (batch, channels, places).
    spatial = next(places for kind, places in _CONVOLUTIONS.items() if isinstance(module, kind))
    return outputs.dim() - spatial - 1


def _check_startable(layer: NormalizedLayer) -> None:
    name, kind = repr(layer.name), parametrize.type_before_parametrizations(layer.module).__name__
    is_linear = isinstance(layer.module, (nn.Linear, *_CONVOLUTIONS))
    advice = "start the model in another way"
    require(is_linear, f"a linear layer or a convolution at {name}", kind, advice)
    require(layer.dim == 0, f"{name} normalized by rows, dim=0", f"{kind} with dim={layer.dim}", advice)
    rows = layer.direction.shape[0]
    came = f"{layer.length.numel()}"
    require(layer.length.numel() == rows, f"{rows} lengths in {name}, one a row", came, "L1Norm has but one")
    has_bias = getattr(layer.module, "bias", None) is not None
    require(has_bias, f"a bias in {name}", "none", "make it with bias=True")
