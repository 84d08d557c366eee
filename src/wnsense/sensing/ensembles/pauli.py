"""Quantum states measured by Pauli strings.

Qubits are counted from the left: the first letter of a string, the first factor of a Kronecker product and the most
significant bit of an index belong to the same one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Complex, Float, Int, Int8
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import symmetric_part
from wnsense.sensing.ensembles.dense import require_complex_agrees
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.transforms import walsh_hadamard
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

# Twice as many bits as qubits number the strings.
MOST_QUBITS = 31
# Strings, and the factors permuted for them, are taken in blocks of this many numbers.
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
    """y_s = scale Tr(P_s Z) for Pauli strings P = i^popcount(x & z) X^x Z^z held as bit masks; kind hermitian.

    (P v)_b = i^popcount(x & z) (-1)^popcount(z & c) v_c with c = b xor x. With c_x[c] = sum_k conj(V[c xor x, k])
    (V Theta)[c, k], the diagonal of Z that x names, all z of one x come from one Walsh-Hadamard transform,

        Tr(P_{x,z} Z) = i^popcount(x & z) sum_c (-1)^popcount(z & c) c_x[c].

    Where popcount(x & z) is even the sum is real, else it is imaginary, so that the real transform of Re c_x + Im c_x
    has both. A measurement takes one transform of length 2^q for each x that occurs: 4^q (q + r) for all strings.

    Attributes:
        x_masks: x of each string, (n,), integers of q bits; in any order, repetitions allowed.
        z_masks: z of each string, (n,).
        qubits: q; the unknown is 2^q x 2^q.
        scale: Of the expectation values.
        dtype: Of the unknown, complex.
        second_moment: See `Operator`; known where strings were drawn.
    """

    x_masks: Int[Tensor, " n"]
    z_masks: Int[Tensor, " n"]
    qubits: int
    scale: float = 1.0
    dtype: torch.dtype = torch.complex128
    second_moment: tuple[float, float] | None = None
    kind: Kind = field(init=False, default=Kind.HERMITIAN)
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    device: torch.device = field(init=False)
    # 1 or -1: what makes i^popcount(x & z) times the sum a real number.
    _signs: Int8[Tensor, " n"] = field(init=False, repr=False)
    # The x that occur, ascending; the strings sorted by x (None if they are); where those of each x begin.
    _flips: Int[Tensor, " g"] = field(init=False, repr=False)
    _order: Int[Tensor, " n"] | None = field(init=False, repr=False)
    _starts: Sequence[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the masks, and group strings by what they flip."""
        n, q = self.x_masks.shape[0], self.qubits
        require(n > 0, "at least one measurement", "none")
        require(1 <= q <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", q)
        require(self.z_masks.shape == (n,), f"z_masks beside {n} x_masks", self.z_masks.shape[0])
        require(math.isfinite(self.scale) and self.scale > 0, "a positive scale", self.scale)
        require_complex_agrees(Kind.HERMITIAN, self.dtype)
        flips, order = self.x_masks, None
        starts: Sequence[int] = range(n + 1)
        if self.x_masks.device.type != "meta":
            for name, masks in (("x_masks", self.x_masks), ("z_masks", self.z_masks)):
                low, high = int(masks.min()), int(masks.max())
                require(low >= 0 and high < 1 << q, f"{name} of {q} bits", f"{low} to {high}")
            ascending = self.x_masks
            if bool((ascending[1:] < ascending[:-1]).any()):
                ascending, order = ascending.sort(stable=True)
            flips, counts = torch.unique_consecutive(ascending, return_counts=True)
            starts = [0, *counts.cumsum(0).tolist()]
        for name, value in (
            ("shape", (1 << q, 1 << q)),
            ("count", n),
            ("device", self.x_masks.device),
            ("_signs", _phase_signs(self.x_masks, self.z_masks)),
            ("_flips", flips),
            ("_order", order),
            ("_starts", starts),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def from_strings(
        cls,
        strings: Sequence[str],
        *,
        scale: float = 1.0,
        dtype: torch.dtype = torch.complex128,
        device: torch.device | str = "cpu",
    ) -> "PauliSensing":
        """Take strings as text, `XIZY`: expectation values Tr(P Z) as they are.

        Raises:
            InputError: When there are none, their lengths differ, or a letter is none of I, X, Y, Z.
        """
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
        x, z = torch.tensor(x_masks, device=device), torch.tensor(z_masks, device=device)
        return cls(x, z, qubits, scale, dtype)

    @classmethod
    def complete(
        cls, qubits: int, *, dtype: torch.dtype = torch.complex128, device: torch.device | str = "cpu"
    ) -> "PauliSensing":
        """All 4^q strings, by x and then by z, scaled so that M*M(Z) = Z."""
        require(1 <= qubits <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", qubits)
        d = 1 << qubits
        masks = torch.arange(d, device=device)
        scale = 1 / math.sqrt(d)
        return cls(masks.repeat_interleave(d), masks.repeat(d), qubits, scale, dtype, second_moment=(1.0, 0.0))

    @classmethod
    def draw(
        cls,
        n: int,
        qubits: int,
        *,
        with_identity: bool = True,
        kind: Kind | str = Kind.HERMITIAN,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "PauliSensing":
        """Draw n strings without replacement, scaled so that E M*M(Z) = Z: the P / sqrt(d) are an orthonormal basis.

        Without the identity, of which states say nothing, it is Z - Tr(Z) I / d.

        Args:
            n: The number of strings.
            qubits: q.
            with_identity: Whether the string of identities may be drawn.
            kind: hermitian.
            generator: The source of randomness.
            dtype: The dtype of the unknown, double precision by default.
            device: Where the data shall lie.

        Raises:
            InputError: When there are not so many strings, or the kind is another.
        """
        require(Kind(kind) is Kind.HERMITIAN, "kind hermitian for Pauli strings", str(kind))
        require(1 <= qubits <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", qubits)
        left_out = 0 if with_identity else 1
        d, strings = 1 << qubits, (1 << 2 * qubits) - left_out
        require(1 <= n <= strings, f"between 1 and {strings} Pauli strings, as many as there are", n)
        chosen = draw_distinct(n, strings, generator=generator).add_(left_out).to(device)
        scale = math.sqrt(strings / (n * d))
        return cls(
            chosen >> qubits,
            chosen & (d - 1),
            qubits,
            scale,
            dtype or torch.complex128,
            (1.0, -left_out / d),
        )

    @property
    def strings(self) -> list[str]:
        """The strings as text."""
        letters = ((self.x_masks.unsqueeze(-1) >> _places(self.x_masks, self.qubits)) & 1) + 2 * (
            (self.z_masks.unsqueeze(-1) >> _places(self.z_masks, self.qubits)) & 1
        )
        return ["".join("IXZY"[letter] for letter in row) for row in letters.tolist()]

    def traces(self) -> Float[Tensor, " n"]:
        """Scale times 2^q for the identity, zero for every other string."""
        identity = (self.x_masks | self.z_masks) == 0
        return identity.to(self.real_dtype) * (self.scale * self.shape[0])

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PauliSensing":
        """The chosen strings."""
        return PauliSensing(self.x_masks[rows], self.z_masks[rows], self.qubits, self.scale, self.dtype)

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
            values = sums[..., self._cells(flips, strings)] * self._chosen(self._signs, strings)
            if self._order is None:
                y[..., strings] = values
            else:
                y[..., self._order[strings]] = values
        return y.mul_(self.scale)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Complex[Tensor, "*batch m k"]
    ) -> Complex[Tensor, "*batch m k"]:
        """Sum of E_x[b xor x] V[b xor x] over x, E_x[c] = sum_z v i^popcount(x & z) (-1)^popcount(z & c).

        With the signs of the measurements w = Re E - Im E is one real transform; flipping by x keeps Re E and negates
        Im E.
        """
        out = torch.zeros_like(V)
        d = self.shape[0]
        for flips, strings in self._blocks(torch.view_as_real(V.resolve_conj()).flatten(-2)):
            spectra = v.new_zeros((*v.shape[:-1], (flips.stop - flips.start) * d))
            chosen = v[..., strings if self._order is None else self._order[strings]]
            spectra.index_add_(-1, self._cells(flips, strings), chosen * self._chosen(self._signs, strings))
            w = walsh_hadamard(torch.unflatten(spectra, -1, (-1, d)))
            moved = self._moved(flips)
            there = w.gather(-1, moved.expand_as(w))
            E = torch.complex(w + there, w - there)
            out += (E.unsqueeze(-1) * V[..., moved, :]).sum(-3)
        return out.mul_(self.scale / 2)

    def _blocks(self, A: Tensor) -> Iterator[tuple[slice, slice]]:
        """Some of the x that occur, with the strings that have them."""
        groups = len(self._starts) - 1
        step = max(1, numbers_at_once(A) // max(1, A.numel()))
        for start in range(0, groups, step):
            stop = min(start + step, groups)
            yield slice(start, stop), slice(self._starts[start], self._starts[stop])

    def _moved(self, flips: slice) -> Tensor:
        """C xor x for each x of a block, (g, d)."""
        return torch.arange(self.shape[0], device=self.device) ^ self._flips[flips].unsqueeze(-1)

    def _cells(self, flips: slice, strings: slice) -> Tensor:
        """Where the strings stand among the transforms of a block, end to end."""
        counts = [self._starts[g + 1] - self._starts[g] for g in range(flips.start, flips.stop)]
        first = torch.arange(len(counts), device=self.device) * self.shape[0]
        if len(first) != len(self._z(strings)):
            lengths = torch.tensor(counts).to(self.device)
            first = first.repeat_interleave(lengths, output_size=strings.stop - strings.start)
        return first + self._z(strings)

    def _z(self, strings: slice) -> Tensor:
        return self._chosen(self.z_masks, strings)

    def _chosen(self, values: Tensor, strings: slice) -> Tensor:
        return values[strings] if self._order is None else values[self._order[strings]]


def _phase_signs(x: Tensor, z: Tensor) -> Tensor:
    """Of k = popcount(x & z): 1 for k = 0 or 3 modulo 4, -1 for k = 1 or 2."""
    signs = torch.empty_like(x, dtype=torch.int8)
    for start in range(0, len(x), numbers_at_once(x)):
        block = slice(start, start + numbers_at_once(x))
        ones = x[block].long() & z[block]
        # Sums of neighbouring groups of bits: torch has no instruction for it.
        for shift, mask in _BIT_GROUPS:
            ones = (ones & mask) + ((ones >> shift) & mask)
        signs[block] = 1 - ((ones + 1) & 2)
    return signs


def _places(like: Tensor, qubits: int) -> Tensor:
    """The bits of the qubits, from the left."""
    return torch.arange(qubits - 1, -1, -1, device=like.device)


def numbers_at_once(A: Tensor) -> int:
    """Return the size of a block of numbers on the device of `A`."""
    return _BLOCK_NUMBERS.get(A.device.type, _BLOCK_NUMBERS_ELSEWHERE)
