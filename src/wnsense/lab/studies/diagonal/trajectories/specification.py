"""Part of the study: one flow, integrated to a time."""

from dataclasses import dataclass

from wnsense.lab.studies.diagonal.diagonal_parts import FlowPart


@dataclass(frozen=True)
class TrajectoryPart(FlowPart):
    """One flow, integrated to a time.

    Attributes:
        time: Time of the end.
        tolerance: Tolerance of the integrator.
    """

    time: float
    tolerance: float = 1e-10
