"""Words that options accept: one enumeration an option."""

from enum import StrEnum


class Ensemble(StrEnum):
    """Measurement ensembles that `simulate` draws."""

    GAUSSIAN = "gaussian"
    RADEMACHER = "rademacher"
    RANK_ONE = "rank-one"
    PAIRED = "paired"
    BLOCK_RANK = "block-rank"
    ENTRIES = "entries"
    SUB_BLOCKS = "sub-blocks"
    DCT = "dct"
    HADAMARD = "hadamard"
    FOURIER = "fourier"
    DIFFRACTION = "diffraction"
    PAULI = "pauli"
    POVM = "povm"


class GridName(StrEnum):
    """Grids that `bench` runs."""

    QUICK = "quick"
    FULL = "full"
    TRANSITION = "transition"
    LIMIT = "limit"
    NOISE = "noise"
    USERS = "users"
    USERS_QUICK = "users-quick"


class Precision(StrEnum):
    """Data types to compute in."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"


class ReportFormat(StrEnum):
    """Formats that `report` writes."""

    HTML = "html"
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"
    CSV = "csv"


class Spectrum(StrEnum):
    """Shapes of the spectrum that `simulate` draws."""

    LINEAR = "linear"
    GEOMETRIC = "geometric"


class StudyScale(StrEnum):
    """Sizes at which `study` runs."""

    QUICK = "quick"
    PAPER = "paper"


class Unknown(StrEnum):
    """Kinds of matrix that a problem file holds."""

    PSD = "psd"
    SYMMETRIC = "symmetric"
    HERMITIAN = "hermitian"
    RECTANGULAR = "rectangular"
