"""The full product of operators, flavors, sizes, precisions and laws, a case each."""

import pytest

from cases.operator_laws import LAWS, assert_laws_hold, orders
from cases.operators import OPERATORS

pytestmark = pytest.mark.slow

PRODUCT = [
    pytest.param(case, order, law, id=f"{case.name}-{flavor}-{order.count}x{order.shape[0]}-{law.name}")
    for case in OPERATORS
    for flavor in case.flavors
    for order in orders(case, flavor)
    for law in LAWS
    if law.applies(case, flavor)
]


@pytest.mark.parametrize(("case", "order", "law"), PRODUCT)
def test_law_holds(case, order, law):
    assert_laws_hold(case, order, [law])
