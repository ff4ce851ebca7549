"""Answers of Vault's that are handed over: whatever came, it is read, or refused in words."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.renewal.keepers.delivered import DeliveredAnswer, DeliveredKeeper, NotDelivered, read_answer
from issuer.agent.renewal.keys import key_pem
from tests.unit.agent.process.test_telling import Machine, made_at

FIELDS = ("ca_chain", "issuing_ca", "private_key", "certificate", "data")
ODD: tuple[Any, ...] = (5, True, 1.5, {"a": 1}, [5], [None, {}], "\ud800", ["\ud800"], [[["x"]]])


@pytest.mark.parametrize("field", FIELDS[:4])
@pytest.mark.parametrize("value", [one for one in ODD if one != [5]], ids=repr)
def test_field_of_another_kind_is_named(field: str, value: Any) -> None:
    with pytest.raises(NotDelivered, match=f'"{field}" of what came is not PEM text'):
        read_answer(json.dumps({field: value}))


@pytest.mark.parametrize("opening", ['{"data":', "[", '{"ca_chain":['])
def test_deep_nesting_is_refused(opening: str) -> None:
    with pytest.raises(NotDelivered, match="not JSON"):
        read_answer(opening * 60_000)


def test_any_json_is_read_or_refused() -> None:
    chosen = random.Random(20)
    values = (*ODD, None, "", [], {}, "text", ["a", "b"], 10**400, float("nan"))
    for _ in range(3000):
        made: Any = {field: chosen.choice(values) for field in FIELDS if chosen.random() < 0.6}
        for _ in range(chosen.randrange(3)):
            made = chosen.choice([{"data": made}, [made], {"ca_chain": made}])
        text = json.dumps(made)
        if chosen.random() < 0.2:
            text = text[: chosen.randrange(len(text) + 1)]
        with suppress(NotDelivered):
            assert isinstance(read_answer(text), DeliveredAnswer)


def test_certificate_of_a_ca_is_delivered_to_no_server(tmp_path: Path) -> None:
    machine = Machine(tmp_path, delivered=True)
    made = made_at(machine.time)
    pem = made.leaf.public_bytes(Encoding.PEM).decode()
    assert isinstance(machine.keeper, DeliveredKeeper)
    with pytest.raises(NotDelivered, match=r"is a CA's.* belong to caChains"):
        machine.keeper.deliver(DeliveredAnswer(key_pem(made.key_der or b""), pem, pem))
    assert machine.keeper.look().kept is None
