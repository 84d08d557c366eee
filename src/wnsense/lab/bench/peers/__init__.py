"""The same problems given to public libraries, to compare with: not what `recover()` is made of."""

from wnsense.lab.bench.peers.convex import nuclear_norm_minimization
from wnsense.lab.bench.peers.peer_result import PeerResult
from wnsense.lab.bench.peers.riemannian import riemannian_trust_region

__all__ = ["PeerResult", "nuclear_norm_minimization", "riemannian_trust_region"]
