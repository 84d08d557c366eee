"""Intensities of Fourier transforms: coded diffraction patterns; and entries of the Fourier transform of a matrix."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Complex, Float, Inexact, Shaped
from torch import Tensor

from wnsense.checks import require, require_finite
from wnsense.sensing.dense import require_complex_agrees, square_shape
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual
from wnsense.sensing.transforms import TransformedEntrySensing

# Up to this many numbers are transformed at once: many small images, or one column of a large one. Arrays above 32 MiB
# are given back to the system by the allocator each time, and cost as much to touch again as a fifth of an FFT.
_BLOCK_NUMBERS = {"cpu": 2**20}
_BLOCK_NUMBERS_ELSEWHERE = 2**26
# Intensities are formed in blocks that stay in a processor's cache.
_CACHED_NUMBERS = {"cpu": 2**15}


class MaskLaw(StrEnum):
    """The distribution of the entries of random masks, i.i.d., of mean zero.

    OCTANARY and TERNARY are the admissible ones of Candes, Li and Soltanolkotabi (arXiv 1310.3240, 1407.1065):
    E |d|^4 = 2 (E |d|^2)^2, for complex and for real images. OCTANARY is b c with b uniform on {1, -1, i, -i} and
    c = sqrt(1/2) or sqrt(3) with probabilities 4/5 and 1/5; TERNARY is 1, 0, -1 with probabilities 1/4, 1/2, 1/4 and
    real; PHASES is uniform on the unit circle.
    """

    OCTANARY = "octanary"
    TERNARY = "ternary"
    PHASES = "phases"

    @property
    def power(self) -> float:
        """E |d|^2."""
        return 0.5 if self is MaskLaw.TERNARY else 1.0

    def draw(
        self, shape: tuple[int, ...], *, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Independent entries, complex unless ternary.

        Args:
            shape: (L, *image) of the masks.
            generator: The source of randomness.
            dtype: The real dtype of their precision.
        """
        device = generator.device if generator is not None else torch.device("cpu")

        def uniform() -> Tensor:
            return torch.rand(shape, generator=generator, dtype=torch.float64, device=device)

        if self is MaskLaw.TERNARY:
            drawn = uniform()
            return (drawn < 1 / 4).to(dtype) - (drawn >= 3 / 4).to(dtype)
        if self is MaskLaw.PHASES:
            return torch.polar(torch.ones(shape, dtype=torch.float64, device=device), 2 * math.pi * uniform()).to(
                dtype.to_complex()
            )
        quarter = torch.randint(4, shape, generator=generator, device=device)
        # Not by cosines, which are not exactly zero.
        b = torch.tensor([1, 1j, -1, -1j], dtype=torch.complex128, device=device)[quarter]
        large = uniform() < 1 / 5
        c = torch.full(shape, math.sqrt(0.5), dtype=torch.float64, device=device).masked_fill_(large, math.sqrt(3))
        return (b * c).to(dtype.to_complex())


@dataclass(frozen=True)
class CodedDiffractionSensing(Operator):
    """The intensities y_{l,k} = scale |F(d_l * x)|^2_k behind masks d_l, for Z = x x^H and its linear extension.

    F is the unitary discrete Fourier transform of the image's dimensions and M_{l,k} = scale a a^H with
    a = conj(d_l) * conj(f_k), f_k the k-th row of F; for real kinds M is its real part. Rows are ordered mask by
    mask. A gradient takes L forward and L inverse transforms of each column, mask by mask: memory O(m r).

    For masks of i.i.d. entries with E d = E d^2 = 0, nu = E |d|^2 and mu = E |d|^4, and scale 1 (each y_{l,k} Z_pq
    term is E conj(d_p) d_q d_s conj(d_t) / m where t - s = q - p, and only s = p and s = t do not vanish):

        E M*M(Z) = (L / m) (nu^2 Z + nu^2 Tr(Z) I + (mu - 2 nu^2) diag(Z)).

    Admissible masks leave the first two terms. Phases (mu = nu^2) see nothing of the diagonal but the trace. Real
    masks have E d^2 = nu, which doubles the real part of entries p, q with 2 (p - q) = 0 modulo the sides: none but
    the diagonal if all sides are odd.

    Attributes:
        masks: d_l, (L, *image), real or complex.
        kind: hermitian for complex images, psd or symmetric for real ones, whatever the masks are.
        scale: Of the intensities.
        second_moment: See `Operator`; known for drawn masks whose law is admissible.
    """

    masks: Inexact[Tensor, "count ..."]
    kind: Kind = Kind.HERMITIAN
    scale: float = 1.0
    second_moment: tuple[float, float] | None = None
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Read off sizes, and check that the masks let something through."""
        masks = self.masks
        require(masks.dim() >= 2 and masks.numel() > 0, "at least one mask of at least one pixel", tuple(masks.shape))
        require(self.kind.is_symmetric, "a symmetric kind for diffraction patterns", str(self.kind))
        require(math.isfinite(self.scale) and self.scale > 0, "a positive scale", self.scale)
        if masks.device.type != "meta":
            require_finite("the masks", masks)
            require(bool((masks != 0).any()), "masks that let something through", "zeros alone")
        m = math.prod(masks.shape[1:])
        real = masks.dtype.to_real()
        object.__setattr__(self, "shape", (m, m))
        object.__setattr__(self, "count", masks.shape[0] * m)
        object.__setattr__(self, "dtype", real.to_complex() if self.kind is Kind.HERMITIAN else real)
        object.__setattr__(self, "device", masks.device)

    @classmethod
    def draw(
        cls,
        count: int,
        image_shape: int | tuple[int, ...],
        *,
        law: MaskLaw | str = MaskLaw.OCTANARY,
        kind: Kind | str = Kind.HERMITIAN,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "CodedDiffractionSensing":
        """Draw masks, scaled so that E M*M(Z) = Z + Tr(Z) I where the masks are admissible.

        That law is exact for octanary masks, and for ternary ones where all sides are odd.

        Args:
            count: L, the number of masks; n is L m.
            image_shape: The sides of the image, m is their product.
            law: Of the entries of the masks.
            kind: hermitian for complex images, psd or symmetric for real ones.
            generator: The source of randomness.
            dtype: The dtype of the unknown, by default double precision, complex for kind hermitian.
            device: Where the data shall lie.

        Raises:
            InputError: When there is no mask or no pixel, or the kind is rectangular.
        """
        kind, law = Kind(kind), MaskLaw(law)
        sides = (image_shape,) if isinstance(image_shape, int) else image_shape
        require(count >= 1 and len(sides) >= 1, "at least one mask and one side", f"{count} and {sides}")
        require(min(sides) >= 1, "sides of at least 1", sides)
        dtype = dtype or kind.default_dtype()
        require_complex_agrees(kind, dtype)
        masks = law.draw((count, *sides), generator=generator, dtype=dtype.to_real()).to(device)
        clean = law is MaskLaw.OCTANARY or (law is MaskLaw.TERNARY and all(side % 2 for side in sides))
        scale = math.sqrt(math.prod(sides) / count) / law.power
        return cls(masks, kind, scale, (1.0, 1.0) if clean else None)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The sides of the image."""
        return tuple(self.masks.shape[1:])

    def traces(self) -> Float[Tensor, " n"]:
        """Scale sum |d_l|^2 / m, the same for all pixels behind one mask."""
        m = self.shape[0]
        power = self.masks.abs().square().flatten(1).sum(-1) * (self.scale / m)
        return power.repeat_interleave(m)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        X = self._columns(point.X)
        y = self._zeros(X)
        for masks, W in self._patterns(X):
            y[:, masks] = self._intensities(W, point.Theta)
        return y.reshape(*point.batch, self.count)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        V_columns = self._columns(V)
        back = torch.zeros_like(V_columns)
        weights = v.reshape(V_columns.shape[0], *self.masks.shape)
        for masks, W in self._patterns(V_columns):
            self._collect(back, masks, weights[:, masks], W)
        return self._rows(back, V)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        """Each pattern is transformed back as soon as it is there, or once all are where rows depend on each other."""
        X = self._columns(point.X)
        y, back = self._zeros(X), torch.zeros_like(X[:, :width])
        if isinstance(dual, RowDual):
            for masks, W in self._patterns(X):
                y[:, masks] = self._intensities(W, point.Theta)
                self._collect(back, masks, self._weighted(dual, masks, y[:, masks]), W[:, :width])
        else:
            kept = []
            for masks, W in self._patterns(X, keep=True):
                y[:, masks] = self._intensities(W, point.Theta)
                kept.append((masks, W))
            weights = dual(y.reshape(*point.batch, self.count)).reshape(y.shape)
            for masks, W in kept:
                self._collect(back, masks, weights[:, masks], W[:, :width])
        return PulledBack(y.reshape(*point.batch, self.count), self._rows(back, point.X))

    def _columns(self, A: Tensor) -> Tensor:
        """Factors as images, (points, k, *image), in the dtype of what is transformed."""
        dtype = torch.promote_types(self.dtype, self.masks.dtype)
        return A.mT.to(dtype).reshape(math.prod(A.shape[:-2]), A.shape[-1], *self.image_shape).contiguous()

    def _rows(self, images: Tensor, like: Tensor) -> Tensor:
        """The inverse of `_columns`, scaled as the measurements are."""
        images = images.real if images.is_complex() and not self.is_complex else images
        return (self.scale * images).reshape(*like.shape[:-2], images.shape[1], self.shape[0]).mT

    def _zeros(self, columns: Tensor) -> Tensor:
        return columns.new_empty((columns.shape[0], *self.masks.shape), dtype=self.real_dtype)

    def _patterns(self, columns: Tensor, *, keep: bool = False) -> Iterator[tuple[slice, Tensor]]:
        """F (d_l * x) of some masks at a time, (points, k, l, *image), in the same memory each time unless kept."""
        limit, numbers = numbers_at_once(columns), max(1, columns.numel())
        step = max(1, limit // numbers)
        W = columns.new_empty(0)
        for start in range(0, self.masks.shape[0], step):
            block = slice(start, min(start + step, self.masks.shape[0]))
            masks = self.masks[block].to(columns.dtype)
            if numbers <= limit:
                W = self._transform(masks * columns.unsqueeze(2))
            else:
                if keep or start == 0:
                    W = columns.new_empty((*columns.shape[:2], *masks.shape), dtype=columns.dtype.to_complex())
                for point, column in _pairs(columns):
                    W[point, column, 0] = self._transform(masks[0] * columns[point, column])
            yield block, W

    def _intensities(self, W: Tensor, Theta: Tensor) -> Tensor:
        """Scale Re w^H Theta^T w pixel by pixel, w over the columns: (points, l, *image)."""
        points, columns = W.shape[:2]
        Theta = Theta.reshape(points, columns, columns)
        w = torch.view_as_real(W).reshape(points, columns, -1, 2)
        y = w.new_empty((points, w.shape[2]))
        step = _CACHED_NUMBERS.get(W.device.type, w.shape[2])
        for start in range(0, w.shape[2], step):
            block = w[:, :, start : start + step]
            if Theta.is_complex():
                turned = torch.view_as_real(Theta.mT @ torch.view_as_complex(block))
            else:
                turned = torch.unflatten(Theta.mT @ block.flatten(2), 2, (-1, 2))
            both = turned.mul_(block).sum(1)
            y[:, start : start + step] = both[..., 0] + both[..., 1]
        return y.mul_(self.scale).reshape(points, *W.shape[2:])

    def _collect(self, back: Tensor, block: slice, v: Tensor, W: Tensor) -> None:
        """Add sum_l conj(d_l) * F^H (v_l * W_l) to the images; W is used up."""
        masks = self.masks[block].to(back.dtype).conj().resolve_conj()
        real = not back.is_complex()
        if W[:, :, 0].numel() <= numbers_at_once(W):
            images = self._transform_back(W * v.unsqueeze(1))
            back += (masks * (images.real if real else images)).sum(2)
            return
        for point, column in _pairs(back):
            image = self._transform_back(W[point, column, 0].mul_(v[point, 0].to(W.dtype)))
            back[point, column].addcmul_(masks[0], image.real if real else image)

    def _weighted(self, dual: RowDual, block: slice, y: Tensor) -> Tensor:
        """The dual of the rows behind some masks alone."""
        m = self.shape[0]
        rows = slice(block.start * m, block.stop * m)
        part = RowDual(dual.weight[rows], None if dual.target is None else dual.target[rows])
        return part(y.flatten(1)).reshape(y.shape)

    def _transform(self, images: Tensor) -> Tensor:
        W: Tensor = torch.fft.fftn(images, dim=self._sides, norm="ortho")
        return W

    def _transform_back(self, W: Tensor) -> Tensor:
        images: Tensor = torch.fft.ifftn(W, dim=self._sides, norm="ortho")
        return images

    @property
    def _sides(self) -> tuple[int, ...]:
        return tuple(range(1 - self.masks.dim(), 0))


class PartialFourierSensing(TransformedEntrySensing):
    """Real and imaginary parts of entries of F Z F^H, F the unitary discrete Fourier transforms of both sides.

    Its entry p, q is that of p, -q (modulo m2) of the two-dimensional transform F Z F^T. In this order it is Hermitian
    where Z is, and Z~[-p, -q] is the conjugate of Z~[p, q] where Z is real. There are no signs.
    """

    complex_transform: ClassVar[bool] = True

    @classmethod
    def from_frequencies(
        cls,
        frequencies: Shaped[Tensor, "k 2"],
        size: int | tuple[int, int],
        *,
        kind: Kind | str = Kind.RECTANGULAR,
        dtype: torch.dtype | None = None,
    ) -> "PartialFourierSensing":
        """Measure what `torch.fft.fft2(Z, norm="ortho")` has at given positions: k real parts, then k imaginary ones.

        Nothing is scaled; positions may be repeated. Imaginary parts that must vanish are rows of zeros.

        Args:
            frequencies: The positions as integers, (k, 2); negative ones count from the end.
            size: m, or (m1, m2).
            kind: What is known of the unknown.
            dtype: The dtype of the unknown, by default double precision, complex for kind hermitian.

        Raises:
            InputError: When a position lies outside, or is not an integer.
        """
        kind = Kind(kind)
        shape = square_shape(size, kind)
        dtype = dtype or kind.default_dtype()
        integral = not (frequencies.is_floating_point() or frequencies.is_complex())
        require(integral, "integers as positions", frequencies.dtype)
        require(len(frequencies) > 0, "at least one position", "none")
        sides = torch.tensor(shape, device=frequencies.device)
        outside = ((frequencies < -sides) | (frequencies >= sides)).any(-1)
        if bool(outside.any()):
            first = frequencies[outside][0].tolist()
            require(condition=False, needed=f"positions inside a {shape[0]} x {shape[1]} spectrum", came=tuple(first))
        rows = (frequencies[:, 0] % shape[0]).repeat(2)
        columns = (-frequencies[:, 1] % shape[1]).repeat(2)
        imaginary = torch.arange(len(rows), device=rows.device) >= len(frequencies)
        weights = torch.ones(len(rows), dtype=dtype.to_real(), device=rows.device)
        return cls(rows, columns, weights, shape, dtype, kind, imaginary)

    @classmethod
    def draw_signs(
        cls, shape: tuple[int, int], kind: Kind, generator: torch.Generator | None, dtype: torch.dtype
    ) -> tuple[None, None]:
        """None: entries of the Fourier transform as it is."""
        del shape, kind, generator, dtype
        return None, None

    def _transform(self, A: Inexact[Tensor, "*batch m"]) -> Complex[Tensor, "*batch m"]:
        W: Tensor = torch.fft.fft(A, norm="ortho")
        return W

    def _transform_back(self, A: Complex[Tensor, "*batch m"]) -> Complex[Tensor, "*batch m"]:
        W: Tensor = torch.fft.ifft(A, norm="ortho")
        return W


def numbers_at_once(A: Tensor) -> int:
    """How many numbers to transform at once where a tensor lies."""
    return _BLOCK_NUMBERS.get(A.device.type, _BLOCK_NUMBERS_ELSEWHERE)


def _pairs(columns: Tensor) -> Iterator[tuple[int, int]]:
    return itertools.product(range(columns.shape[0]), range(columns.shape[1]))
