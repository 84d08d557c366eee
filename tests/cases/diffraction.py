"""Coded diffraction patterns and Fourier entries for the shared list, with transforms written out as matrices."""

import cmath
import itertools
import math

import torch
from torch import Tensor

from cases.draws import normal
from cases.flavors import ALL_FLAVORS, QUADRATIC
from cases.orders import Made, OperatorCase, Order
from cases.transforms import SMALL_SETTINGS, drawn_size, entry_matrices
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.mask_law import MaskLaw
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing

# n is the number of masks times that of pixels.
PATTERN_SETTINGS = ((3, (1, 1), torch.float64), (30, (6, 6), torch.float64), (15, (5, 5), torch.float32))


def fourier_matrix(m: int) -> Tensor:
    """The unitary discrete Fourier transform."""
    F = torch.empty((m, m), dtype=torch.complex128)
    for k in range(m):
        for j in range(m):
            F[k, j] = cmath.exp(-2j * math.pi * k * j / m) / math.sqrt(m)
    return F


def pattern_matrices(operator: CodedDiffractionSensing) -> Tensor:
    """Scale a a^H with conj(a_j) = d_l[j] exp(-2 pi i k.j) / sqrt(m), pixel by pixel."""
    sides, m = operator.image_shape, operator.shape[0]
    pixels = list(itertools.product(*(range(side) for side in sides)))
    M = []
    for mask in operator.masks:
        for k in pixels:
            a = torch.zeros(m, dtype=torch.complex128)
            for index, j in enumerate(pixels):
                turn = sum(k_i * j_i / side for k_i, j_i, side in zip(k, j, sides, strict=True))
                a[index] = (complex(mask[j]) * cmath.exp(-2j * math.pi * turn) / math.sqrt(m)).conjugate()
            M.append(operator.scale * torch.outer(a, a.conj()))
    stacked = torch.stack(M)
    return stacked.to(operator.dtype) if operator.is_complex else stacked.real.to(operator.dtype)


def drawn_patterns(order: Order, law: MaskLaw, image_shape: tuple[int, ...]) -> Made:
    masks = order.count // order.shape[0]
    operator = CodedDiffractionSensing.draw(masks, image_shape, law=law, **order.drawn())
    return operator, pattern_matrices(operator)


def make_octanary(order: Order) -> Made:
    m = order.shape[0]
    return drawn_patterns(order, MaskLaw.OCTANARY, (2, m // 2) if m % 2 == 0 else (m,))


def make_ternary(order: Order) -> Made:
    return drawn_patterns(order, MaskLaw.TERNARY, (order.shape[0],))


def make_phases(order: Order) -> Made:
    return drawn_patterns(order, MaskLaw.PHASES, (order.shape[0],))


def make_user_masks(order: Order) -> Made:
    m = order.shape[0]
    masks = normal(order.count // m, m, 1, dtype=order.real_dtype.to_complex(), rng=order.rng)
    operator = CodedDiffractionSensing.from_masks(masks, order.flavor.kind)
    return operator, pattern_matrices(operator)


def make_partial_fourier(order: Order) -> Made:
    operator = PartialFourierSensing.draw(order.count, drawn_size(order), **order.drawn())
    left, right = (fourier_matrix(m) for m in operator.shape)
    return operator, entry_matrices(operator, left, right, operator.imaginary)


def make_frequencies(order: Order) -> Made:
    """fft2 as it is: sum_{jl} exp(-2 pi i (p j / m1 + q l / m2)) Z_jl / sqrt(m1 m2)."""
    m1, m2 = order.shape
    k = max(1, order.count // 2)
    frequencies = torch.stack([torch.randint(-m, m, (k,), generator=order.rng) for m in (m1, m2)], dim=1)
    size = drawn_size(order)
    operator = PartialFourierSensing.from_frequencies(frequencies, size, kind=order.flavor.kind, dtype=order.dtype)
    F1, F2 = fourier_matrix(m1), fourier_matrix(m2)
    real = torch.stack([torch.outer(F1[p % m1], F2[q % m2]).conj() for p, q in frequencies.tolist()])
    M = torch.cat([real, 1j * real])
    M = (M + M.mH) / 2 if order.flavor.kind.is_symmetric else M
    return operator, M.to(order.dtype) if order.flavor.is_complex else M.real.to(order.dtype)


EVEN_SETTINGS = ((2, (1, 1), torch.float64), (14, (5, 7), torch.float64), (8, (4, 6), torch.float32))

DIFFRACTION = [
    OperatorCase("cdp-octanary", QUADRATIC, make_octanary, independent=False, settings=PATTERN_SETTINGS),
    OperatorCase("cdp-ternary", QUADRATIC, make_ternary, independent=False, settings=PATTERN_SETTINGS),
    OperatorCase("cdp-phases", QUADRATIC, make_phases, independent=False, settings=PATTERN_SETTINGS),
    OperatorCase("cdp-user-masks", QUADRATIC, make_user_masks, independent=False, settings=PATTERN_SETTINGS),
    OperatorCase("partial-fourier", ALL_FLAVORS, make_partial_fourier, independent=False, settings=SMALL_SETTINGS),
    OperatorCase("fourier-frequencies", ALL_FLAVORS, make_frequencies, independent=False, settings=EVEN_SETTINGS),
]
