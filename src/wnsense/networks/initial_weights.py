"""Where training begins: uniform, or by the data; and row lengths, which are free to choose."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils.hooks import RemovableHandle

from wnsense.checks import require, size_text
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
        InputError: When the row norm is not positive, or out of the dtype's range.
    """
    _require_positive("row norm", row_norm)
    for columns in {architecture.inputs, architecture.width if architecture.depth > 1 else architecture.inputs}:
        _check_lengths(f"rows of {columns} entries", torch.tensor([row_norm], dtype=torch.float64), dtype, columns)
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
        InputError: When no layer fits, one is not reached by the batch, or what one says to it is constant or not
            finite. Whatever is raised, the model is then as it was.
    """
    layers = _normalized(model)
    for layer in layers:
        _check_startable(layer)
    standardizers = [_Standardizer(layer, generator) for layer in layers]
    handles: list[RemovableHandle] = []
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad(), _kept_if_it_fails(layers):
        try:
            handles += [of.layer.module.register_forward_pre_hook(of, with_kwargs=True) for of in standardizers]
            model.eval()
            model(inputs)
        finally:
            for handle in handles:
                handle.remove()
            # One by one: a model in training may hold modules that are not.
            for module, was_training in modes:
                module.training = was_training
        missed = ", ".join(repr(of.layer.name) for of in standardizers if not of.is_done)
        advice = "give a batch that does, or start a part of the model"
        require(not missed, "a batch that passes through every weight-normalized layer", f"none in {missed}", advice)


@torch.no_grad()
def rescale_rows(model: nn.Module, factor: float | Float[Tensor, " rows"]) -> None:
    """Multiply the rows of v in all weight-normalized layers: f stays, gradients by v are divided by the factor.

    Args:
        model: Any model.
        factor: Positive; one for all, or one for each row where layers have equally many.

    Raises:
        InputError: When no layer is weight-normalized, the factor is not positive, has not one number for each row of
            a layer, or makes rows longer or shorter than the layer's numbers can tell. The model is then as it was.
    """
    layers = _normalized(model)
    exact = torch.as_tensor(factor, dtype=torch.float64)
    require(exact.numel() > 0 and (exact > 0).all(), "a positive factor", _span(exact))
    for layer in layers:
        lengths = _exact_lengths(layer)
        fits = exact.dim() == 0 or exact.shape == lengths.shape
        advice = "rescale layers of other sizes one by one, or all by one number"
        require(
            fits, f"one factor, or {len(lengths)}, one for each row of {layer.name!r}", size_text(exact.shape), advice
        )
        # By the factor as the layer will take it.
        _check_layer(layer, lengths * exact.to(layer.direction).double())
    for layer in layers:
        layer.direction.mul_(_along_rows(layer, exact.to(layer.direction)))


@torch.no_grad()
def set_row_norms(model: nn.Module, row_norm: float) -> None:
    """Give all rows of v in all weight-normalized layers one length, in the norm that divides them: f stays.

    Args:
        model: Any model.
        row_norm: Positive.

    Raises:
        InputError: When no layer is weight-normalized, a row has no length to begin with, or the new one is not
            positive or not within what the layer's numbers can tell. The model is then as it was.
    """
    layers = _normalized(model)
    _require_positive("row norm", row_norm)
    for layer in layers:
        lengths = _exact_lengths(layer)
        bad = int((~(torch.isfinite(lengths) & (lengths > 0))).sum())
        advice = "it has no direction to keep; draw it anew"
        require(bad == 0, f"rows of a length above 0 in {layer.name!r}", f"{bad} without", advice)
        _check_layer(layer, torch.full_like(lengths, row_norm))
    for layer in layers:
        # In double precision, since the quotient of two lengths in range may itself be out of it.
        factor = _along_rows(layer, row_norm / _exact_lengths(layer))
        layer.direction.copy_(layer.direction.double() * factor)


class _Standardizer:
    """A hook: sets a layer's v, g and b by what comes in, before the layer speaks."""

    def __init__(self, layer: NormalizedLayer, generator: torch.Generator | None) -> None:
        self.layer = layer
        self.generator = generator
        self.is_done = False

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        # A layer that a model uses twice is started by its first use.
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
        # The layer itself, without the hooks that are on it.
        deviation, mean = _spread(layer, module.forward(*arguments, **named))
        layer.length.copy_((1 / deviation).reshape(layer.length.shape))
        bias.copy_(-mean / deviation)
        _refresh(layer)


def _spread(layer: NormalizedLayer, t: Tensor) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """Deviation and mean of what each row says, where both make sense."""
    rows = layer.direction.shape[0]
    each = t.numel() // rows
    require(each >= 2, f"at least 2 samples or places at {layer.name!r}", each, "take a larger batch")
    channel = _channel(layer.module, t)
    deviation, mean = torch.std_mean(t, dim=[d for d in range(t.dim()) if d != channel])
    broken = int((~(torch.isfinite(deviation) & torch.isfinite(mean))).sum())
    advice = "see to the batch, and to the weights that it passes"
    require(broken == 0, f"finite numbers from {layer.name!r}", f"NaN or infinity from {broken} of {rows} rows", advice)
    kind = torch.finfo(t.dtype)
    # Less than this is rounding: g would multiply nothing else, and b take away all digits.
    constant = int((deviation <= (4 * kind.eps * mean.abs()).clamp_min(kind.tiny)).sum())
    needed = f"a batch to which every row of {layer.name!r} says more than one thing"
    require(constant == 0, needed, f"one that leaves {constant} constant", "take more or other inputs")
    return deviation, mean


@contextmanager
def _kept_if_it_fails(layers: tuple[NormalizedLayer, ...]) -> Iterator[None]:
    """Put the layers' numbers back if anything is raised."""
    numbers = [(part, part.clone()) for of in layers for part in (of.direction, of.length, _bias(of))]
    try:
        yield
    except BaseException:
        for part, before in numbers:
            part.copy_(before)
        for layer in layers:
            _refresh(layer)
        raise


def _bias(layer: NormalizedLayer) -> Tensor:
    return layer.module.get_parameter("bias")


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
    name, kind = repr(layer.name), parametrize.type_before_parametrizations(layer.module).__name__
    known = isinstance(layer.module, (nn.Linear, *_CONVOLUTIONS))
    advice = "start the model in another way"
    require(known, f"a linear layer or a convolution at {name}", kind, advice)
    require(layer.dim == 0, f"{name} normalized by rows, dim=0", f"{kind} with dim={layer.dim}", advice)
    rows = layer.direction.shape[0]
    came = f"{layer.length.numel()}"
    require(layer.length.numel() == rows, f"{rows} lengths in {name}, one a row", came, "L1Norm has but one")
    has_bias = getattr(layer.module, "bias", None) is not None
    require(has_bias, f"a bias in {name}", "none", "make it with bias=True")


def _normalized(model: nn.Module) -> tuple[NormalizedLayer, ...]:
    layers = normalized_layers(model)
    require(layers, "a weight-normalized layer", "a model without one", "see normalized_layers(model)")
    return layers


def _exact_lengths(layer: NormalizedLayer) -> Float[Tensor, " rows"]:
    """||v_i|| in double precision, where squares of what single precision holds neither vanish nor overflow."""
    lengths: Tensor = torch.linalg.vector_norm(layer.rows.detach(), ord=layer.order, dim=1, dtype=torch.float64)
    return lengths


def _check_layer(layer: NormalizedLayer, lengths: Float[Tensor, " rows"]) -> None:
    _check_lengths(f"rows of {layer.name!r}", lengths, layer.direction.dtype, layer.rows.shape[1])


def _check_lengths(rows: str, lengths: Float[Tensor, " rows"], dtype: torch.dtype, columns: int) -> None:
    """Refuse lengths at which entries, or sums of their squares, overflow or lose digits."""
    # Squares of half precision are summed in single.
    own, summed = torch.finfo(dtype), torch.finfo(torch.promote_types(dtype, torch.float32))
    # What vanishes below the smallest number is then less than rounding.
    least = math.sqrt(columns) * max(own.tiny, math.sqrt(summed.tiny / summed.eps))
    most = min(own.max, math.sqrt(summed.max)) / 2
    fits = (lengths >= least) & (lengths <= most)
    kind = str(dtype).removeprefix("torch.")
    require(fits.all(), f"{rows} with lengths from {least:.1e} to {most:.1e} in {kind}", _span(lengths[~fits]))


def _span(values: Tensor) -> str:
    """The ends of what came, or the one number that it is."""
    if values.numel() == 0:
        return "none"
    least, most = float(values.min()), float(values.max())
    return f"{least:.3g}" if least == most or math.isnan(least) else f"{least:.3g} to {most:.3g}"


def _require_positive(name: str, value: float) -> None:
    require(math.isfinite(value) and value > 0, f"a positive {name}", value)


def _along_rows(layer: NormalizedLayer, factor: Tensor) -> Tensor:
    """A factor for each row, or one for all, shaped to multiply v."""
    if layer.dim is None or factor.dim() == 0:
        return factor.reshape(()) if factor.numel() == 1 else factor
    shape = [1] * layer.direction.dim()
    shape[layer.dim] = -1
    return factor.reshape(shape)


def _symmetric_uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
