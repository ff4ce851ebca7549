"""Logins, and the way back when they are lost: the kept token, secret IDs, the machine's own certificate."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.text import rfc3339
from tests.agent.support import Machine, policy


@pytest.fixture
def enrolled(machine: Machine) -> Machine:
    """A machine that may make its own secret IDs, each for one login, and was given a wrapped one."""
    role = f"auth/approle/role/{machine.name}"
    bounds = {"secret_id_num_uses": 1, "secret_id_ttl": "24h"}
    machine.bao.write(role, {"token_policies": [machine.name], "token_period": "1h", **bounds})
    destroy_secret_ids(machine)
    rules = f'path "{role}/secret-id" {{ capabilities = ["update"] }}\n'
    rules += f'path "{role}/secret-id-accessor/destroy" {{ capabilities = ["update"] }}\n'
    allow(machine, rules)
    app_role = machine.data["vault"]["login"]["appRole"]
    del app_role["secretIdFile"]
    app_role["roleName"] = machine.name
    app_role["wrappedSecretIdFile"] = str(machine.folder / "wrapped.json")
    wrap(machine)
    return machine


def allow(machine: Machine, more: str) -> None:
    machine.bao.write(f"sys/policies/acl/{machine.name}", {"policy": policy(machine.name) + more})


def wrap(machine: Machine, *, life: timedelta = timedelta(minutes=5), path: str = "") -> str:
    """Put a wrapped secret ID on the machine, as enrolment does; returns the wrapping token."""
    made_by = path or f"auth/approle/role/{machine.name}/secret-id"
    answer = machine.bao.call("POST", made_by, {}, headers={"X-Vault-Wrap-TTL": "5m"})
    token = str(answer["wrap_info"]["token"])
    (machine.folder / "wrapped.json").write_text(
        json.dumps(
            {
                "token": token,
                "deadline": rfc3339(datetime.now(UTC) + life),
                "creationPath": f"auth/approle/role/{machine.name}/secret-id",
            }
        )
    )
    return token


def unwrapped(machine: Machine, token: str) -> dict[str, Any]:
    return machine.bao.call("POST", "sys/wrapping/unwrap", {}, token=token)


def accessors(machine: Machine) -> list[str]:
    found = machine.bao.read(f"auth/approle/role/{machine.name}/secret-id?list=true")
    return [str(one) for one in found["keys"]]


def destroy_secret_ids(machine: Machine) -> None:
    role = f"auth/approle/role/{machine.name}"
    for accessor in accessors(machine):
        machine.bao.write(f"{role}/secret-id-accessor/destroy", {"secret_id_accessor": accessor})


def lose_token(machine: Machine) -> None:
    for path in (machine.folder / "state").glob("token-*"):
        path.unlink()


def test_wrapped_secret_id_works_once_and_the_next_is_ready(enrolled: Machine) -> None:
    enrolled.once()
    shown = enrolled.run("status").stdout
    assert "Logged in by wrapped secret ID" in shown
    ready = accessors(enrolled)
    assert len(ready) == 1  # unused; the wrapped one is used up
    enrolled.once()
    assert accessors(enrolled) == ready
    for path in (enrolled.folder / "state").glob("*-*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_lost_token_is_replaced_by_the_own_secret_id(enrolled: Machine) -> None:
    enrolled.once()
    ready = accessors(enrolled)
    lose_token(enrolled)
    assert enrolled.run("renew", "web").exit_code == 0
    assert "Logged in by own secret ID" in enrolled.run("status").stdout
    assert len(accessors(enrolled)) == 1
    assert accessors(enrolled) != ready


def test_secret_id_in_its_second_half_is_replaced_and_destroyed(enrolled: Machine) -> None:
    enrolled.once()
    [old] = accessors(enrolled)
    [kept] = (enrolled.folder / "state").glob("secret-id-*")
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "made_at": rfc3339(datetime.now(UTC) - timedelta(days=2))}))
    enrolled.once()
    [new] = accessors(enrolled)
    assert new != old


def test_secret_ids_that_may_not_be_made_are_told(enrolled: Machine) -> None:
    allow(enrolled, "")
    with structlog.testing.capture_logs() as logs:
        enrolled.once()
    [told] = [one for one in logs if "can't make its next secret ID" in one["event"]]
    assert "auth/<mount>/role/<name>/secret-id" in told["event"]


def test_stolen_secret_id_is_told_from_an_expired_one(enrolled: Machine) -> None:
    unwrapped(enrolled, wrap(enrolled))
    ran = enrolled.run("once")
    assert ran.exit_code == 1
    assert "somebody else has unwrapped it, or revoked it" in ran.stderr
    assert f"vault-issuer enroll --renew {enrolled.name}" in ran.stderr
    unwrapped(enrolled, wrap(enrolled, life=timedelta(seconds=-1)))
    assert "expired at" in enrolled.run("once").stderr
    (enrolled.folder / "wrapped.json").write_text("s.nonsense")
    assert "without the deadline" in enrolled.run("once").stderr
    wrap(enrolled)
    enrolled.once()


def test_token_of_another_path_is_not_unwrapped(enrolled: Machine) -> None:
    token = wrap(enrolled, path="sys/wrapping/wrap")
    ran = enrolled.run("once")
    assert ran.exit_code == 1
    assert 'was made by "sys/wrapping/wrap"' in ran.stderr
    assert unwrapped(enrolled, token)


def test_machine_comes_back_by_its_own_certificate(enrolled: Machine) -> None:
    mount = f"cert-{enrolled.name}"
    enrolled.bao.write(f"sys/auth/{mount}", {"type": "cert"})
    ca = enrolled.bao.read(f"{enrolled.name}/cert/ca")["certificate"]
    enrolled.bao.write(
        f"auth/{mount}/certs/web",
        {
            "certificate": ca,
            "allowed_dns_sans": ["web.example.com"],
            "token_policies": [enrolled.name],
            "token_ttl": "1h",
        },
    )
    web = enrolled.folder / "web"
    enrolled.data["certificates"][0]["commonName"] = "web.example.com"  # OpenBao names the token by it
    enrolled.data["vault"]["login"]["certificate"] = {
        "certificateFile": str(web / "tls.crt"),
        "keyFile": str(web / "tls.key"),
        "role": "web",
        "mount": mount,
    }
    enrolled.once()
    lose_token(enrolled)
    destroy_secret_ids(enrolled)
    ran = enrolled.run("renew", "web")
    assert ran.exit_code == 0, ran.output
    shown = enrolled.run("status").stdout
    assert "Login by own secret ID was refused" in shown
    assert f"Logged in by client certificate login at auth/{mount}" in shown
    assert len(accessors(enrolled)) == 1  # made anew: the next loss finds it


def test_all_lost_together_is_told_with_what_to_do(enrolled: Machine) -> None:
    enrolled.once()
    leaf = enrolled.served()
    for path in (enrolled.folder / "state").glob("*-*"):
        path.unlink()
    (enrolled.folder / "wrapped.json").unlink()
    ran = enrolled.run("renew", "web")
    assert ran.exit_code == 1
    assert f'Run "vault-issuer enroll --renew {enrolled.name}"' in ran.stderr
    assert enrolled.served() == leaf


def test_refused_secret_id_is_not_tried_again_and_again(machine: Machine) -> None:
    good = (machine.folder / "secret-id").read_text()
    (machine.folder / "secret-id").write_text("never given")
    before = len(machine.bao.audited("auth/approle/login", "request"))
    for _ in range(4):
        assert machine.run("once").exit_code == 1
    assert len(machine.bao.audited("auth/approle/login", "request")) == before + 1
    (machine.folder / "secret-id").write_text(good)
    machine.once()


def test_role_id_alone_logs_in_where_the_role_binds_no_secret_id(machine: Machine) -> None:
    del machine.data["vault"]["login"]["appRole"]["secretIdFile"]
    before = len(machine.bao.audited("auth/approle/login", "request"))
    for _ in range(4):
        refused = machine.run("once")
        assert refused.exit_code == 1
        assert "bind_secret_id=false" in refused.stderr
    assert len(machine.bao.audited("auth/approle/login", "request")) == before + 1
    bound = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8"]}
    machine.bao.write(f"auth/approle/role/{machine.name}", {"token_policies": [machine.name], **bound})
    machine.run("once")
    assert machine.status()["state"] == "Missing", "not tried again at once, lest Vault lock the role"
    machine.data["stateFolder"] += "-2"
    machine.once()


def test_token_file_and_jwt(machine: Machine) -> None:
    made = machine.bao.call("POST", "auth/token/create", {"policies": [machine.name], "ttl": "1h"})
    (machine.folder / "token").write_text(made["auth"]["client_token"])
    machine.data["vault"]["login"] = {"token": {"file": str(machine.folder / "token")}}
    machine.once()
    mount = f"jwt-{machine.name}"
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    machine.bao.write(f"sys/auth/{mount}", {"type": "jwt"})
    machine.bao.write(f"auth/{mount}/config", {"jwt_validation_pubkeys": [public]})
    machine.bao.write(
        f"auth/{mount}/role/web",
        {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["vault"],
            "token_policies": [machine.name],
        },
    )
    (machine.folder / "jwt").write_text(jwt(key, {"sub": "nas", "aud": "vault"}))
    for way in ("jwt", "kubernetes"):  # one call; `kubernetes` has another usual mount
        machine.data["vault"]["login"] = {
            way: {"role": "web", "file": str(machine.folder / "jwt"), "mount": mount}
        }
        assert machine.run("renew", "web").exit_code == 0


def jwt(key: ec.EllipticCurvePrivateKey, claims: dict[str, Any]) -> str:
    """A JWT, signed with ES256."""
    now = int(datetime.now(UTC).timestamp())
    parts = [{"alg": "ES256", "typ": "JWT"}, {**claims, "iat": now, "nbf": now - 5, "exp": now + 300}]
    text = ".".join(_base64(json.dumps(one).encode()) for one in parts)
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
