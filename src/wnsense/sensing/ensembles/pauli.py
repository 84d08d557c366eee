"""Measurements of quantum states by Pauli strings.

Qubits are counted from the left. The first qubit has the first letter of a string, the first factor of a Kronecker
product and the most significant bit of an index.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int, Int8
from torch import Tensor

from wnsense.checks import require, value_text
from wnsense.linalg import Dtype, Place, Rng, symmetric_part
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.fast_transforms import walsh_hadamard
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Space
from wnsense.sensing.tensor_fields import require_tensors

# Twice as many bits as qubits number the strings.
MOST_QUBITS = 31
# Numbers in a block of strings, and of the factors permuted for them.
_BLOCK_NUMBERS = {"cpu": 2**19}
_BLOCK_NUMBERS_ELSEWHERE = 2**26
# The lower half of each group of 2, 4, 8, 16 and 32 bits.
_BIT_GROUPS = (
    (1, 0x5555555555555555),
    (2, 0x3333333333333333),
    (4, 0x0F0F0F0F0F0F0F0F),
    (8, 0x00FF00FF00FF00FF),
    (16, 0x0000FFFF0000FFFF),
)


@dataclass(frozen=True)
class PauliSensing(Operator):
    """Expectation values `y_s = scale Tr(P_s Z)` for Pauli strings held as bit masks; kind hermitian.

    A string is `P = i^popcount(x & z) X^x Z^z`, with `(P v)_b = i^popcount(x & z) (-1)^popcount(z & c) v_c`,
    `c = b xor x`. For each x let `c_x[c] = sum_k conj(V[c xor x, k]) (V Theta)[c, k]`, a diagonal of `Z`. One
    Walsh-Hadamard transform of it gives the values of all z with this x:

        Tr(P_{x,z} Z) = i^popcount(x & z) sum_c (-1)^popcount(z & c) c_x[c].

    The sum is real if `popcount(x & z)` is even, and imaginary otherwise. The real transform of `Re c_x + Im c_x`
    therefore gives both. A measurement takes one transform of length 2^q for each x that occurs: `4^q (q + r)`
    operations for all strings.

    Attributes:
        x_masks: Mask `x` of each string, (n,), integers of q bits; in any order, repetitions allowed.
        z_masks: Mask `z` of each string, (n,).
        space: Space of the unknown, 2^q x 2^q, hermitian.
        scale: Factor of the expectation values.
        second_moment: See `Operator`; known for drawn strings only.
    """

    x_masks: Int[Tensor, " n"]
    z_masks: Int[Tensor, " n"]
    space: Space
    scale: float = 1.0
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the masks."""
        require_tensors("PauliSensing.from_strings", self.space, self.x_masks, self.z_masks)
        n, q = self.count, self.qubits
        require(n > 0, "at least one measurement", "none")
        require(self.kind is Kind.HERMITIAN, "kind hermitian for Pauli strings", str(self.kind))
        require(self.shape[0] == 1 << q, f"a side of 2^{q}", self.shape[0])
        require(1 <= q <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", q)
        require(self.z_masks.shape == (n,), f"z_masks beside {n} x_masks", self.z_masks.shape[0])
        require(math.isfinite(self.scale) and self.scale > 0, "a positive scale", self.scale)
        if self.x_masks.device.type != "meta":
            for name, masks in (("x_masks", self.x_masks), ("z_masks", self.z_masks)):
                low, high = int(masks.min()), int(masks.max())
                require(low >= 0 and high < 1 << q, f"{name} of {q} bits", f"{low} to {high}")

    @property
    def qubits(self) -> int:
        """Number `q` of qubits."""
        return self.shape[0].bit_length() - 1

    @cached_property
    def _groups(self) -> "_StringGroups":
        return _StringGroups.from_masks(self.x_masks, self.z_masks)

    @classmethod
    def from_strings(
        cls, strings: Sequence[str], *, scale: float = 1.0, dtype: torch.dtype = torch.complex128, device: Place = "cpu"
    ) -> "PauliSensing":
        """Take strings as text, `XIZY`: expectation values `Tr(P Z)` as they are.

        Raises:
            InputError: If there are none, their lengths differ, or a letter is none of I, X, Y, Z.
        """
        is_list = not isinstance(strings, str) and all(isinstance(string, str) for string in strings)
        require(is_list, "a list of Pauli strings", value_text(strings), "a string is text, as 'XIZY'")
        require(len(strings) > 0, "at least one Pauli string", "none")
        qubits = len(strings[0])
        x_masks, z_masks = [], []
        for place, string in enumerate(strings):
            require(len(string) == qubits, f"Pauli strings of {qubits} letters, as the first", f"{string!r} at {place}")
            wrong = set(string) - set("IXYZ")
            require(not wrong, "the letters I, X, Y, Z in a Pauli string", f"{string!r} at {place}")
            x_masks.append(int("0" + "".join("01"[letter in "XY"] for letter in string), 2))
            z_masks.append(int("0" + "".join("01"[letter in "YZ"] for letter in string), 2))
        require(1 <= qubits <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} letters in a Pauli string", qubits)
        space = _space_of_qubits(qubits, dtype, device)
        x, z = (torch.tensor(masks, device=space.device) for masks in (x_masks, z_masks))
        return cls(x, z, space, scale)

    @classmethod
    def complete(cls, qubits: int, *, dtype: torch.dtype = torch.complex128, device: Place = "cpu") -> "PauliSensing":
        """Return all 4^q strings, sorted by x and then by z, scaled so that `M*M(Z) = Z`."""
        space = _space_of_qubits(qubits, dtype, device)
        d = space.shape[0]
        masks = torch.arange(d, device=space.device)
        return cls(masks.repeat_interleave(d), masks.repeat(d), space, 1 / math.sqrt(d), second_moment=(1.0, 0.0))

    @classmethod
    def draw(
        cls,
        n: int,
        qubits: int,
        *,
        with_identity: bool = True,
        kind: str = "hermitian",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "PauliSensing":
        """Draw n strings without replacement, scaled so that `E M*M(Z) = Z`.

        The `P / sqrt(d)` are an orthonormal basis. Without the identity, whose value is the same for all states, the
        mean is `Z - Tr(Z) I / d`.

        Args:
            n: Number of strings.
            qubits: Number q of qubits.
            with_identity: True if the string of identities may be drawn.
            kind: hermitian.
            generator: Source of randomness.
            dtype: Dtype of the unknown; double precision by default.
            device: Device of the data.

        Raises:
            InputError: If there are fewer than n strings, or the kind is another.
        """
        require(Kind(kind) is Kind.HERMITIAN, "kind hermitian for Pauli strings", str(kind))
        space = _space_of_qubits(qubits, dtype, device)
        left_out = 0 if with_identity else 1
        d, strings = space.shape[0], space.dimension - left_out
        require(1 <= n <= strings, f"between 1 and {strings} Pauli strings, as many as there are", n)
        numbers = draw_distinct(n, strings, generator=generator).add_(left_out).to(space.device)
        scale = math.sqrt(strings / (n * d))
        return cls(numbers >> qubits, numbers & (d - 1), space, scale, (1.0, -left_out / d))

    @property
    def strings(self) -> list[str]:
        """Strings as text."""
        letters = ((self.x_masks.unsqueeze(-1) >> _places(self.x_masks, self.qubits)) & 1) + 2 * (
            (self.z_masks.unsqueeze(-1) >> _places(self.z_masks, self.qubits)) & 1
        )
        return ["".join("IXZY"[letter] for letter in row) for row in letters.tolist()]

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `2^(q/2) scale`, the norm of every string."""
        norm = self.scale * math.sqrt(self.shape[0])
        return torch.full((self.count,), norm, dtype=self.real_dtype, device=self.device)

    def traces(self) -> Float[Tensor, " n"]:
        """Return `2^q scale` for the identity, zero for every other string."""
        identity = (self.x_masks | self.z_masks) == 0
        return identity.to(self.real_dtype) * (self.scale * self.shape[0])

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PauliSensing":
        """Return the operator of some of the strings."""
        return replace(self, x_masks=self.x_masks[rows], z_masks=self.z_masks[rows], second_moment=None)

    @cached_property
    def count(self) -> int:
        """Number of strings."""
        return len(self.x_masks)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        y = point.X.new_empty((*point.batch, self.count), dtype=self.real_dtype)
        V, VTheta = point.X, point.X @ symmetric_part(point.Theta)
        # Re + Im of conj(a) b is a real inner product of (Re a, Im a) with (Re b + Im b, Im b - Re b).
        a = torch.cat([V.real, V.imag], dim=-1)
        b = torch.cat([VTheta.real + VTheta.imag, VTheta.imag - VTheta.real], dim=-1)
        for flips, strings in self._blocks(a):
            moved = self._moved(flips)
            diagonals = (a[..., moved, :] * b.unsqueeze(-3)).sum(-1)
            sums = walsh_hadamard(diagonals).flatten(-2)
            values = sums[..., self._cells(flips, strings)] * self._groups.select(self._groups.signs, strings)
            y[..., self._groups.places(strings)] = values
        return y.mul_(self.scale)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Complex[Tensor, "*batch m k"]
    ) -> Complex[Tensor, "*batch m k"]:
        """Return the sum of `E_x[b xor x] V[b xor x]` over x.

        Here `E_x[c] = sum_z v i^popcount(x & z) (-1)^popcount(z & c)`. With the signs of the measurements
        `w = Re E - Im E` is one real transform. A flip by x keeps `Re E` and negates `Im E`.
        """
        out = torch.zeros_like(V)
        d = self.shape[0]
        for flips, strings in self._blocks(torch.view_as_real(V.resolve_conj()).flatten(-2)):
            spectra = v.new_zeros((*v.shape[:-1], (flips.stop - flips.start) * d))
            signed = v[..., self._groups.places(strings)] * self._groups.select(self._groups.signs, strings)
            spectra.index_add_(-1, self._cells(flips, strings), signed)
            w = walsh_hadamard(torch.unflatten(spectra, -1, (-1, d)))
            moved = self._moved(flips)
            flipped = w.gather(-1, moved.expand_as(w))
            E = torch.complex(w + flipped, w - flipped)
            out += (E.unsqueeze(-1) * V[..., moved, :]).sum(-3)
        return out.mul_(self.scale / 2)

    def _blocks(self, A: Tensor) -> Iterator[tuple[slice, slice]]:
        """Yield blocks of the x that occur, with their strings."""
        starts = self._groups.starts
        groups = len(starts) - 1
        step = max(1, numbers_at_once(A) // max(1, A.numel()))
        for start in range(0, groups, step):
            stop = min(start + step, groups)
            yield slice(start, stop), slice(starts[start], starts[stop])

    def _moved(self, flips: slice) -> Tensor:
        """Return `c xor x` for each x of a block, (g, d)."""
        return torch.arange(self.shape[0], device=self.device) ^ self._groups.flips[flips].unsqueeze(-1)

    def _cells(self, flips: slice, strings: slice) -> Tensor:
        """Return the positions of strings among the transforms of a block, end to end."""
        starts = self._groups.starts
        counts = [starts[g + 1] - starts[g] for g in range(flips.start, flips.stop)]
        first = torch.arange(len(counts), device=self.device) * self.shape[0]
        z = self._groups.select(self.z_masks, strings)
        if len(first) != len(z):
            lengths = torch.tensor(counts).to(self.device)
            first = first.repeat_interleave(lengths, output_size=strings.stop - strings.start)
        return first + z


@dataclass(frozen=True)
class _StringGroups:
    """Strings sorted by `x`, so that all strings of one `x` are neighbours.

    Attributes:
        flips: Masks `x` that occur, ascending, (groups,).
        order: Number of the string at each place of the new order, (n,); None if they are sorted as they come.
        starts: First string of each group, and the end, (groups + 1,).
        signs: Sign, 1 or -1, that makes `i^popcount(x & z)` times the sum a real number, (n,).
    """

    flips: Int[Tensor, " g"]
    order: Int[Tensor, " n"] | None
    starts: Sequence[int]
    signs: Int8[Tensor, " n"]

    @classmethod
    def from_masks(cls, x: Int[Tensor, " n"], z: Int[Tensor, " n"]) -> "_StringGroups":
        """Return the groups of strings; on the meta device each string is a group of its own."""
        if x.device.type == "meta":
            return cls(x, None, range(len(x) + 1), _phase_signs(x, z))
        ascending, order = x, None
        if bool((x[1:] < x[:-1]).any()):
            ascending, order = x.sort(stable=True)
        flips, counts = torch.unique_consecutive(ascending, return_counts=True)
        return cls(flips, order, [0, *counts.cumsum(0).tolist()], _phase_signs(x, z))

    def places(self, strings: slice) -> slice | Int[Tensor, " k"]:
        """Return the numbers of some strings of the new order."""
        return strings if self.order is None else self.order[strings]

    def select(self, values: Int[Tensor, " n"], strings: slice) -> Int[Tensor, " k"]:
        """Return the values, given in the order of the strings, of some strings of the new order."""
        return values[self.places(strings)]


def _space_of_qubits(qubits: int, dtype: Dtype, device: Place) -> Space:
    require(1 <= qubits <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", qubits)
    return Space.from_size(1 << qubits, Kind.HERMITIAN, dtype, device)


def _phase_signs(x: Tensor, z: Tensor) -> Tensor:
    """Return 1 where `popcount(x & z)` is 0 or 3 modulo 4, and -1 where it is 1 or 2."""
    signs = torch.empty_like(x, dtype=torch.int8)
    for start in range(0, len(x), numbers_at_once(x)):
        block = slice(start, start + numbers_at_once(x))
        ones = x[block].long() & z[block]
        # Popcount by sums of neighbouring groups of bits; torch has no instruction for it.
        for shift, mask in _BIT_GROUPS:
            ones = (ones & mask) + ((ones >> shift) & mask)
        signs[block] = 1 - ((ones + 1) & 2)
    return signs


def _places(like: Tensor, qubits: int) -> Tensor:
    """Return the bits of the qubits, from the left."""
    return torch.arange(qubits - 1, -1, -1, device=like.device)


def numbers_at_once(A: Tensor) -> int:
    """Return the size of a block of numbers on the device of `A`."""
    return _BLOCK_NUMBERS.get(A.device.type, _BLOCK_NUMBERS_ELSEWHERE)
