"""Policies and requests of hypothesis' choosing.

A request is drawn first, then policies that allow it, and then both are changed in one or two places: a
decision close to the border shows more than two random objects that have nothing to do with each other.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.differential.cases import SHARED_NAMESPACES, Group, Spec
from tests.differential.policies import allowing, pruned, selector, twist
from tests.differential.requests import Draw, chance, changed, pick, requests


@st.composite
def groups(draw: Draw) -> Group:
    """One to three policies and three to six requests around them."""
    base = draw(requests())
    by_namespace = draw(chance(12))
    own = {f"gNNNN-{one}": {"group": "gNNNN", "env": env} for one, env in (("x", "prod"), ("y", "dev"))}
    if by_namespace:
        base = replace(base, namespace=draw(pick(sorted(own))))
    policies: dict[str, Spec] = {}
    for index in range(draw(pick((1, 1, 2, 2, 3)))):
        spec = draw(allowing(base))
        spec["selector"] = draw(selector(base, by_namespace=by_namespace))
        for _ in range(draw(pick((0, 0, 0, 1, 1, 2)))):
            draw(twist(spec))
        policies[f"gNNNN-p{index}"] = pruned(spec)
    others = draw(st.lists(changed(base, sorted(own) if by_namespace else sorted(SHARED_NAMESPACES)),
                           min_size=2, max_size=5))  # fmt: skip
    return Group(policies, (base, *others), own if by_namespace else {})
