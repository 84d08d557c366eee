"""Report of the probes of an operator, in numbers and in words."""

import math
from dataclasses import dataclass

from wnsense.cards import card
from wnsense.sensing.space import Space
from wnsense.values import by_value

# Excess of the identity over other matrices from which the trace is treated apart, as in the calibration of solvers.
_TRACE_EXCESS = 3.0
_NO_TRACE = 0.1
# Gaussian measurements this many times the degrees of freedom recover reliably.
_RELIABLE = 3
# Errors below this, and above the tolerance, are like those of single precision.
_SINGLE_PRECISION = 1e-5


@dataclass(frozen=True)
@by_value
class OperatorReport:
    """Result of `check_operator`; `str()` of it is a text.

    Errors are relative to the sizes of the compared values. They are NaN if a fault of the outputs prevents a
    comparison.

    Attributes:
        description: Operator in one line.
        space: Space of the unknown.
        count: Number of measurements `n`.
        rank: Rank of the matrices whose lengths were compared.
        probes: Number of these matrices.
        tolerance: Largest error due to rounding; larger errors are faults.
        output_faults: Wrong shapes, dtypes or devices, NaN and zeros among the outputs, in words.
        adjoint_error: Error of `<M(Z), v> = Re <Z, M*(v)>`, relative to `||M(Z)|| ||v||`.
        adjoint_cause: Change that would make a wrong adjoint right, in words; empty if none was found.
        transpose_error: Error of `<U, M*(v) V> = <M*(v)^H U, V>`; for the symmetric kinds, of `M*(v)` being Hermitian.
        linearity_error: Error of `M(a Z + b Z') = a M(Z) + b M(Z')`.
        adjoint_linearity_error: Error of the linearity of `M*`.
        batch_error: Difference of a batch and a loop; infinite if a batch is refused.
        second_moment: (alpha, beta) of `E M*M(Z) = alpha Z + beta Tr(Z) I`, estimated; beta = 0 for kind rectangular.
        isometry_constant: Largest `| ||M(Z)||^2 / (alpha ||Z||^2 + beta Tr(Z)^2) - 1 |` of the probes, which bounds the
            restricted isometry constant of their rank from below; beta counts if `has_trace_component`.
        stretch: Least and greatest ratio of `||M(Z)||` to the prediction from alpha and beta.
    """

    description: str
    space: Space
    count: int
    rank: int
    probes: int
    tolerance: float
    output_faults: tuple[str, ...] = ()
    adjoint_error: float = math.nan
    adjoint_cause: str = ""
    transpose_error: float = math.nan
    linearity_error: float = math.nan
    adjoint_linearity_error: float = math.nan
    batch_error: float = math.nan
    second_moment: tuple[float, float] = (math.nan, math.nan)
    isometry_constant: float = math.nan
    stretch: tuple[float, float] = (math.nan, math.nan)

    @property
    def passed(self) -> bool:
        """True if each law holds up to rounding; lengths are no law."""
        errors = (
            self.adjoint_error,
            self.transpose_error,
            self.linearity_error,
            self.adjoint_linearity_error,
            self.batch_error,
        )
        return not self.output_faults and all(error <= self.tolerance for error in errors)

    @property
    def gain(self) -> float:
        """Root of `E ||M(Z)||^2 / ||Z||^2`, over matrices of zero trace if they are symmetric."""
        return math.sqrt(self.second_moment[0])

    @property
    def trace_excess(self) -> float:
        """Ratio `1 + m beta / alpha` of `||M(I)||^2` to that of other matrices of equal norm; 1 if rectangular."""
        alpha, beta = self.second_moment
        return 1 + self.space.shape[0] * beta / alpha

    @property
    def has_trace_component(self) -> bool:
        """True if `recover` treats the trace apart, since the identity is measured much longer than other matrices."""
        return self.trace_excess > _TRACE_EXCESS

    @property
    def reliable_rank(self) -> int:
        """Largest rank whose degrees of freedom fit three times into n; 0 if there is none."""
        ranks = range(1, min(self.space.shape) + 1)
        return sum(_RELIABLE * self.space.degrees_of_freedom(rank) <= self.count for rank in ranks)

    def __str__(self) -> str:
        """A few sentences, a line each."""
        if self.output_faults:
            return "\n".join([self.description, *(f"A fault: {fault}." for fault in self.output_faults)])
        # Lengths mean little if M is not linear, unless the reason is a lower precision.
        linear = self.linearity_error <= max(self.tolerance, _SINGLE_PRECISION)
        lengths = _length_sentences(self) if linear else []
        return "\n".join([self.description, *_law_sentences(self), *lengths, self._count_sentence()])

    def _repr_html_(self) -> str:
        """Return the sentences for a notebook."""
        first, *others = str(self).splitlines()
        return card(first, others, good=self.passed)

    def _count_sentence(self) -> str:
        degrees = self.space.degrees_of_freedom(self.rank)
        if self.count >= self.space.dimension:
            hope = "it is no less than the number of unknowns of a full matrix, so that any rank may be recoverable"
        elif self.reliable_rank:
            hope = f"ranks up to about {self.reliable_rank} are realistic"
        else:
            hope = f"even rank 1 needs about {_RELIABLE * self.space.degrees_of_freedom(1):,}"
        times = f"{self.count / degrees:.3g} times the {degrees:,} degrees of freedom of rank {self.rank}"
        return f"n = {self.count:,} is {times}; {hope}."


def _law_sentences(report: OperatorReport) -> list[str]:
    sentences = [*_linearity_sentences(report), adjoint_sentence(report), *_transpose_sentences(report)]
    if math.isinf(report.batch_error):
        sentences.append("A batch is refused, a loop is not: leading dimensions of X and Theta are several points.")
    elif not _rounding(report, report.batch_error):
        sentences.append(f"The results of a batch and of a loop {_differ(report, report.batch_error)}.")
    if report.passed:
        sentences.append("It is linear, a batch gives the results of a loop, and dtype and device are kept.")
    return sentences


def _rounding(report: OperatorReport, error: float) -> bool:
    return error <= report.tolerance


def _single_precision(report: OperatorReport, error: float) -> bool:
    return report.tolerance < error < _SINGLE_PRECISION


def _differ(report: OperatorReport, error: float) -> str:
    return f"differ by {error:.1e} of their size, where rounding allows {report.tolerance:.1e}"


def _linearity_sentences(report: OperatorReport) -> list[str]:
    sentences = []
    if not _rounding(report, report.linearity_error):
        sentences.append(
            f"M is not linear: M(a Z + b Z') and a M(Z) + b M(Z') {_differ(report, report.linearity_error)}. Possible "
            "reasons: (a) it takes magnitudes: square them, intensities are linear in Z and amplitudes are not; (b) it "
            "adds a constant, such as a dark level: subtract it; (c) it changes its argument, or draws random numbers; "
            f"(d) it computes in a lower precision.{_precision_hint(report, report.linearity_error)}"
        )
    if not _rounding(report, report.adjoint_linearity_error):
        error = report.adjoint_linearity_error
        sentences.append(
            f"M* is not linear: M*(a v + b v') and a M*(v) + b M*(v') {_differ(report, error)}."
            f"{_precision_hint(report, error)}"
        )
    return sentences


def _precision_hint(report: OperatorReport, error: float) -> str:
    return " So small a difference is one of single precision." if _single_precision(report, error) else ""


def adjoint_sentence(report: OperatorReport) -> str:
    """Return the sentence on the law `<M(Z), v> = Re <Z, M*(v)>`."""
    error = report.adjoint_error
    if _rounding(report, error):
        agree = f"agree to {error:.1e} of their size, where rounding allows {report.tolerance:.1e}"
        return f"The adjoint is right: <M(Z), v> and Re <Z, M*(v)> {agree}."
    reason = _precision_hint(report, error)
    if not reason and not _rounding(report, report.linearity_error):
        reason = " Here it is (c), as said above."
    if report.adjoint_cause:
        reason = f" Here {report.adjoint_cause}."
    return (
        f"The adjoint is wrong: <M(Z), v> and Re <Z, M*(v)> {_differ(report, error)}. Possible reasons: (a) a "
        "conjugate or a transpose is missing: M*(v) = sum_i v_i M_i where y_i = Re <M_i, Z>; (b) one of the two is "
        "scaled, for example by 1/n or 1/sqrt(n); (c) M is not linear, and has no adjoint; (d) one of the two computes "
        f"in a lower precision.{reason}"
    )


def _transpose_sentences(report: OperatorReport) -> list[str]:
    if _rounding(report, report.transpose_error):
        return []
    differ = _differ(report, report.transpose_error)
    if report.space.kind.is_symmetric:
        word, other = ("Hermitian", "R^H") if report.space.is_complex else ("symmetric", "R^T")
        return [f"M*(v) is not {word}: R = M*(v) and {other} {differ}. Let it return (R + {other}) / 2."]
    return [f"adjoint_transpose_times does not apply M*(v)^H: <U, M*(v) V> and <M*(v)^H U, V> {differ}."]


def _length_sentences(report: OperatorReport) -> list[str]:
    alpha = report.second_moment[0]
    traceless = " over matrices of zero trace" if report.space.kind.is_symmetric and report.space.shape[0] > 1 else ""
    sentences = [f"The gain is {report.gain:.3g}: ||M(Z)||^2 is {alpha:.3g} ||Z||^2 on the average{traceless}."]
    factor = math.sqrt(max(report.trace_excess, 0))
    identity = f"the identity is measured {factor:.2g} times as long as a matrix of the same norm and zero trace"
    if report.has_trace_component:
        sentences.append(f"A trace component: {identity}, as by rank-one measurements; recover() treats it apart.")
    elif report.trace_excess < _NO_TRACE:
        sentences.append(f"The trace is measured weakly: {identity}.")
    least, most = report.stretch
    apart = ", the trace component apart" if report.has_trace_component else ""
    sentences.append(
        f"Lengths of {report.probes} random matrices of rank {report.rank} are kept up to factors between {least:.3g} "
        f"and {most:.3g}{apart}: the restricted isometry constant is at least {report.isometry_constant:.2g}. Random "
        "probes only bound it from below, since the worst matrix is hardly ever drawn."
    )
    return sentences
