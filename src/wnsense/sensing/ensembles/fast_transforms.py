"""Fast orthonormal transforms along the last dimension: cosine and Walsh-Hadamard."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

# The Walsh-Hadamard transform multiplies by Hadamard matrices of up to 2^4 rows: fewer passes through memory than
# butterflies, fewer operations than larger matrices.
_HADAMARD_BITS = 4


def discrete_cosine(A: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch m"]:
    """Return the orthonormal DCT-II along the last dimension, of any length, by one FFT.

    It is `sqrt((2 - [k = 0]) / m) sum_j a_j cos(pi (j + 1/2) k / m)`; the algorithm is Makhoul's (IEEE ASSP 28, 1980).
    """
    m = A.shape[-1]
    folded = torch.cat([A[..., ::2], A[..., 1::2].flip(-1)], dim=-1)
    # The FFT of a real sequence has half the spectrum: its real part is coefficient k, minus its imaginary part m - k.
    half = torch.fft.rfft(folded) * _quarter_turns(m, A)
    C = torch.cat([half.real, -half.imag[..., 1 : (m + 1) // 2].flip(-1)], dim=-1) * math.sqrt(2 / m)
    C[..., 0] *= math.sqrt(0.5)
    return C


def inverse_discrete_cosine(C: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch m"]:
    """Return the inverse, and transpose, of `discrete_cosine`: the orthonormal DCT-III."""
    m = C.shape[-1]
    scaled = C * math.sqrt(m / 2)
    scaled[..., 0] *= math.sqrt(2)
    mirrored = torch.zeros_like(scaled[..., : m // 2 + 1])
    mirrored[..., 1:] = scaled[..., (m + 1) // 2 :].flip(-1)
    half = torch.complex(scaled[..., : m // 2 + 1], -mirrored) * _quarter_turns(m, C).conj()
    folded = torch.fft.irfft(half, n=m)
    A = torch.empty_like(folded)
    A[..., ::2] = folded[..., : (m + 1) // 2]
    A[..., 1::2] = folded[..., (m + 1) // 2 :].flip(-1)
    return A


def walsh_hadamard(A: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch m"]:
    """Return `sum_j (-1)^popcount(k & j) a_j` along the last dimension, whose length m is a power of two.

    It is `sqrt(m)` times an orthonormal transform, a Kronecker product of Hadamard matrices. One matrix for each group
    of bits is applied after the other.
    """
    m = A.shape[-1]
    bits, stride, out = m.bit_length() - 1, 1, A
    while bits > 0:
        step = min(_HADAMARD_BITS, bits)
        H = _hadamard_matrix(step, A)
        size = 1 << step
        # A product on the right is one large product instead of many tiny ones.
        out = out.reshape(-1, size) @ H if stride == 1 else H @ out.reshape(-1, size, stride)
        bits, stride = bits - step, stride * size
    return out.reshape(A.shape)


def is_power_of_two(number: int) -> bool:
    """Return True if a Walsh-Hadamard transform has this size."""
    return number >= 1 and number & (number - 1) == 0


def _quarter_turns(m: int, like: Tensor) -> Complex[Tensor, " half"]:
    """Return `exp(-i pi k / 2m)` for k = 0..m/2."""
    angles = torch.arange(m // 2 + 1, dtype=like.dtype, device=like.device) * (-math.pi / (2 * m))
    return torch.complex(angles.cos(), angles.sin())


def _hadamard_matrix(bits: int, like: Tensor) -> Float[Tensor, "size size"]:
    H = torch.ones((1, 1), dtype=like.dtype, device=like.device)
    for _ in range(bits):
        H = torch.cat([torch.cat([H, H], dim=1), torch.cat([H, -H], dim=1)])
    return H
