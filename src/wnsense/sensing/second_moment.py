"""Second moment of an operator, and of some of its rows."""

from wnsense.sensing.operator import Operator


def moment_of_rows(operator: Operator, k: int) -> tuple[float, float] | None:
    """The second moment of k of an operator's n rows, chosen without looking at them: k/n of that of all."""
    if operator.second_moment is None:
        return None
    alpha, beta = operator.second_moment
    return (alpha * k / operator.count, beta * k / operator.count)
