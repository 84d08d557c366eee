"""Arrays that describe a problem in a file, from which `read_operator` and `read_truth` make the same problem."""

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require
from wnsense.files.entry_fields import entry_arrays
from wnsense.files.named_arrays import numpy_array
from wnsense.files.state_fields import effect_arrays, pauli_arrays, scale_array
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import DenseSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing
from wnsense.sensing.ensembles.transforms import TransformedEntrySensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

# Entries of the largest matrix that is written in full: 8 GiB in double precision.
LARGEST_TRUTH = 2**30


def operator_arrays(operator: Operator, first_index: int) -> dict[str, np.ndarray]:
    """Return the arrays of an operator.

    Args:
        operator: Operator to write.
        first_index: Index of the first row or column in the file.

    Raises:
        InputError: If the format has no arrays for its measurements.
    """
    match operator:
        case EntrySensing() | TransformedEntrySensing():
            return entry_arrays(operator, first_index)
        case SubBlockSensing():
            return entry_arrays(operator.as_entries(), first_index)
        case PauliSensing():
            return pauli_arrays(operator)
        case PovmProductSensing():
            return effect_arrays(operator, first_index)
        case CodedDiffractionSensing():
            return {"masks": numpy_array(operator.masks), **scale_array(operator.scale)}
        case _:
            return _stored_arrays(operator)


def truth_arrays(truth: LowRank, kind: Kind) -> dict[str, np.ndarray]:
    """Return the array from which `read_truth` makes the same matrix: a factor if there is one, else the matrix.

    Raises:
        InputError: If it is a batch, is not of the kind, or is too large to be written in full.
    """
    require(not truth.batch, "one truth", "a batch of them")
    if kind.is_symmetric:
        Z = truth.orthonormal()
        values = torch.diagonal(Z.Theta).real
        least, most = float(values.min()), float(values.abs().max())
        rounding = torch.finfo(values.dtype).eps ** 0.5
        positive = kind is not Kind.PSD or least >= -rounding * most
        require(positive, "a positive semidefinite truth for kind psd", f"an eigenvalue of {least:.3g}")
        if kind is Kind.PSD or least >= 0:
            return {"truth_factor": numpy_array(Z.X * values.clamp(min=0).sqrt())}
    m1, m2 = truth.shape
    limit = f"a truth of at most {LARGEST_TRUTH:,} entries, which is written in full"
    require(m1 * m2 <= LARGEST_TRUTH, limit, f"one of {m1} x {m2}", "write the problem without it")
    return {"truth": numpy_array(truth.dense())}


def _stored_arrays(operator: Operator) -> dict[str, np.ndarray]:
    tensors = _vectors(operator) or _matrices(operator)
    advice = "build a DenseSensing of its matrices"
    require(tensors, "measurements that a file has a name for", type(operator).__name__, advice)
    return {name: numpy_array(tensor) for name, tensor in tensors.items()}


def _vectors(operator: Operator) -> dict[str, Tensor]:
    match operator:
        case RankOneSensing():
            return {"vectors": operator.vectors}
        case PairedRankOneSensing():
            return {"vectors": operator.vectors, "vectors_minus": operator.vectors_minus}
        case RectangularRankOneSensing():
            return {"left_vectors": operator.left, "right_vectors": operator.right}
        case BlockRankSensing():
            return {"blocks": operator.blocks}
        case _:
            return {}


def _matrices(operator: Operator) -> dict[str, Tensor]:
    if isinstance(operator, UnpackedSensing):
        return {"matrices": operator.adjoint(torch.eye(operator.count, dtype=operator.real_dtype))}
    if not isinstance(operator, PackedSensing):
        return {}
    if isinstance(operator, DenseSensing) and operator.scale == 1 and operator.rows.dtype == operator.real_dtype:
        rows = operator.rows
    else:
        rows = operator.packed_rows(0, operator.count) * operator.scale
    if operator.kind.is_symmetric:
        return {"svec": rows}
    return {"matrices": operator.kind.unpack(rows, operator.shape, is_complex=operator.is_complex)}
