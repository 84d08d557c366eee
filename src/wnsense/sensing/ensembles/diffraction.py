"""Coded diffraction patterns: intensities of the Fourier transforms of a masked image."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require, require_finite
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.ensembles.mask_law import MaskLaw
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual
from wnsense.sensing.space import Space
from wnsense.sensing.tensor_fields import require_tensors

# Numbers that are transformed at once: many small images, or one column of a large one. The allocator returns arrays
# above 32 MiB to the system each time; to allocate them again costs as much as a fifth of an FFT.
_BLOCK_NUMBERS = {"cpu": 2**20}
_BLOCK_NUMBERS_ELSEWHERE = 2**26
# Intensities are formed in blocks that stay in a processor's cache.
_CACHED_NUMBERS = {"cpu": 2**16}
# Pixels from which on a compiled pass pays for its loading.
_COMPILED_PIXELS = 2**16


@dataclass(frozen=True)
class CodedDiffractionSensing(Operator):
    """Intensities `y_{l,k} = scale |F(d_l * x)|^2_k` behind masks `d_l`, for `Z = x x^H` and its linear extension.

    `F` is the unitary discrete Fourier transform of the image's dimensions. `M_{l,k} = scale a a^H` with
    `a = conj(d_l) * conj(f_k)`, where `f_k` is the k-th row of `F`; for real kinds `M` is its real part. Rows are
    ordered mask by mask. A gradient takes L forward and L inverse transforms of each column, mask by mask: memory O(m
    r) beside y. If the dual is no `RowDual`, all transforms are stored until all intensities are computed: memory
    O(L m r).

    Let the masks have i.i.d. entries with `E d = E d^2 = 0`, `nu = E |d|^2` and `mu = E |d|^4`. With scale 1

        E M*M(Z) = (L / m) (nu^2 Z + nu^2 Tr(Z) I + (mu - 2 nu^2) diag(Z)).

    Each `y_{l,k} Z_pq` term is `E conj(d_p) d_q d_s conj(d_t) / m` where `t - s = q - p`. It vanishes unless `s = p` or
    `s = t`. For admissible masks the first two terms remain. Phases (`mu = nu^2`) measure nothing of the diagonal but
    the trace. Real masks have `E d^2 = nu`. That doubles the real part of entries p, q with `2 (p - q) = 0` modulo the
    sides: only the diagonal if all sides are odd.

    Attributes:
        masks: Masks `d_l`, (L, *image), real or complex.
        space: Space of the unknown: hermitian for complex images, psd or symmetric for real ones, with any masks.
        scale: Factor of the intensities.
        second_moment: See `Operator`; known for drawn masks of an admissible law.
    """

    masks: Inexact[Tensor, "count ..."]
    space: Space
    scale: float = 1.0
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the masks against the space."""
        require_tensors("CodedDiffractionSensing.from_masks", self.space, self.masks)
        masks = self.masks
        require(self.kind.is_symmetric, "a symmetric kind for diffraction patterns", str(self.kind))
        require(math.isfinite(self.scale) and self.scale > 0, "a positive scale", self.scale)
        pixels = math.prod(masks.shape[1:])
        require(pixels == self.shape[0], f"masks of {self.shape[0]} pixels", pixels)
        if masks.device.type != "meta":
            require_finite("the masks", masks)
            require(bool((masks != 0).any()), "masks that let something through", "zeros alone")

    @classmethod
    def from_masks(cls, masks: NumbersLike, kind: str = "hermitian", scale: float = 1.0) -> "CodedDiffractionSensing":
        """Measure behind given masks, (L, *image), in their precision.

        Raises:
            InputError: If there is no mask or no pixel, the masks are zero or not finite, the kind is rectangular, or
                the scale is not positive.
        """
        given = floating_tensor("the masks", masks)
        require(given.dim() >= 2 and given.numel() > 0, "at least one mask of at least one pixel", tuple(given.shape))
        kind, real = Kind(kind), given.dtype.to_real()
        dtype = real.to_complex() if kind is Kind.HERMITIAN else real
        return cls(given, Space.from_size(math.prod(given.shape[1:]), kind, dtype, given.device), scale)

    @classmethod
    def draw(
        cls,
        count: int,
        image_shape: int | tuple[int, ...],
        *,
        law: MaskLaw | str = MaskLaw.OCTANARY,
        kind: str = "hermitian",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "CodedDiffractionSensing":
        """Draw masks, scaled so that `E M*M(Z) = Z + Tr(Z) I` if the masks are admissible.

        That law is exact for octanary masks, and for ternary ones if all sides are odd.

        Args:
            count: Number L of masks; n is L m.
            image_shape: Sides of the image; m is their product.
            law: Law of the entries of the masks.
            kind: hermitian for complex images, psd or symmetric for real ones.
            generator: Source of randomness.
            dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.
            device: Device of the data.

        Raises:
            InputError: If there is no mask or no pixel, or the kind is rectangular.
        """
        law = MaskLaw(law)
        sides = (image_shape,) if isinstance(image_shape, int) else image_shape
        require(count >= 1 and len(sides) >= 1, "at least one mask and one side", f"{count} and {sides}")
        require(min(sides) >= 1, "sides of at least 1", sides)
        space = Space.from_size(math.prod(sides), kind, dtype, device)
        masks = law.draw((count, *sides), generator=generator, dtype=space.real_dtype).to(space.device)
        clean = law is MaskLaw.OCTANARY or (law is MaskLaw.TERNARY and all(side % 2 for side in sides))
        scale = math.sqrt(math.prod(sides) / count) / law.power
        return cls(masks, space, scale, (1.0, 1.0) if clean else None)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Sides of the image."""
        return tuple(self.masks.shape[1:])

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `||a||^2` of the pixels `a^H Z a`; of real unknowns the real part of `a a^H` counts.

        Its squared norm is `(||a||^4 + |a^T a|^2) / 2`. `a^T a` is a transform of the squared mask, at twice the
        frequency.
        """
        traces = self.traces()
        if self.is_complex:
            return traces
        squares = torch.fft.fftn(self.masks.square(), dim=list(range(1, self.masks.dim())))
        for axis, side in enumerate(self.image_shape, start=1):
            squares = squares.index_select(axis, torch.arange(0, 2 * side, 2, device=self.device) % side)
        overlaps = squares.flatten().abs() * (self.scale / self.shape[0])
        norms: Tensor = ((traces.square() + overlaps.square()) / 2).sqrt()
        return norms

    def traces(self) -> Float[Tensor, " n"]:
        """Return `scale sum |d_l|^2 / m`, equal for all pixels behind one mask."""
        m = self.shape[0]
        power = self.masks.abs().square().flatten(1).sum(-1) * (self.scale / m)
        return power.repeat_interleave(m)

    @cached_property
    def count(self) -> int:
        """Number of pixels of all patterns."""
        return self.masks.numel()

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        X = self._columns(point.X)
        y = self._unmeasured(X)
        for masks, W in self._patterns(X):
            self._see(y[:, masks], W, point.Theta)
        return y.reshape(*point.batch, self.count)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        columns = self._columns(V)
        weights, back = v.reshape(len(columns), *self.masks.shape), torch.zeros_like(columns)
        for masks, W in self._patterns(columns):
            self._weigh(W, weights[:, masks])
            self._collect(back, masks, W)
        return self._rows(back, V)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        """Transform each pattern back at once if rows are independent, or after all intensities otherwise."""
        X = self._columns(point.X)
        y, back = self._unmeasured(X), torch.zeros_like(X[:, :width])
        if isinstance(dual, RowDual):
            weight = dual.weight.reshape(self.masks.shape)
            target = None if dual.target is None else dual.target.reshape(self.masks.shape)
            for masks, W in self._patterns(X):
                self._see(y[:, masks], W, point.Theta, weight[masks], None if target is None else target[masks])
                self._collect(back, masks, W)
        else:
            patterns = []
            for masks, W in self._patterns(X):
                self._see(y[:, masks], W, point.Theta)
                patterns.append((masks, list(W)))
            v = dual(y.reshape(*point.batch, self.count)).reshape(y.shape)
            while patterns:
                masks, W = patterns.pop()
                self._weigh(W, v[:, masks])
                self._collect(back, masks, W)
        return PulledBack(y.reshape(*point.batch, self.count), self._rows(back, point.X))

    def _columns(self, A: Tensor) -> Tensor:
        """Return factors as images, (points, k, *image), in the dtype of the transforms."""
        dtype = torch.promote_types(self.dtype, self.masks.dtype)
        columns = A.new_empty((math.prod(A.shape[:-2]), A.shape[-1], self.shape[0]), dtype=dtype)
        # Turned and converted in one pass.
        columns.copy_(A.mT.reshape(columns.shape))
        return columns.reshape(*columns.shape[:2], *self.image_shape)

    def _rows(self, images: Tensor, like: Tensor) -> Tensor:
        """Return images as factors, the inverse of `_columns`, scaled like the measurements."""
        images = images.real if images.is_complex() and not self.is_complex else images
        return (self.scale * images).reshape(*like.shape[:-2], images.shape[1], self.shape[0]).mT

    def _unmeasured(self, columns: Tensor) -> Tensor:
        return columns.new_empty((len(columns), *self.masks.shape), dtype=self.real_dtype)

    def _patterns(self, columns: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
        """Yield `F (d_l * x)` of some masks at a time, as groups of columns, each (points, k, l, *image).

        One list serves all: arrays are replaced one by one, so that the next array takes over the memory of the last.
        """
        points, k, m = len(columns), columns.shape[1], self.shape[0]
        limit = _BLOCK_NUMBERS.get(columns.device.type, _BLOCK_NUMBERS_ELSEWHERE)
        groups = torch.split(columns, max(1, limit // (points * m)), dim=1)
        step = max(1, limit // max(1, points * k * m))
        W: list[Tensor] = []
        for start in range(0, len(self.masks), step):
            block = slice(start, min(start + step, len(self.masks)))
            masks = self.masks[block].to(columns.dtype)
            for index, group in enumerate(groups):
                W[index : index + 1] = [torch.fft.fftn(masks * group.unsqueeze(2), dim=self._sides, norm="ortho")]
            yield block, W

    def _see(
        self, y: Tensor, W: list[Tensor], Theta: Tensor, weight: Tensor | None = None, target: Tensor | None = None
    ) -> None:
        """Write `scale Re w^H Theta^T w` to y, w over the columns, and then `w <- weight (y - target) w`.

        The shape of y is (points, l, *image). Pixels are taken in blocks that stay in a processor's cache.
        """
        points, pixels = len(y), y[0].numel()
        Theta = self.scale * Theta.reshape(points, *Theta.shape[-2:])
        weight, target = (None if values is None else values.reshape(-1) for values in (weight, target))
        if y.device.type == "cpu" and pixels >= _COMPILED_PIXELS and find_spec("numba") is not None:
            _see_compiled(y.view(points, pixels), W, Theta, weight, target)
            return
        groups = [group.reshape(points, group.shape[1], pixels) for group in W]
        intensities = y.new_empty((points, pixels))
        numbers = max(1, points * Theta.shape[-1])
        step = max(1, _CACHED_NUMBERS.get(y.device.type, pixels * numbers) // numbers)
        for start in range(0, pixels, step):
            block = slice(start, start + step)
            parts = [group[..., block] for group in groups]
            w = torch.cat(parts, dim=1)
            reals = torch.view_as_real(w)
            if Theta.is_complex():
                turned = torch.view_as_real(Theta.mT @ w)
            else:
                turned = (Theta.mT @ reals.flatten(2)).reshape(reals.shape)
            both = turned.mul_(reals).sum(1)
            torch.add(both[..., 0], both[..., 1], out=intensities[:, block])
            if weight is not None:
                v = weight[block] * (intensities[:, block] if target is None else intensities[:, block] - target[block])
                # Converted once; a real factor of complex numbers would be converted again for each column.
                v = v.unsqueeze(1).to(w.dtype)
                for part in parts:
                    part.mul_(v)
        y.copy_(intensities.reshape(y.shape))

    def _weigh(self, W: list[Tensor], v: Tensor) -> None:
        """Multiply w by v pixel by pixel."""
        # Converted once; a real factor of a complex array would be converted again for each column.
        weights = v.unsqueeze(1).to(W[0].dtype)
        for group in W:
            group.mul_(weights)

    def _collect(self, back: Tensor, block: slice, W: list[Tensor]) -> None:
        """Add `sum_l conj(d_l) * F^H W_l` to the images of the first columns."""
        masks = self.masks[block].to(back.dtype).conj().resolve_conj()
        for images, group in zip(torch.split(back, W[0].shape[1], dim=1), W, strict=False):
            patterns = torch.fft.ifftn(group[:, : images.shape[1]], dim=self._sides, norm="ortho")
            patterns = patterns if back.is_complex() else patterns.real
            for index, mask in enumerate(masks):
                images.addcmul_(mask, patterns[:, :, index])

    @property
    def _sides(self) -> tuple[int, ...]:
        return tuple(range(1 - self.masks.dim(), 0))


def _see_compiled(y: Tensor, W: list[Tensor], Theta: Tensor, weight: Tensor | None, target: Tensor | None) -> None:
    """Write the intensities and weigh the patterns for y, (points, pixels), with Numba, in one pass."""
    from wnsense.sensing.ensembles.diffraction_kernels import observe

    for point in range(len(y)):
        columns = [torch.view_as_real(column).view(-1).numpy() for group in W for column in group[point]]
        observe(
            columns,
            Theta[point].resolve_conj().numpy(),
            y[point].numpy(),
            weight=None if weight is None else weight.numpy(),
            target=None if target is None else target.numpy(),
            threads=torch.get_num_threads(),
        )
