"""Strategies: policies that allow a given request, and what may keep them from it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from issuer.policy.patterns.uris import UriPattern
from tests.differential.cases import SHARED_NAMESPACES, Request, Spec
from tests.differential.csrs import ATTRIBUTES, KEYS, USAGES
from tests.differential.requests import (
    OTHER_ATTRIBUTES,
    OTHER_NAMES,
    SAN_FIELDS,
    SINGLE,
    Draw,
    chance,
    pick,
    some,
)
from tests.differential.rules import EASY_RULES, FAILING_RULES, RULES

LIMITS = (
    "1h",
    "1h0m0s",
    "3600s",
    "1h30m",
    "24h",
    "23h59m59s",
    "24h0m1s",
    "720h0m0s",
    "1h0m0.5s",
    "2160h",
    "0s",
)


@st.composite
def allowing(draw: Draw, request: Request) -> Spec:
    """`allowed` and `constraints` that this request meets, as far as no rule forbids it."""
    plan = request.plan
    allowed: Spec = {}
    for kind, field in SAN_FIELDS.items():
        values = getattr(plan, kind)
        if values or draw(chance(15)):
            allowed[field] = draw(_values(values))
    subject: Spec = {}
    for field in ATTRIBUTES:
        values = tuple(value for name, value in plan.subject if name == field)
        if not values and not draw(chance(8)):
            continue
        where = allowed if field == "commonName" else subject
        where[field] = draw(_value(values) if field in SINGLE else _values(values))
    subject["otherAttributes"] = draw(
        _by_oid(tuple(one for one in plan.subject if one[0][0].isdigit()), OTHER_ATTRIBUTES)
    )
    allowed["otherNames"] = draw(_by_oid(plan.other_names, OTHER_NAMES))
    allowed["subject"] = subject
    if request.is_ca or draw(chance(10)):
        allowed["isCA"] = True
    if request.usages or draw(chance(15)):
        allowed["usages"] = sorted({*request.usages, *draw(some(USAGES))})
    return {"allowed": allowed, "constraints": draw(_constraints(request))}


@st.composite
def _constraints(draw: Draw, request: Request) -> Spec:
    found: Spec = {}
    if draw(chance(40 if request.duration else 5)):
        low, high = draw(pick(_SPANS))
        found |= {key: value for key, value in (("minDuration", low), ("maxDuration", high)) if value}
    if draw(chance(40)):
        found["privateKey"] = draw(_private_key(request.plan.key))
    return found


_SPANS = ((None, "24h"), ("1h", None), ("1h", "1h0m0s"), ("0s", "2160h"), ("1h", "720h0m0s"), (None, "2160h"),
          ("1h0m0.5s", "24h"), ("3600s", "23h59m59s"), (None, "90m"))  # fmt: skip


@st.composite
def _private_key(draw: Draw, key: str) -> Spec:
    algorithm = "Ed25519" if key == "ed25519" else "ECDSA" if key.startswith("ecdsa") else "RSA"
    found: Spec = {}
    if draw(chance(60)):
        found["algorithm"] = algorithm if draw(chance(85)) else draw(pick(("RSA", "ECDSA")))
    if found.get("algorithm") != "Ed25519":
        size = int(key[5:] or 0) if algorithm == "ECDSA" else int(key[3:]) if algorithm == "RSA" else 0
        if draw(chance(50)):
            found["minSize"] = draw(pick((size, size, max(0, size - 1), min(8192, size + 1), 0)))
        if draw(chance(50)):
            largest = draw(pick((size, size, size - 1, size - 1, size + 1, 8192)))
            found["maxSize"] = max(found.get("minSize", 0), largest)
    return found


@st.composite
def _values(draw: Draw, values: tuple[str, ...]) -> Spec:
    """An allowed list: patterns for every value, rules, or both."""
    found: Spec = {}
    how = draw(st.integers(1, 10))
    if how <= 9:
        found["values"] = [draw(_pattern(value)) for value in values] + (["unused"] if how <= 2 else [])
    if how >= 9:
        found["validations"] = draw(_validations(EASY_RULES))
    if values and draw(chance(25)) and (found.get("values") is not None or found.get("validations")):
        found["required"] = True
    return found


@st.composite
def _value(draw: Draw, values: tuple[str, ...]) -> Spec:
    found: Spec = {}
    how = draw(st.integers(1, 10))
    if how <= 9:
        found["value"] = draw(_pattern(values[0] if values else "Lab"))
    if how >= 9:
        found["validations"] = draw(_validations(EASY_RULES))
    if values and draw(chance(25)):
        found["required"] = True
    return found


def _validations(rules: tuple[str, ...] = RULES) -> st.SearchStrategy[list[dict[str, str]]]:
    chosen = st.lists(pick(rules), min_size=1, max_size=2, unique=True)
    return chosen.map(lambda given: [{"rule": rule, "message": "no"} for rule in given])


@st.composite
def _by_oid(draw: Draw, held: tuple[tuple[str, str], ...], pool: tuple[tuple[str, str], ...]) -> list[Spec]:
    oids = sorted({oid for oid, _ in held} | ({draw(pick(pool))[0]} if draw(chance(10)) else set()))
    found = []
    for oid in oids:
        values = tuple(_shown(value) for one, value in held if one == oid)
        found.append({"oid": oid, **draw(_values(values))})
    return found


def _shown(value: str) -> str:
    """How policies see a value: text of any string type as text, other DER as hex."""
    if value.startswith("hex:16"):
        return bytes.fromhex(value.removeprefix("hex:"))[2:].decode()
    return value.removeprefix("hex:")


@st.composite
def _pattern(draw: Draw, value: str) -> str:
    """The value itself, or it with a run of characters (perhaps none) made a wildcard."""
    how = draw(st.integers(1, 12))
    if how <= 5 or not value:
        return value
    cut = draw(st.integers(0, len(value)))
    tail = draw(st.integers(cut, len(value)))
    wild = (
        "*",
        value[:cut] + "*",
        "*" + value[cut:],
        f"{value[:cut]}*{value[tail:]}",
        value + "*",
        f"*{value[cut:tail]}*",
        f"**{value[cut:tail]}*{value[tail:]}",
    )
    # The deliberate difference `uri-patterns` has examples of its own.
    uri = UriPattern.parse(wild[how - 6])
    return wild[how - 6] if uri is None or uri.matches(value) else value


@st.composite
def selector(draw: Draw, request: Request, *, by_namespace: bool) -> Spec:
    """A selector of the request; something in it is always this group's own."""
    if by_namespace:
        namespace = draw(
            pick(
                (
                    {"matchNames": [request.namespace]},
                    {"matchNames": ["gNNNN-*"]},
                    {"matchNames": ["nobody", "*NNN-x", "gNNNN-*"]},
                    {"matchLabels": {"group": "gNNNN"}},
                    {"matchLabels": {"group": "gNNNN", "env": "prod"}},
                    {"matchNames": ["gNNNN*y"], "matchLabels": {"env": "dev"}},
                )
            )
        )
        names = [name.replace("*NNN", "gNNNN") for name in namespace.get("matchNames", [])]
        namespace = {**namespace, **({"matchNames": names} if names else {})}
        return {
            "namespace": namespace,
            **draw(pick(({}, {"issuerRef": {}}, {"issuerRef": {"name": "*"}}))),
        }
    reference: Spec = {"name": draw(pick(_NAME_PATTERNS))}
    for field, default in (("kind", "Issuer"), ("group", "cert-manager.io")):
        if draw(chance(40)):
            reference[field] = draw(_pattern(request.reference.get(field, default)))
    found: Spec = {"issuerRef": reference}
    if draw(chance(35)):
        found["namespace"] = draw(_namespace_selector(request.namespace))
    return found


_NAME_PATTERNS = (
    "gNNNN-demo",
    "gNNNN-demo",
    "gNNNN-*",
    "*gNNNN-demo",
    "gNNNN*",
    "*gNNNN*",
    "gNNNN-d*o",
    "gNNNN-demo*",
)


@st.composite
def _namespace_selector(draw: Draw, namespace: str) -> Spec:
    found: Spec = {}
    if draw(chance(60)):
        found["matchNames"] = [draw(_pattern(namespace)), *draw(pick(((), ("other",))))]
    if draw(chance(50)):
        labels = SHARED_NAMESPACES[namespace]
        keys = sorted(labels)[: draw(st.integers(0, len(labels)))]
        found["matchLabels"] = {key: labels[key] for key in keys}
    return found


# Changes to a policy that may make it refuse.


@st.composite
def twist(draw: Draw, spec: Spec) -> None:
    draw(_TWISTS[draw(pick((*sorted(_TWISTS), "rule", "rule", "spoil")))](spec))


@st.composite
def _drop(draw: Draw, spec: Spec) -> None:
    where = _holder(draw, spec)
    fields = sorted(key for key in where if key not in ("subject", "otherNames", "otherAttributes"))
    if fields:
        del where[draw(pick(fields))]


def _holder(draw: Draw, spec: Spec) -> Spec:
    holder: Spec = spec["allowed"]["subject"] if draw(st.booleans()) else spec["allowed"]
    return holder


def _lists(spec: Spec) -> list[Spec]:
    allowed = spec["allowed"]
    found = [allowed.get(field) for field in (*SAN_FIELDS.values(), "commonName")]
    found += [one for key, one in allowed["subject"].items() if key != "otherAttributes"]
    found += allowed["otherNames"] + allowed["subject"]["otherAttributes"]
    return [one for one in found if one is not None]


@st.composite
def _spoil(draw: Draw, spec: Spec) -> None:
    """Another pattern somewhere, one that is close."""
    fields = [one for one in _lists(spec) if one.get("values") or one.get("value")]
    if not fields:
        return
    field = draw(pick(fields))
    if "value" in field:
        field["value"] = draw(_near(field["value"]))
    else:
        at = draw(st.integers(0, len(field["values"]) - 1))
        field["values"][at] = draw(_near(field["values"][at]))


def _near(value: str) -> st.SearchStrategy[str]:
    return pick(
        (
            value[:-1],
            value + "x",
            value.upper(),
            value.swapcase(),
            value.lower(),
            value.replace(".", "?"),
            "*." + value,
            "",
            value.replace("*", ""),
        )
    )


@st.composite
def _require(draw: Draw, spec: Spec) -> None:
    """Something required that the request may not have."""
    field = draw(pick((*SAN_FIELDS.values(), *ATTRIBUTES, "otherNames", "otherAttributes")))
    where = (
        spec["allowed"]
        if field in (*SAN_FIELDS.values(), "commonName", "otherNames")
        else spec["allowed"]["subject"]
    )
    if field in ("otherNames", "otherAttributes"):
        pool = OTHER_NAMES if field == "otherNames" else OTHER_ATTRIBUTES
        oid = draw(pick(pool))[0]
        if all(one["oid"] != oid for one in where[field]):
            where[field] = [*where[field], {"oid": oid, "values": ["*"], "required": True}]
        return
    single = {"value": "*"} if field in SINGLE else {"values": ["*"]}
    where[field] = {**single, **where.get(field, {}), "required": True}


@st.composite
def _rule(draw: Draw, spec: Spec) -> None:
    fields = _lists(spec)
    if fields:
        draw(pick(fields))["validations"] = draw(_validations())


@st.composite
def _fail(draw: Draw, spec: Spec) -> None:
    """A rule that can't be evaluated, on a field that the request has more likely than not."""
    fields = [one for one in _lists(spec) if one.get("required") or one.get("values") or one.get("value")]
    if fields:
        draw(pick(fields))["validations"] = draw(_validations(FAILING_RULES))


@st.composite
def _settle(draw: Draw, spec: Spec) -> None:
    """Other plain fields: CA, usages, constraints."""
    match draw(st.integers(1, 4)):
        case 1:
            spec["allowed"]["isCA"] = draw(st.booleans())
        case 2:
            spec["allowed"]["usages"] = sorted(draw(some(USAGES, 4)))
        case 3:
            spec["constraints"]["maxDuration"] = draw(pick(LIMITS))
            spec["constraints"].pop("minDuration", None)
        case _:
            spec["constraints"]["privateKey"] = draw(_private_key(draw(pick(KEYS))))


@st.composite
def _miss(draw: Draw, spec: Spec) -> None:
    """A selector that is close."""
    reference = spec["selector"].get("issuerRef")
    if not reference or "name" not in reference or reference["name"] == "*":
        return
    field = draw(pick(sorted(reference)))
    if field == "name":
        reference["name"] = draw(pick(("gNNNN-prod", "gNNNN-dem", "gNNNN-demo-*", "GNNNN-demo")))
    else:
        reference[field] = draw(_near(reference[field]))


_TWISTS: dict[str, Callable[[Spec], st.SearchStrategy[None]]] = {
    "drop": _drop,
    "fail": _fail,
    "miss": _miss,
    "require": _require,
    "rule": _rule,
    "settle": _settle,
    "spoil": _spoil,
}


def pruned(spec: Spec) -> Spec:
    """Without the empty lists and objects that were there to be changed; an empty `values` stays."""
    allowed = dict(spec["allowed"])
    subject = {
        key: value for key, value in allowed.pop("subject").items() if key != "otherAttributes" or value
    }
    if subject:
        allowed["subject"] = subject
    if not allowed["otherNames"]:
        del allowed["otherNames"]
    found = {"selector": spec["selector"], "allowed": allowed, "constraints": spec["constraints"]}
    return {key: value for key, value in found.items() if value or key == "selector"}
