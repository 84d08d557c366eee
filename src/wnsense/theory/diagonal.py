"""What is known of diagonal linear networks with and without weight normalization (after arXiv 2305.05448).

The model is 1/2 ||A x^L - y||^2 with an entrywise power L >= 2 and x > 0; z = x^L. Signed networks are the same with
[A, -A] and twice as many entries. Plain gradient flow is x' = -grad. Weight normalization writes x = r u, ||u|| = 1,

    r' = -eta_r <u, grad>,    u' = -eta_u r (I - u u^T) grad,

with eta_r = eta r^p and eta_u = 1 (power p = 0 is constant, eta = 1 and p = 2 is the pair (r^2, 1)). Write phi for a
function with phi' = r / eta_r, which is r^2 / (2 eta) for p = 0, and U = u exp(phi(r)). The flow then gives

    L = 2: (log U)' = -2 r^2 A^T (A z - y),    L > 2: (U^{-(L - 2)})' = L (L - 2) r^L e^{-(L-2) phi} A^T (A z - y),

so that a change of log U, or of U^{-(L - 2)}, lies in the range of A^T. Plain flow does the same with x for U. Hence
the limit with weight normalization is that of plain flow from x_0 / rho. Formulas here were derived for this library
and are held against runs in its tests; numbers and NumPy arrays go in and come out.
"""

import math

import numpy as np
from jaxtyping import Float

from wnsense.checks import require, require_size
from wnsense.theory.arrays import positive_array, real_array

Vector = Float[np.ndarray, " n"]

_LARGEST_LOGARITHM = math.log(np.finfo(np.float64).max)


def exponent(depth: int) -> float:
    """The exponent q = 1 - 2 / L: the mirror map of plain flow is -z^{-q} (log z for q = 0).

    Raises:
        InputError: When the depth is below 2, or no whole number.
    """
    require_depth(depth)
    return 1 - 2 / depth


def require_depth(depth: int) -> None:
    """Raise `InputError` unless L is a whole number of at least 2."""
    require(depth >= 2, "a depth of at least 2", depth)
    require(depth % 1 == 0, "a depth that is a whole number", depth)


def require_rates(ratio: float, power: float) -> None:
    """Raise `InputError` unless eta is positive and finite, and p finite."""
    require(ratio > 0 and math.isfinite(ratio), "a positive ratio of learning rates", ratio)
    require(math.isfinite(power), "a finite power of the radius", power)


def potential(radius: float, ratio: float, power: float = 0.0) -> float:
    """phi(r) with phi' = r / (eta r^p), zero at r = 0 for p < 2; log(r) / eta for p = 2.

    Args:
        radius: r, positive.
        ratio: eta, positive.
        power: p, at most 2.

    Raises:
        InputError: When a number is out of its range.
    """
    require(radius > 0 and math.isfinite(radius), "a positive radius", radius)
    require_rates(ratio, power)
    require(power <= 2, "a power of at most 2", power)
    if power == 2:
        return math.log(radius) / ratio
    phi = _exp((2 - power) * math.log(radius)) / ((2 - power) * ratio)
    needed = "a radius and a ratio of learning rates whose phi is a number"
    require(math.isfinite(phi), needed, f"{radius:.3g} and {ratio:.3g}", "it is r^(2 - p) / ((2 - p) eta)")
    return phi


def log_magnification(start_radius: float, end_radius: float, ratio: float, power: float = 0.0) -> float:
    """The logarithm of rho, log(r_0 / r_inf) + phi(r_inf) - phi(r_0); see `magnification`.

    Raises:
        InputError: When a number is out of its range.
    """
    change = potential(end_radius, ratio, power) - potential(start_radius, ratio, power)
    return math.log(start_radius) - math.log(end_radius) + change


def magnification(start_radius: float, end_radius: float, ratio: float, power: float = 0.0) -> float:
    """rho: weight normalization ends where plain flow from x_0 / rho does.

    rho = (r_0 / r_inf) exp((r_inf^2 - r_0^2) / (2 eta)) for constant rates, and 1 for (r^2, 1).

    Args:
        start_radius: r_0, positive.
        end_radius: r_inf, positive.
        ratio: eta, positive.
        power: p, with eta_r = eta r^p.

    Returns:
        rho; infinite, or 0, where it leaves the range of numbers (`log_magnification` does not).

    Raises:
        InputError: When a number is out of its range.
    """
    return _exp(log_magnification(start_radius, end_radius, ratio, power))


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < _LARGEST_LOGARITHM else math.inf


def plain_invariant(x: Vector, depth: int) -> Vector:
    """The vector log x for L = 2, x^{-(L - 2)} otherwise: under plain flow its change lies in the range of A^T.

    Raises:
        InputError: When an entry is not positive, or the depth is below 2.
    """
    require_depth(depth)
    require((x > 0).all(), "positive entries", float(x.min()))
    return log_plain_invariant(np.log(x), depth)


def log_plain_invariant(log_x: Vector, depth: int) -> Vector:
    """The same of log x, which resolves entries that are too small for a number; infinite where it is too large itself.

    Raises:
        InputError: When the depth is below 2.
    """
    require_depth(depth)
    if depth == 2:
        return log_x
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-(depth - 2.0) * log_x))


def invariant(u: Vector, radius: float, depth: int, ratio: float, power: float = 0.0) -> Vector:
    """The vector log u + phi(r) for L = 2, (u e^{phi(r)})^{-(L - 2)} otherwise: its change lies in the range of A^T.

    Args:
        u: The direction, ||u|| = 1, positive entries.
        radius: r.
        depth: L.
        ratio: eta.
        power: p, with eta_r = eta r^p.

    Raises:
        InputError: When an entry of u is not positive, or a number out of its range.
    """
    require_depth(depth)
    require((u > 0).all(), "positive entries", float(u.min()))
    return log_plain_invariant(np.log(u) + potential(radius, ratio, power), depth)


def kernel_component(A: Float[np.ndarray, "m n"], change: Vector) -> float:
    """The part of a change that lies in the kernel of A, relative to the change; what a flow conserves makes it 0."""
    size = float(np.linalg.norm(change))
    if size == 0:
        return 0.0
    _, s, Vh = np.linalg.svd(A, full_matrices=False)
    rows = Vh[s > s[0] * max(A.shape) * np.finfo(s.dtype).eps]
    # Twice is enough: the first projection leaves a rounding error in the range.
    rest = change - rows.T @ (rows @ change)
    rest -= rows.T @ (rows @ rest)
    return float(np.linalg.norm(rest)) / size


# ------------------------------------------------------------------------------------------------- l1 bounds


def l1_excess_bound(start: Vector, least_norm: float, depth: int, log_magnification: float = 0.0) -> float:
    """The relative excess epsilon, ||z_inf||_1 - Q <= epsilon Q; infinite where Q is not above the start's l1 norm.

    With beta_1 = sum z_0, beta_min = min z_0, both divided by rho^L, and q = 1 - 2 / L:

        L = 2, any start:       log(beta_1 / beta_min) / log(Q / beta_1)
        L > 2, equal entries:   L (beta_1^q - beta_min^q) / (2 (Q^q - beta_1^q)).

    It follows from comparing the limit's divergence with that of a minimizer of the l1 norm; for unequal entries and
    L > 2 the second form is false (`weighted_norm` says what is minimized then).

    Args:
        start: z_0 = x_0^L, positive; 2 N entries of a signed network.
        least_norm: Q, the least l1 norm of a solution.
        depth: L.
        log_magnification: log rho; 0 for plain flow.

    Raises:
        InputError: When an entry is not positive, or L > 2 and the entries differ.
    """
    q = exponent(depth)
    start = positive_array("the start", start)
    require(least_norm > 0 and math.isfinite(least_norm), "a positive least l1 norm", least_norm)
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    spread = float(start.max() / start.min()) - 1
    # A start of equal entries is raised to a power here and there: a few roundings are no inequality.
    equal = depth == 2 or spread <= 1e-12 * depth
    require(equal, "equal entries of the start for L > 2", f"a spread of {spread:.1e}", "see `weighted_norm`")
    log_least = math.log(float(start.min())) - depth * log_magnification
    log_sum = math.log(float(start.sum())) - depth * log_magnification
    room = math.log(least_norm) - log_sum
    if room <= 0:
        return math.inf
    if depth == 2:
        return (log_sum - log_least) / room
    # Both differences over Q^q, so that a start of any smallness neither overflows nor vanishes.
    return (
        depth * (math.exp(-q * room) - math.exp(q * (log_least - math.log(least_norm)))) / (-2 * math.expm1(-q * room))
    )


def weighted_norm(z: Vector, start: Vector, depth: int) -> float:
    """sum_i z_i z_{0,i}^{-q}: what the limit minimizes as the start becomes small in its own proportions, L > 2.

    For L = 2 the weights are all 1: the bias of the proportions vanishes there.

    Raises:
        InputError: When an entry of the start is not positive, or the depth is below 2.
    """
    start, z = positive_array("the start", start), real_array("z", z, 1)
    require_size("z", z.shape, start.shape)
    weights: Vector = start ** -exponent(depth)
    return float((z * weights).sum())


def weighted_excess_bound(start: Vector, least: float, depth: int, log_magnification: float = 0.0) -> float:
    """The relative excess of W(z) = sum z_i w_i, w_i = z_{0,i}^{-q}, over the least, W; L > 2. Derived here.

        epsilon = L (r_0^{2q} - min_i z_{0,i}^{q(1-q)}) / (2 (W^q - r_0^{2q})),    r_0^2 = sum z_{0,i}^{1-q} = ||x_0||^2

    W is the least value over A z = y, z >= 0. The limit minimizes W(z) - (L/2) sum z^{1-q}, so that with z* of least
    weighted norm W(z) - W <= (L/2) (sum z^{1-q} - sum z*^{1-q}). By Hoelder's inequality the first sum is at most
    r_0^{2q} W(z)^{1-q}; the second, concave, is least at a vertex and at least min_i z_{0,i}^{q(1-q)} W^{1-q};
    W(z)^{1-q} lies below its tangent at W. For equal entries it is `l1_excess_bound`.

    Args:
        start: z_0 = x_0^L, positive; 2 N entries of a signed network.
        least: W, with the weights of the start as given (its proportions fix them up to a factor).
        depth: L.
        log_magnification: log rho, of that by which x_0 is divided; 0 for plain flow.

    Returns:
        epsilon; infinite where W is not above what the start has.

    Raises:
        InputError: When an entry or W is not positive, or the depth is 2, where all weights are 1.
    """
    require(depth > 2, "a depth above 2", depth, "for L = 2 the weights are all 1: see `l1_excess_bound`")
    q = exponent(depth)
    start = positive_array("the start", start)
    require(least > 0 and math.isfinite(least), "a positive least weighted norm", least)
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    # z_0 becomes z_0 / rho^L, W with it W rho^{L q}.
    log_start = np.log(start) - depth * log_magnification
    log_least = math.log(least) + depth * q * log_magnification
    log_sum = float(np.logaddexp.reduce((1 - q) * log_start))
    room = q * (log_least - log_sum)
    if room <= 0:
        return math.inf
    least_part = math.exp(q * ((1 - q) * float(log_start.min()) - log_least))
    return depth * (math.exp(-room) - least_part) / (-2 * math.expm1(-room))


def hypentropy(b: Vector, scale: float) -> float:
    """sum_i alpha^2 q(b_i / alpha^2), q(t) = 2 - sqrt(4 + t^2) + t asinh(t / 2) (Woodworth et al., arXiv 2002.09277).

    What plain flow of b = u^2 - v^2 from u = v = alpha minimizes among the solutions of A b = y.

    Args:
        b: A vector.
        scale: alpha, positive.

    Raises:
        InputError: When alpha is not positive.
    """
    require(scale > 0 and math.isfinite(scale), "a positive scale of the start", scale)
    b = real_array("b", b, 1)
    t = b / scale**2
    # 2 - sqrt(4 + t^2) without cancellation.
    root = np.sqrt(4 + t * t)
    return float(scale**2 * (-t * t / (2 + root) + t * np.arcsinh(t / 2)).sum())


def divergence(z: Vector, start: Vector, depth: int) -> float:
    """D_F(z, z_0) of the mirror map: the Kullback-Leibler divergence for L = 2.

    For L > 2, F(z) = -sum z^{1-q} / (1 - q) with 1 - q = 2 / L.

    Raises:
        InputError: When an entry of the start is not positive, or the depth is below 2.
    """
    q = exponent(depth)
    require((start > 0).all(), "positive entries", float(start.min()))
    require((z >= 0).all(), "entries of at least 0", float(z.min()))
    if depth == 2:
        logs = np.log(np.where(z > 0, z, 1)) - np.log(np.where(z > 0, start, 1))
        return float((z * logs - z + start).sum())
    return float(((start ** (1 - q) - z ** (1 - q)) / (1 - q) + start**-q * (z - start)).sum())


# ----------------------------------------------------------------------------------------------------- rates


def plain_loss_bound(time: float, limit: Vector, start: Vector, depth: int) -> float:
    """loss(t) <= D_F(z_inf, z_0) / (c t), c = 8 for L = 2 and 2 L (L - 2) otherwise.

    Since d/dt D_F(z_inf, z) = -c loss under plain flow, and the loss never grows.

    Args:
        time: t, positive.
        limit: z_inf.
        start: z_0.
        depth: L.

    Raises:
        InputError: When the time or an entry is not positive, or the depth is below 2.
    """
    require(time > 0, "a positive time", time)
    return divergence(limit, start, depth) / ((8 if depth == 2 else 2 * depth * (depth - 2)) * time)


def normalized_loss_bound(
    squared_radius_time: float, limit: Vector, start: Vector, ratio: float, power: float = 0.0
) -> float:
    """loss(t) <= (V(0) - V(inf)) / (8 s), s the integral of r^2 up to t: the rate for L = 2 with weight normalization.

    V = -sum_i z_{inf,i} log U_i^2 + integral of 2 r^3 / eta_r decreases at the rate 8 r^2 loss, and the loss never
    grows. Constant rates: V(0) - V(inf) = sum z_inf log(U_inf^2 / U_0^2) - (r_inf^4 - r_0^4) / (2 eta).

    Args:
        squared_radius_time: The integral of r^2 over time, positive; t times the least r^2 will do.
        limit: z_inf, positive.
        start: z_0, positive.
        ratio: eta.
        power: p, with eta_r = eta r^p.

    Raises:
        InputError: When a number is out of its range.
    """
    require(squared_radius_time > 0, "a positive time", squared_radius_time)
    require((start > 0).all() and (limit > 0).all(), "positive entries", "others")
    r0, r = math.sqrt(float(start.sum())), math.sqrt(float(limit.sum()))
    # U = x e^phi / r, and log rho = log(r_0 / r) + phi(r) - phi(r_0).
    growth = np.log(limit / start) + 2 * log_magnification(r0, r, ratio, power)
    work: float = 2 * (r ** (4 - power) - r0 ** (4 - power)) / ((4 - power) * ratio)
    return (float((limit * growth).sum()) - work) / (8 * squared_radius_time)


def decay_rate(
    A: Float[np.ndarray, "m n"], x: Vector, depth: int, ratio: float | None = None, power: float = 0.0
) -> float:
    """How fast the residual falls near a limit x: ||A z - y|| like exp(-rate t), for flow with eta_u = 1.

    The least eigenvalue of L^2 A X^{L-1} P X^{L-1} A^T with X = diag(x), where P = I for plain flow and
    P = r^2 (I - u u^T) + eta_r u u^T with weight normalization.

    Args:
        A: The map, (M, N).
        x: Where the flow ends.
        depth: L.
        ratio: eta; None for plain flow.
        power: p, with eta_r = eta r^p.
    """
    B = depth * A * x ** (depth - 1)
    if ratio is not None:
        radius = float(np.linalg.norm(x))
        u = x / radius
        along = B @ u
        # B P^{1/2}, whose squared singular values are wanted.
        B = radius * B + np.outer(along, (math.sqrt(ratio * radius**power) - radius) * u)
    least = float(np.linalg.svd(B, compute_uv=False)[-1])
    return least * least if A.shape[0] <= A.shape[1] else 0.0
