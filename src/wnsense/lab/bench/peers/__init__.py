"""Public libraries on the problems of this package, to compare with `recover()`, which does not use them.

`nuclear_norm_minimization` calls CVXPY, `riemannian_trust_region` calls pymanopt; both return a `PeerResult`.
"""

from wnsense.lab.bench.peers.convex import nuclear_norm_minimization
from wnsense.lab.bench.peers.peer_result import PeerResult
from wnsense.lab.bench.peers.riemannian import riemannian_trust_region

__all__ = ["PeerResult", "nuclear_norm_minimization", "riemannian_trust_region"]
