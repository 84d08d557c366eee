"""Quantum states measured by Pauli strings, and by products of measurements of single qubits.

Qubits are counted from the left: the first letter of a string, the first factor of a Kronecker product and the most
significant bit of an index belong to the same one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Complex, Float, Int, Int8
from torch import Tensor

from wnsense.checks import InputError, require, require_finite
from wnsense.linalg import symmetric_part
from wnsense.sensing.dense import require_complex_agrees
from wnsense.sensing.distinct import draw_distinct
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.transforms import walsh_hadamard

# Twice as many bits as qubits number the strings.
_MOST_QUBITS = 31
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
        require(1 <= q <= _MOST_QUBITS, f"between 1 and {_MOST_QUBITS} qubits", q)
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
        require(1 <= qubits <= _MOST_QUBITS, f"between 1 and {_MOST_QUBITS} letters in a Pauli string", qubits)
        x, z = torch.tensor(x_masks, device=device), torch.tensor(z_masks, device=device)
        return cls(x, z, qubits, scale, dtype)

    @classmethod
    def complete(
        cls, qubits: int, *, dtype: torch.dtype = torch.complex128, device: torch.device | str = "cpu"
    ) -> "PauliSensing":
        """All 4^q strings, by x and then by z, scaled so that M*M(Z) = Z."""
        require(1 <= qubits <= _MOST_QUBITS, f"between 1 and {_MOST_QUBITS} qubits", qubits)
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
        require(1 <= qubits <= _MOST_QUBITS, f"between 1 and {_MOST_QUBITS} qubits", qubits)
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
        step = max(1, _numbers_at_once(A) // max(1, A.numel()))
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


@dataclass(frozen=True)
class PovmProductSensing(Operator):
    """y = Tr(Z (E_{a_1} x ... x E_{a_q})): products of rank-one effects E_a = e_a e_a^H of single qubits; hermitian.

    Measurement vectors are Kronecker products. All K^q outcomes take q small contractions of the factors, from
    2 x ... x 2 to K x ... x K, and no vector; chosen outcomes take theirs in blocks. Probabilities are as they are,
    nothing is scaled. For one qubit and effects in proportion to a 2-design, sum of E Tr(E Z) = kappa (Z + Tr(Z) I)
    (kappa = 1/6 for the tetrahedron, 1/9 for the six Pauli states); for several the traces over all subsets of qubits
    occur, so that there is no second moment to declare: from traceless to constant in one qubit it grows threefold.

    Attributes:
        effects: e_a of each qubit, (q, K, 2), complex.
        outcomes: Which, (n, q), each below K; None for all K^q, the last qubit's first.
    """

    effects: Complex[Tensor, "q K 2"]
    outcomes: Int[Tensor, "n q"] | None = None
    second_moment: tuple[float, float] | None = field(init=False, default=None)
    kind: Kind = field(init=False, default=Kind.HERMITIAN)
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Read off sizes; outcomes must be those of the effects."""
        q, K, _ = self.effects.shape
        require(1 <= q <= _MOST_QUBITS and K >= 1, f"effects of 1 to {_MOST_QUBITS} qubits", f"{q} x {K}")
        if self.effects.device.type != "meta":
            require_finite("the effects", self.effects)
        if self.outcomes is not None:
            require(self.outcomes.shape[0] > 0, "at least one measurement", "none")
            require(self.outcomes.shape[1] == q, f"outcomes of {q} qubits", self.outcomes.shape[1])
            if self.outcomes.device.type != "meta":
                low, high = int(self.outcomes.min()), int(self.outcomes.max())
                require(low >= 0 and high < K, f"outcomes between 0 and {K - 1}", f"{low} to {high}")
        object.__setattr__(self, "shape", (1 << q, 1 << q))
        object.__setattr__(self, "count", K**q if self.outcomes is None else self.outcomes.shape[0])
        object.__setattr__(self, "dtype", self.effects.dtype)
        object.__setattr__(self, "device", self.effects.device)

    @classmethod
    def complete(cls, effects: Complex[Tensor, "K 2"], qubits: int) -> "PovmProductSensing":
        """All outcomes of the same measurement of each qubit."""
        return cls(effects.expand(qubits, *effects.shape))

    @classmethod
    def draw(
        cls, n: int, effects: Complex[Tensor, "K 2"], qubits: int, *, generator: torch.Generator | None = None
    ) -> "PovmProductSensing":
        """Draw n of the K^q outcomes without replacement.

        Raises:
            InputError: When there are not so many.
        """
        K = len(effects)
        require(1 <= qubits <= _MOST_QUBITS, f"between 1 and {_MOST_QUBITS} qubits", qubits)
        require(K**qubits < 1 << 2 * _MOST_QUBITS, "fewer qubits or outcomes", f"{K}^{qubits}")
        require(1 <= n <= K**qubits, f"between 1 and {K**qubits} outcomes, as many as there are", n)
        chosen = draw_distinct(n, K**qubits, generator=generator).to(effects.device)
        return cls(effects.expand(qubits, *effects.shape), _digits(chosen, K, qubits))

    def traces(self) -> Float[Tensor, " n"]:
        """Products of ||e_a||^2."""
        lengths = self.effects.abs().square().sum(-1)
        if self.outcomes is not None:
            return lengths.gather(1, self.outcomes.mT.long()).prod(0)
        products = lengths[0]
        for of_qubit in lengths[1:]:
            products = torch.outer(products, of_qubit).flatten()
        return products

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PovmProductSensing":
        """The chosen outcomes."""
        q, K, _ = self.effects.shape
        return PovmProductSensing(self.effects, _digits(rows, K, q) if self.outcomes is None else self.outcomes[rows])

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self._probabilities(self._amplitudes(point.X), point.Theta)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Complex[Tensor, "*batch m k"]
    ) -> Complex[Tensor, "*batch m k"]:
        return self._combine(v.unsqueeze(-1) * self._amplitudes(V))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        W = self._amplitudes(point.X)
        y = self._probabilities(W, point.Theta)
        return PulledBack(y, self._combine(dual(y).unsqueeze(-1) * W[..., :width]))

    def _probabilities(self, W: Tensor, Theta: Tensor) -> Tensor:
        return ((W @ Theta) * W.conj()).sum(-1).real

    def _amplitudes(self, X: Tensor) -> Tensor:
        """a^H X for each outcome, (..., n, r)."""
        if self.outcomes is None:
            return self._contract(X, [e.conj() for e in self.effects])
        return torch.cat([self._vectors(block).conj() @ X for block in self._blocks()], dim=-2)

    def _combine(self, U: Tensor) -> Tensor:
        """Sum of a times the row of U that belongs to it, (..., m, k)."""
        if self.outcomes is None:
            return self._contract(U, [e.mT for e in self.effects])
        out = U.new_zeros((*U.shape[:-2], self.shape[0], U.shape[-1]))
        for block in self._blocks():
            out += self._vectors(block).mT @ U[..., block, :]
        return out

    def _contract(self, A: Tensor, matrices: list[Tensor]) -> Tensor:
        """Multiply by the Kronecker product of the matrices, one after the other."""
        rows, done = A.shape[-2], 1
        out = A
        for matrix in matrices:
            rows = rows // matrix.shape[1] * matrix.shape[0]
            out = matrix @ out.reshape(*A.shape[:-2], done, matrix.shape[1], -1)
            done *= matrix.shape[0]
        return out.reshape(*A.shape[:-2], rows, A.shape[-1])

    def _vectors(self, block: slice) -> Tensor:
        """The Kronecker products of some outcomes, as rows."""
        if self.outcomes is None:
            raise InputError("needed chosen outcomes")
        vectors = self.effects.new_ones((1, 1))
        for e, outcome in zip(self.effects, self.outcomes[block].mT, strict=True):
            vectors = (vectors.unsqueeze(-1) * e[outcome].unsqueeze(-2)).flatten(-2)
        return vectors

    def _blocks(self) -> Iterator[slice]:
        step = max(1, _numbers_at_once(self.effects) // self.shape[0])
        return (slice(start, start + step) for start in range(0, self.count, step))


def pauli_effects(dtype: torch.dtype = torch.complex128, device: torch.device | str = "cpu") -> Complex[Tensor, "6 2"]:
    """The six eigenvectors of X, Y and Z (+ before -) over sqrt(3): one of the three is measured, at random."""
    h = math.sqrt(0.5)
    states = [[h, h], [h, -h], [h, h * 1j], [h, -h * 1j], [1, 0], [0, 1]]
    return torch.tensor(states, dtype=dtype, device=device) / math.sqrt(3)


def tetrahedral_effects(
    dtype: torch.dtype = torch.complex128, device: torch.device | str = "cpu"
) -> Complex[Tensor, "4 2"]:
    """The symmetric informationally complete measurement of a qubit: a tetrahedron's corners over sqrt(2).

    |<e_a, e_b>|^2 = 1/12 for a != b (Renes et al., quant-ph/0310075).
    """
    turns = [complex(math.cos(2 * math.pi * k / 3), math.sin(2 * math.pi * k / 3)) for k in range(3)]
    states = [[1, 0], *([math.sqrt(1 / 3), math.sqrt(2 / 3) * turn] for turn in turns)]
    return torch.tensor(states, dtype=dtype, device=device) / math.sqrt(2)


def _phase_signs(x: Tensor, z: Tensor) -> Tensor:
    """Of k = popcount(x & z): 1 for k = 0 or 3 modulo 4, -1 for k = 1 or 2."""
    signs = torch.empty_like(x, dtype=torch.int8)
    for start in range(0, len(x), _numbers_at_once(x)):
        block = slice(start, start + _numbers_at_once(x))
        ones = x[block].long() & z[block]
        # Sums of neighbouring groups of bits: torch has no instruction for it.
        for shift, mask in _BIT_GROUPS:
            ones = (ones & mask) + ((ones >> shift) & mask)
        signs[block] = 1 - ((ones + 1) & 2)
    return signs


def _places(like: Tensor, qubits: int) -> Tensor:
    """The bits of the qubits, from the left."""
    return torch.arange(qubits - 1, -1, -1, device=like.device)


def _digits(numbers: Tensor, base: int, length: int) -> Tensor:
    powers = torch.tensor([base**k for k in range(length - 1, -1, -1)], device=numbers.device)
    return numbers.unsqueeze(-1) // powers % base


def _numbers_at_once(A: Tensor) -> int:
    return _BLOCK_NUMBERS.get(A.device.type, _BLOCK_NUMBERS_ELSEWHERE)
