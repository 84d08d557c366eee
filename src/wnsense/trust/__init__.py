"""Questions about an answer.

| question | names |
|---|---|
| Do two independent recoveries agree? | `agreement`, `Agreement` |
| How far is the matrix from the best one? | `certify`, `Certificate` |
| Do the measurements determine the matrix? | `identifiability`, `Identifiability` |
| How exact is a number computed from it? | `standard_errors`, `StandardErrors`, `Estimate`, `ErrorMethod` |
"""

from wnsense.trust.agreement import Agreement, agreement
from wnsense.trust.certificate import Certificate, certify
from wnsense.trust.identifiability import Identifiability, identifiability
from wnsense.trust.standard_errors import ErrorMethod, Estimate, StandardErrors, standard_errors

__all__ = [
    "Agreement",
    "Certificate",
    "ErrorMethod",
    "Estimate",
    "Identifiability",
    "StandardErrors",
    "agreement",
    "certify",
    "identifiability",
    "standard_errors",
]
