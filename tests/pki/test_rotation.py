"""`pki rotate` on a real OpenBao: phases, gates, the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from issuer.text import rfc3339
from testbed.errors import HTTPError
from tests.pki.cas import root
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.rotations import (
    UNSEEN,
    Load,
    RotationCase,
    cut_next,
    holds_both,
    rotation_case,
    wait_for_the_end,
)
from tests.pki.support import Vault, actions


def test_a_ca_is_replaced_in_phases(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    case.issue()
    planned = vault.plan(case.file)
    assert actions(planned) == [("needs rotation", f"{case.mount}/issuer/{case.new}")]
    assert case.status(code=2)["phase"] == "prepare"
    case.next()
    assert case.default() == case.old
    assert actions(vault.plan(case.file)) == []
    assert case.status(code=2)["phase"] == "switch"
    case.next()
    assert case.default() == case.new
    assert actions(vault.plan(case.file)) == []
    state = case.status(code=3)
    assert state["phase"] == "observe"
    assert "--accept issuers" in state["advice"]
    assert case.gates()["signs"] == "not yet"
    case.issue()
    assert case.gates()["signs"] == "seen"
    case.next(code=3)
    wait_for_the_end(case, *UNSEEN)
    assert case.status(*UNSEEN, code=2)["phase"] == "retire"
    case.next(*UNSEEN)
    usage = vault.bao.read(f"{case.mount}/issuer/{case.old}")["usage"]
    assert sorted(usage.split(",")) == ["crl-signing", "ocsp-signing", "read-only"]
    assert actions(vault.plan(case.file)) == []
    wait_for_the_end(case)
    assert case.status(code=2)["phase"] == "delete"
    case.next()
    assert case.own() == [case.new]
    assert case.keys() == [case.new]
    assert case.issue()
    state = case.status(code=0)
    assert state["phase"] == "done"
    planned = vault.plan(case.file)
    assert actions(planned) == []
    assert any(f"defaultIssuer: {case.new}" in one for one in planned["notes"])
    before = len(vault.requests())
    vault.apply(case.file)
    assert vault.writes_since(before) == []


def test_no_request_is_lost_in_any_phase(vault: Vault, tmp_path: Path) -> None:
    """Certificates are asked for all the time, while the old CA is retired and deleted, too."""
    case = rotation_case(vault, tmp_path)
    with Load(case).running() as load:
        for phase in ("prepare", "switch", "retire", "delete"):
            load.more()
            wait_for_the_end(case, *UNSEEN)
            assert case.status(*UNSEEN)["phase"] == phase
            case.next(*UNSEEN)
        load.more()
    assert load.errors == []
    assert case.status(code=0)["phase"] == "done"
    old, new = (f"CN=Example Intermediate CA{end},O=Example" for end in ("", " 2"))
    assert load.issuers == sorted(load.issuers, key=[old, new].index), "never back to the old one"
    assert {*load.issuers} == {old, new}


def test_a_lost_answer_makes_no_second_ca(vault: Vault, tmp_path: Path) -> None:
    """Each call of a rotation that changes something is done, and nobody hears the answer; then it is run
    again."""
    case = rotation_case(vault, tmp_path)
    for call in (
        f"{case.mount}/intermediate/generate/internal",
        f"{vault.name}-root/issuer/{vault.name}-root-2026/sign-intermediate",
        f"{case.mount}/intermediate/set-signed",
    ):
        assert cut_next(case, f"POST {call}", CutMode.AFTER)
        assert case.status(code=2)["phase"] == "prepare"
    case.next()
    holds_both(case)
    config = f"POST {case.mount}/config/issuers"
    assert cut_next(case, config, CutMode.BEFORE)
    assert case.default() == case.old
    assert cut_next(case, config, CutMode.AFTER)
    assert case.status(*UNSEEN)["phase"] == "observe"
    case.issue()
    old = next(one for one, info in vault.issuers(case.mount).items() if info["issuer_name"] == case.old)
    assert cut_next(case, f"PATCH {case.mount}/issuer/{old}", CutMode.AFTER)
    assert case.status()["phase"] == "delete"
    assert cut_next(case, f"DELETE {case.mount}/issuer/{old}", CutMode.AFTER)
    assert case.status(code=2)["phase"] == "delete"
    assert case.keys() == [case.old, case.new]
    key = next(
        one
        for one, info in vault.listed(f"{case.mount}/keys")["key_info"].items()
        if info["key_name"] == case.old
    )
    with CuttingProxy(vault.bao, f"DELETE {case.mount}/key/{key}", CutMode.AFTER).running() as proxy:
        proxy.goes_on = True
        case.next(addr=proxy.addr)
        assert proxy.is_cut
    assert case.keys() == [case.new]
    assert case.status(code=0)["phase"] == "done"


def urls_of_the_default(case: RotationCase) -> tuple[str, str]:
    """Have certificates name `ca` and `crl` of the mount, which answer for its default issuer alone."""
    ca, crl = (f"{case.vault.bao.addr}/v1/{case.mount}/{one}" for one in ("ca", "crl"))
    urls = {
        "issuing_certificates": [ca],
        "crl_distribution_points": [crl],
        "ocsp_servers": [],
        "enable_templating": False,
    }
    case.vault.bao.call("POST", f"{case.mount}/config/urls", urls)
    return ca, crl


def judged(case: RotationCase) -> dict[str, dict[str, str]]:
    """What `pki health` says of the mount's URLs, by URL and issuer."""
    ran = case.vault.run("health", "--mount", case.mount, "-o", "json")
    found: dict[str, dict[str, str]] = {}
    for one in json.loads(ran.stdout)["findings"]:
        if one["check"] in ("aia_url", "crl_url") and one["endpoint"].startswith(case.vault.bao.addr):
            name = one["message"].rpartition("(for ")[2].rstrip(")")
            found.setdefault(one["endpoint"], {})[name] = one["severity"]
    return found


def test_the_way_back_is_open_until_it_is_retired(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    urls = urls_of_the_default(case)
    case.issue()
    case.next()
    assert judged(case) == {one: {case.old: "ok", case.new: "not_applicable"} for one in urls}
    assert case.run("back", "--yes").exit_code == 0
    ran = case.next()
    assert f"certificates of {case.old}: clients that look at CRLs refuse those" in ran.output
    case.issue()
    ca, crl = urls
    assert judged(case) == {
        ca: {case.old: "warning", case.new: "ok"},
        crl: {case.old: "critical", case.new: "ok"},
    }
    assert case.default() == case.new
    ran = case.run("back", "--yes")
    assert ran.exit_code == 0, ran.output
    assert case.default() == case.old
    assert case.status(code=2)["phase"] == "switch"
    case.next()
    wait_for_the_end(case, *UNSEEN)
    case.next(*UNSEEN)
    ran = case.run("back", "--yes")
    assert ran.exit_code == 1
    assert "no way back" in ran.output
    assert case.default() == case.new


def test_what_another_person_did_meanwhile_is_not_written_over(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = rotation_case(vault, tmp_path)
    case.next()

    def switched_meanwhile(_: str) -> bool:
        vault.bao.call("POST", f"{case.mount}/config/issuers", {"default": case.new})
        return True

    monkeypatch.setattr("issuer.cli.pki.rotate.agreed", switched_meanwhile)
    before = len(vault.requests())
    ran = case.run("next")
    assert ran.exit_code == 1
    assert "has come to observe" in ran.output
    assert vault.writes_since(before) == [f"{case.mount}/config/issuers"]


def test_an_import_doesnt_switch_where_the_default_follows_the_latest(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    config = f"{case.mount}/config/issuers"
    held = vault.bao.read(config)["default"]
    vault.bao.call("POST", config, {"default": held, "default_follows_latest_issuer": True})
    case.next()
    assert case.default() == case.old
    assert vault.bao.read(config)["default_follows_latest_issuer"] is False


def test_an_offline_root_signs_what_is_carried_to_it(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path, offline=True)
    ran = case.next(code=3)
    assert "vault-issuer root sign new.csr --lifetime" in ran.output
    above = root("Another Root CA")
    request = (tmp_path / "new.csr").read_text()
    (tmp_path / "new.pem").write_text(above.sign(request, path_length=0))
    case.next()
    assert case.default() == case.old
    state = case.status(code=3)
    assert state["phase"] == "switch"
    assert "Another Root CA" in state["gates"][0]["message"]
    assert (state["gates"][0]["gate"], "would refuse" in state["gates"][0]["message"]) == ("trust", True)
    case.next("--accept", "chain", code=3)
    assert case.default() == case.old


def brought(case: RotationCase, pem: str) -> str:
    """Import a CA without its key into the mount that signs, and return its id."""
    answer = case.vault.bao.call("POST", f"{case.mount}/issuers/import/cert", {"pem_bundle": pem})
    return str(next(iter(answer["data"]["mapping"])))


def test_a_new_root_takes_over_once_the_old_one_signed_it(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path, new_root=True)
    told = " ".join(case.next(code=1).output.split())
    assert f"{vault.name}-root-2027, which is above {case.new}, isn't made yet; run pki apply" in told
    assert case.keys() == [case.old]
    vault.apply(case.file)
    case.next()
    assert case.gates() == {"trust": "can't be seen"}
    assert case.status("--accept", "trust", code=2)["phase"] == "switch"
    mount, (old, new) = f"{vault.name}-root", (f"{vault.name}-root-{one}" for one in (2026, 2027))
    name = {"common_name": "Example Root CA 2", "organization": "Example"}
    asked = vault.bao.call("POST", f"{mount}/intermediate/cross-sign", {**name, "key_ref": new})["data"]
    body = {**name, "csr": asked["csr"], "max_path_length": 1, "ttl": "40000h"}
    crossed = vault.bao.call("POST", f"{mount}/issuer/{old}/sign-intermediate", body)["data"]["certificate"]
    roots = [vault.bao.read(f"{mount}/issuer/{one}")["certificate"] for one in (old, new)]
    above = [brought(case, pem) for pem in (crossed, *roots)]
    chain = {"issuer_name": case.new, "manual_chain": ",".join(["self", *above])}
    vault.bao.call("POST", f"{case.mount}/issuer/{case.new}", chain)
    assert case.gates() == {"chain": "seen"}
    case.next()
    delivered = [one.strip() for one in case.issue()["ca_chain"]]
    assert delivered[1:] == [one.strip() for one in (crossed, *roots)]
    verified = vault.run("verify", "-f", case.file, "-o", "json")
    chains = [one for one in json.loads(verified.stdout)["items"] if one["kind"] == "chain"]
    assert {one["verdict"] for one in chains} == {"stands"}, chains


def test_what_names_the_old_ca_holds_a_rotation_up(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    role = {"allowed_domains": "example.test", "allow_subdomains": True, "issuer_ref": case.old, "ttl": "2s"}
    vault.bao.call("POST", f"{case.mount}/roles/named", role)
    case.next()
    ran = case.next()
    assert f"role named names {case.old} and doesn't follow" in ran.output
    case.issue()
    assert case.gates()["roles"] == "not yet"
    case.next("--accept", "roles", *UNSEEN, code=3)
    vault.bao.call("POST", f"{case.mount}/roles/named", {**role, "issuer_ref": "default"})
    assert case.gates()["roles"] == "seen"


def asked_until(days: int) -> dict[str, str]:
    """A request that names an end of its own, beyond its role's `max_ttl`."""
    end = rfc3339(datetime.now(UTC) + timedelta(days=days))
    return {"common_name": "a.example.test", "not_after": end}


def test_certificates_that_no_list_has_are_bounded_by_their_role(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    role = {"allowed_domains": "example.test", "allow_subdomains": True, "no_store": True, "max_ttl": "1h"}
    vault.bao.call("POST", f"{case.mount}/roles/unstored", role)
    case.next()
    assert "what unstored signed (no_store): note the time" in case.next().output
    case.issue("unstored")
    case.issue()
    (ended,) = (one for one in case.status()["gates"] if one["gate"] == "ended")
    assert (ended["verdict"], "--last-signed" in ended["message"]) == ("not yet", True)
    long_ago = ("--last-signed", "2026-01-01T00:00:00Z")
    vault.bao.call("POST", f"{case.mount}/issue/unstored", late := asked_until(days=20))
    assert case.gates(*long_ago)["ended"] == "can't be seen"
    vault.bao.call("POST", f"{case.mount}/roles/unstored", {**role, "not_after_bound": "forbid"})
    with pytest.raises(HTTPError, match="not_after_bound"):
        vault.bao.call("POST", f"{case.mount}/issue/unstored", late)
    assert case.gates(*long_ago)["ended"] == "seen"
    template = "CertTemplate{Subject: PKIX.Name{CommonName: 'a.example.test'}}"
    program = {"expression": f"ValidationOutput{{template: {template}, no_store: true}}"}
    vault.bao.call("POST", f"{case.mount}/cel/roles/program", {"cel_program": program})
    found = case.gates(*long_ago)
    assert (found["ended"], found["roles"]) == ("can't be seen", "can't be seen")


def test_a_key_that_another_issuer_has_is_kept(vault: Vault, tmp_path: Path) -> None:
    case = rotation_case(vault, tmp_path)
    case.next()
    case.next()
    case.issue()
    key = vault.listed(f"{case.mount}/keys")["key_info"]
    identifier = next(one for one, info in key.items() if info["key_name"] == case.old)
    body = {"key_ref": identifier, "common_name": "Second"}
    csr = vault.bao.call("POST", f"{case.mount}/intermediate/generate/existing", body)["data"]["csr"]
    pem = root("Another Root CA").sign(csr, path_length=0)
    vault.bao.call("POST", f"{case.mount}/intermediate/set-signed", {"certificate": pem})
    case.next(*UNSEEN)
    case.next()
    assert case.keys() == [case.old, case.new]
    assert case.status(code=0)["phase"] == "done"
