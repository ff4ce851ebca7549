"""Files of a set that somebody opened, closed or encrypted otherwise: mended without another signing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from issuer.agent.config.files import DEFAULT_FILES
from issuer.agent.files.contents import is_legacy
from issuer.agent.files.numbered import GENERATIONS
from issuer.agent.renewal.signing import FreshCertificate
from issuer.agent.renewal.source import layout_digest
from tests.ca import TestCA
from tests.unit.agent.process.test_telling import Machine, made_at


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_opened_key_is_closed_and_told_until_there_is_another(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.keeper.step()
    key = tmp_path / "web" / "tls.key"
    key.chmod(0o644)
    closed, known = (await machine.keeper.step()).warnings
    assert mode_of(key) == 0o600
    assert f'"{key}" had mode 0644 or another owner, and has mode 0600 again' in closed
    assert "Everybody could open the key of its certificate" in known
    assert "vault-issuer agent renew web" in known
    machine.restarted()
    report = await machine.keeper.step()
    assert (report.warnings, report.standing) == ((), (known,))  # cron sends no mail about it again and again
    assert machine.signing.signed == [machine.kept()]  # a key that is in use is not taken away unasked
    await machine.keeper.step(force=True)
    assert (await machine.keeper.step()).standing == ()


async def test_closed_certificate_is_opened_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.keeper.step()
    certificate = tmp_path / "web" / "tls.crt"
    certificate.chmod(0o600)
    source = tmp_path / "web" / GENERATIONS / "current" / ".source.pem"
    [warning] = (await machine.keeper.step()).warnings
    assert mode_of(certificate) == 0o644
    assert str(certificate) in warning
    assert mode_of(source) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away: needs root")
async def test_owner_that_somebody_changed_is_set_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.keeper.spec = with_files(machine, {"name": "tls.key", "kind": "key", "owner": "65534"})
    await machine.keeper.step()
    key = tmp_path / "web" / "tls.key"
    os.chown(key, 0, 0)
    await machine.keeper.step()
    assert key.stat().st_uid == 65534


def with_files(machine: Machine, *files: dict[str, Any]) -> Any:
    spec = machine.keeper.spec
    given = spec.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return type(spec).model_validate({**given, "files": files})


async def test_changed_password_is_in_the_file_at_the_next_look(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    password, store = tmp_path / "pw", tmp_path / "web" / "a.p12"
    password.write_text("old\n")
    machine.keeper.spec = with_files(
        machine, {"name": "a.p12", "kind": "pkcs12", "passwordFile": str(password)}
    )
    await machine.keeper.step()
    assert (await machine.keeper.step()).rewritten == ()
    password.write_text("new\n")
    assert machine.keeper.look().rewritten == ("a.p12",)
    assert (await machine.keeper.step()).rewritten == ("a.p12",)
    assert pkcs12.load_pkcs12(store.read_bytes(), b"new").key is not None
    assert len(machine.signing.signed) == 1
    password.unlink()
    report = await machine.keeper.step()
    assert report.rewritten == ()
    assert "can't be read: No such file or directory. Without it nothing is renewed" in report.warnings[0]


@pytest.mark.parametrize("copied", [False, True])
async def test_profile_that_was_changed_is_written(tmp_path: Path, copied: bool) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "pw").write_text("pw")
    store: dict[str, Any] = {"kind": "pkcs12", "passwordFile": str(tmp_path / "pw")}
    path = tmp_path / "copies" / "b.p12" if copied else tmp_path / "web" / "a.p12"
    for profile in ("Modern2023", "LegacyDES", "Modern2023"):
        spec = with_files(machine, {**store, "name": "a.p12", "profile": profile})
        copies = [{**store, "path": str(tmp_path / "copies" / "b.p12"), "profile": profile}]
        machine.keeper.spec = type(spec).model_validate(
            {**spec.model_dump(by_alias=True, mode="json", exclude_unset=True), "copies": copies}
        )
        await machine.keeper.step()
        assert is_legacy(path.read_bytes()) is (profile == "LegacyDES")
    assert len(machine.signing.signed) == 1


async def test_key_is_written_in_another_form_without_another_signing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    path = tmp_path / "web" / "tls.key"
    for form, label in (("PKCS8", b"PRIVATE"), ("PKCS1", b"EC PRIVATE"), ("PKCS8", b"PRIVATE")):
        key = {"kind": "key", "keyEncoding": form}
        spec = with_files(machine, {**key, "name": "tls.key"})
        copies = [{**key, "path": str(tmp_path / "copies" / "a.key")}]
        machine.keeper.spec = type(spec).model_validate(
            {**spec.model_dump(by_alias=True, mode="json", exclude_unset=True), "copies": copies}
        )
        await machine.keeper.step()
        assert path.read_bytes().startswith(b"-----BEGIN " + label + b" KEY-----")
        assert (tmp_path / "copies" / "a.key").read_bytes() == path.read_bytes()
    assert (await machine.keeper.step()).rewritten == ()
    assert len(machine.signing.signed) == 1


async def test_store_that_was_found_good_is_not_opened_at_each_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, copy = Machine(tmp_path), tmp_path / "copies" / "b.p12"
    (tmp_path / "pw").write_text("pw")
    store: dict[str, Any] = {"kind": "pkcs12", "passwordFile": str(tmp_path / "pw")}
    spec = with_files(machine, {**store, "name": "a.p12"})
    given = spec.model_dump(by_alias=True, mode="json", exclude_unset=True)
    machine.keeper.spec = type(spec).model_validate({**given, "copies": [{**store, "path": str(copy)}]})
    await machine.keeper.step()
    await machine.keeper.step()
    opened: list[bytes] = []
    load = pkcs12.load_pkcs12

    def counted(data: bytes, password: bytes | None) -> Any:
        opened.append(data)
        return load(data, password)

    monkeypatch.setattr(pkcs12, "load_pkcs12", counted)
    before = copy.read_bytes()
    await machine.keeper.step()
    assert (opened, copy.read_bytes()) == ([], before)
    copy.write_bytes(before[:-1])  # what somebody changed is looked at, and written again
    await machine.keeper.step()
    assert load(copy.read_bytes(), b"pw").key is not None
    copy.chmod(0o644)
    await machine.keeper.step()
    assert mode_of(copy) == 0o600
    opened.clear()
    (tmp_path / "pw").write_text("other")
    assert (await machine.keeper.step()).rewritten == ("a.p12",)
    for path in (copy, tmp_path / "web" / "a.p12"):
        assert load(path.read_bytes(), b"other").key is not None


def test_digest_of_files_is_the_one_before_there_were_profiles() -> None:
    """Else each set would be written again, and each server told, at an upgrade."""
    [key] = [one for one in DEFAULT_FILES if one.name == "tls.key"]
    fields = {"kind": "key", "mode": None, "owner": None, "group": None, "keep_id": False}
    old = [{**fields, "password_file": None, "name": "tls.key"}]
    assert layout_digest([key]) == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()


async def test_ca_for_clients_that_is_no_root_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """openssl refuses an intermediate that is trusted by itself, and nothing said that the file holds one."""
    machine, ca = Machine(tmp_path), TestCA.make().intermediate
    made = made_at(machine.time)

    async def sign(*_: object) -> FreshCertificate:
        return FreshCertificate(replace(made, chain=(ca,), roots=(ca,)), f"{made.leaf.serial_number:x}", ())

    monkeypatch.setattr(machine.signing, "sign", sign)
    [told] = (await machine.keeper.step()).warnings
    assert told.startswith(f"The CA for clients ({ca.subject.rfc4514_string()}) is no root")
    report = await machine.keeper.step()
    assert (report.warnings, report.standing) == ((), (told,))
