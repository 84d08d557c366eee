"""Where training begins: uniform, or by the data; and row lengths, which are free to choose."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils.hooks import RemovableHandle

from wnsense.checks import InputError, require
from wnsense.networks.layers import NormalizedLayer, normalized_layers, parameter_matrix
from wnsense.networks.network import Architecture, Network

# That of torch's own uniform start of `nn.Linear`, in the root mean square, whatever the width.
TORCH_ROW_NORM = 1 / math.sqrt(3)
# Of arXiv 1602.07868.
DIRECTION_DEVIATION = 0.05
# With how many dimensions their places have.
_CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def uniform_network(
    architecture: Architecture,
    generator: torch.Generator,
    *,
    row_norm: float = TORCH_ROW_NORM,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Network:
    """A network at a uniform start: entries of W on (-b, b), rows of V on the sphere ||v_0|| = 1.

    b = row_norm sqrt(3 / columns), so that rows of W have the given length in the root mean square; 1 / sqrt(3) is
    torch's own start. Numbers are drawn on the CPU, and in double precision, so that neither the device nor the dtype
    changes them by more than rounding.

    Args:
        architecture: What to build.
        generator: A CPU generator.
        row_norm: Of rows of W, positive.
        dtype: Of the parameters.
        device: Where they shall live.

    Raises:
        InputError: When the row norm is not positive.
    """
    require(row_norm > 0, "a positive row norm", row_norm)
    network = Network(architecture, dtype=dtype)
    with torch.no_grad():
        for layer in network.hidden:
            W = parameter_matrix(layer)
            W.copy_(row_norm * math.sqrt(3 / W.shape[1]) * _symmetric_uniform(W.shape, generator))
        v = _symmetric_uniform(network.output.weight.shape, generator)
        network.output.weight.copy_(v / torch.linalg.vector_norm(v, dim=1, keepdim=True))
        network.output_start.copy_(network.output.weight)
    return network.to(device)


def data_dependent_start(model: nn.Module, inputs: Tensor, generator: torch.Generator | None = None) -> None:
    """Start a model so that what each weight-normalized layer says to a batch has mean 0 and variance 1.

    v ~ N(0, 0.05^2), then, layer after layer as the batch passes, g = 1 / std(t) and b = -mean(t) / std(t) with
    t = <v, x> / ||v||, over the batch and, for convolutions, over places (arXiv 1602.07868).

    Args:
        model: Any model with weight-normalized linear or convolutional layers that have a bias and a length for each
            row; changed in place.
        inputs: A first batch.
        generator: For v, a CPU generator; v is left as it is without one.

    Raises:
        InputError: When no layer fits, or what one says to the batch is constant.
    """
    layers = normalized_layers(model)
    require(layers, "a weight-normalized layer", "a model without one", "see normalized_layers(model)")
    for layer in layers:
        _check_startable(layer)
    handles: list[RemovableHandle] = []
    was_training = model.training
    try:
        handles += [layer.module.register_forward_pre_hook(_Standardizer(layer, generator)) for layer in layers]
        model.eval()
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)


@torch.no_grad()
def rescale_rows(model: nn.Module, factor: float | Float[Tensor, " rows"]) -> None:
    """Multiply the rows of v in all weight-normalized layers: f stays, gradients by v are divided by the factor.

    Args:
        model: Any model.
        factor: Positive; one for all, or one for each row where layers have equally many.

    Raises:
        InputError: When no layer is weight-normalized or the factor is not positive.
    """
    layers = normalized_layers(model)
    require(layers, "a weight-normalized layer", "a model without one", "see normalized_layers(model)")
    for layer in layers:
        c = torch.as_tensor(factor, dtype=layer.direction.dtype, device=layer.direction.device)
        require((c > 0).all(), "a positive factor", float(c.min()))
        layer.direction.mul_(_along_rows(layer, c))


@torch.no_grad()
def set_row_norms(model: nn.Module, row_norm: float) -> None:
    """Give all rows of v in all weight-normalized layers one length, in the norm that divides them: f stays.

    Args:
        model: Any model.
        row_norm: Positive.

    Raises:
        InputError: When no layer is weight-normalized or the length is not positive.
    """
    layers = normalized_layers(model)
    require(layers, "a weight-normalized layer", "a model without one", "see normalized_layers(model)")
    require(row_norm > 0, "a positive row norm", row_norm)
    for layer in layers:
        layer.direction.mul_(_along_rows(layer, row_norm / layer.row_norms))


class _Standardizer:
    """A hook: sets a layer's v, g and b by what comes in, before the layer speaks."""

    def __init__(self, layer: NormalizedLayer, generator: torch.Generator | None) -> None:
        self.layer = layer
        self.generator = generator
        self.is_done = False

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        # A layer that a model uses twice is started by its first use.
        if self.is_done:
            return
        self.is_done = True
        layer = self.layer
        if self.generator is not None:
            drawn = torch.randn(layer.direction.shape, generator=self.generator, dtype=torch.float64)
            layer.direction.copy_(DIRECTION_DEVIATION * drawn)
        bias = module.get_parameter("bias")
        layer.length.fill_(1.0)
        bias.zero_()
        _refresh(layer)
        # The layer itself, without the hooks that are on it.
        t = module.forward(*arguments)
        along = [d for d in range(t.dim()) if d != _channel(module, t)]
        deviation, mean = torch.std_mean(t, dim=along)
        if bool((deviation == 0).any()):
            raise InputError(
                f"needed a batch to which every row of {layer.name} says more than one thing, got one that leaves "
                f"{int((deviation == 0).sum())} constant; take more or other inputs"
            )
        layer.length.copy_((1 / deviation).reshape(layer.length.shape))
        bias.copy_(-mean / deviation)
        _refresh(layer)


def _refresh(layer: NormalizedLayer) -> None:
    """Bring a weight that hooks of the older kind keep up to date; a parametrization computes its own."""
    for hook in vars(layer.module)["_forward_pre_hooks"].values():
        if isinstance(hook, WeightNorm):
            hook(layer.module, ())


def _channel(module: nn.Module, outputs: Tensor) -> int:
    """The dimension of a layer's outputs that counts rows of v."""
    if isinstance(module, nn.Linear):
        return outputs.dim() - 1
    # (channels, places) or (batch, channels, places).
    spatial = next(places for kind, places in _CONVOLUTIONS.items() if isinstance(module, kind))
    return outputs.dim() - spatial - 1


def _check_startable(layer: NormalizedLayer) -> None:
    known = isinstance(layer.module, (nn.Linear, *_CONVOLUTIONS))
    advice = "normalize with dim=0, or start the model in another way"
    require(known and layer.dim == 0, f"{layer.name} linear or a convolution, by rows", layer.module, advice)
    rows = layer.direction.shape[0]
    came = f"{layer.length.numel()}"
    require(layer.length.numel() == rows, f"{rows} lengths in {layer.name}, one a row", came, "L1Norm has but one")
    require(
        getattr(layer.module, "bias", None) is not None, f"a bias in {layer.name}", "none", "make it with bias=True"
    )


def _along_rows(layer: NormalizedLayer, factor: Tensor) -> Tensor:
    """A factor for each row, or one for all, shaped to multiply v."""
    if layer.dim is None or factor.dim() == 0:
        return factor.reshape(()) if factor.numel() == 1 else factor
    shape = [1] * layer.direction.dim()
    shape[layer.dim] = -1
    return factor.reshape(shape)


def _symmetric_uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
