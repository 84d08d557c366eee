"""Products of single-qubit measurements (POVMs): probabilities of outcomes, without the Kronecker products.

Qubits are counted from the left: the first factor of a Kronecker product is the first qubit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, size_text
from wnsense.linalg import Place, Rng
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.pauli import MOST_QUBITS, numbers_at_once
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.space import Space
from wnsense.sensing.tensor_fields import require_tensors


@dataclass(frozen=True)
class PovmProductSensing(Operator):
    """Probabilities `y = Tr(Z (E_{a_1} x ... x E_{a_q}))` of products of rank-one effects `E_a = e_a e_a^H`; hermitian.

    Measurement vectors are Kronecker products. All K^q outcomes take q small contractions of the factors, from 2 x ...
    x 2 to K x ... x K, and no vector. Selected outcomes compute their vectors in blocks. Probabilities are not scaled.

    Let the effects of one qubit be proportional to a 2-design. Then the sum of `E Tr(E Z)` is `kappa (Z + Tr(Z) I)`,
    with `kappa` = 1/6 for the tetrahedron and 1/9 for the six Pauli states. For several qubits the traces over all
    subsets of qubits occur. So no second moment of the form in `Operator` exists: in each qubit it is three times as
    large for the identity as for traceless matrices.

    Attributes:
        effects: Vectors `e_a` of each qubit, (q, K, 2), complex.
        outcomes: Outcomes, (n, q), each below K; None for all K^q, the last qubit's first.
        second_moment: See `Operator`.
    """

    effects: Complex[Tensor, "q K 2"]
    outcomes: Int[Tensor, "n q"] | None = None
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the sizes, and the outcomes against the effects."""
        require_tensors("PovmProductSensing.complete", None, self.effects, self.outcomes)
        advice = "PovmProductSensing.complete takes the effects of one qubit, as pauli_effects() has them"
        require(self.effects.dim() == 3, "effects of size q x K x 2", size_text(self.effects.shape), advice)
        q, K, _ = self.effects.shape
        require(1 <= q <= MOST_QUBITS and K >= 1, f"effects of 1 to {MOST_QUBITS} qubits", f"{q} x {K}")
        if self.effects.device.type != "meta":
            require_finite("the effects", self.effects)
        if self.outcomes is not None:
            require(self.outcomes.shape[0] > 0, "at least one measurement", "none")
            require(self.outcomes.shape[1] == q, f"outcomes of {q} qubits", self.outcomes.shape[1])
            if self.outcomes.device.type != "meta":
                low, high = int(self.outcomes.min()), int(self.outcomes.max())
                require(low >= 0 and high < K, f"outcomes between 0 and {K - 1}", f"{low} to {high}")

    @cached_property
    def space(self) -> Space:
        """Space of the unknown, 2^q x 2^q, hermitian."""
        side = 1 << len(self.effects)
        return Space(Kind.HERMITIAN, (side, side), self.effects.dtype, self.effects.device)

    @classmethod
    def complete(cls, effects: NumbersLike, qubits: int) -> "PovmProductSensing":
        """Return all outcomes of one measurement, the same for each qubit."""
        one = _effects(effects)
        return cls(one.expand(qubits, *one.shape))

    @classmethod
    def draw(cls, n: int, effects: NumbersLike, qubits: int, *, generator: Rng = None) -> "PovmProductSensing":
        """Draw n of the K^q outcomes without replacement.

        Raises:
            InputError: If there are fewer than n outcomes.
        """
        one = _effects(effects)
        K = len(one)
        require(1 <= qubits <= MOST_QUBITS, f"between 1 and {MOST_QUBITS} qubits", qubits)
        require(K**qubits < 1 << 2 * MOST_QUBITS, "fewer qubits or outcomes", f"{K}^{qubits}")
        require(1 <= n <= K**qubits, f"between 1 and {K**qubits} outcomes, as many as there are", n)
        numbers = draw_distinct(n, K**qubits, generator=generator).to(one.device)
        return cls(one.expand(qubits, *one.shape), _digits(numbers, K, qubits))

    def traces(self) -> Float[Tensor, " n"]:
        """Return the products of `||e_a||^2`."""
        lengths = self.effects.abs().square().sum(-1)
        if self.outcomes is not None:
            return lengths.gather(1, self.outcomes.mT.long()).prod(0)
        products = lengths[0]
        for qubit_lengths in lengths[1:]:
            products = torch.outer(products, qubit_lengths).flatten()
        return products

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PovmProductSensing":
        """Return the operator of some of the outcomes."""
        q, K, _ = self.effects.shape
        return PovmProductSensing(self.effects, _digits(rows, K, q) if self.outcomes is None else self.outcomes[rows])

    @cached_property
    def count(self) -> int:
        """Number of outcomes."""
        q, K, _ = self.effects.shape
        return K**q if self.outcomes is None else len(self.outcomes)

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
        """Return `a^H X` for each outcome, (..., n, r)."""
        if self.outcomes is None:
            return self._contract(X, [e.conj() for e in self.effects])
        return torch.cat([self._vectors(block).conj() @ X for block in self._blocks()], dim=-2)

    def _combine(self, U: Tensor) -> Tensor:
        """Return the sum of a times its row of `U`, (..., m, k)."""
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
        """Return the Kronecker products of some outcomes, as rows."""
        if self.outcomes is None:
            raise InputError("needed selected outcomes, got all of them")
        vectors = self.effects.new_ones((1, 1))
        for e, outcome in zip(self.effects, self.outcomes[block].mT, strict=True):
            vectors = (vectors.unsqueeze(-1) * e[outcome].unsqueeze(-2)).flatten(-2)
        return vectors

    def _blocks(self) -> Iterator[slice]:
        step = max(1, numbers_at_once(self.effects) // self.shape[0])
        return (slice(start, start + step) for start in range(0, self.count, step))


def pauli_effects(dtype: torch.dtype = torch.complex128, device: Place = "cpu") -> Complex[Tensor, "6 2"]:
    """Return the six eigenvectors of X, Y and Z (+ before -) over sqrt(3): one of the three is measured at random."""
    h = math.sqrt(0.5)
    states = [[h, h], [h, -h], [h, h * 1j], [h, -h * 1j], [1, 0], [0, 1]]
    return torch.tensor(states, dtype=dtype, device=device) / math.sqrt(3)


def tetrahedral_effects(dtype: torch.dtype = torch.complex128, device: Place = "cpu") -> Complex[Tensor, "4 2"]:
    """Return the symmetric informationally complete measurement of a qubit: a tetrahedron's corners over sqrt(2).

    `|<e_a, e_b>|^2 = 1/12` for `a != b` (Renes et al., quant-ph/0310075).
    """
    turns = [complex(math.cos(2 * math.pi * k / 3), math.sin(2 * math.pi * k / 3)) for k in range(3)]
    states = [[1, 0], *([math.sqrt(1 / 3), math.sqrt(2 / 3) * turn] for turn in turns)]
    return torch.tensor(states, dtype=dtype, device=device) / math.sqrt(2)


def _effects(effects: NumbersLike) -> Complex[Tensor, "K 2"]:
    """Return the effects of one qubit, complex."""
    vectors = floating_tensor("the effects", effects)
    require(vectors.dim() == 2 and vectors.shape[1] == 2, "effects of size K x 2", size_text(vectors.shape))
    return vectors.to(vectors.dtype.to_complex())


def _digits(numbers: Tensor, base: int, length: int) -> Tensor:
    powers = torch.tensor([base**k for k in range(length - 1, -1, -1)], device=numbers.device)
    return numbers.unsqueeze(-1) // powers % base
