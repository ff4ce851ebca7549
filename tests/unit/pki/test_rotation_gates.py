"""Gates and phases of a rotation: what isn't seen is never taken for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from issuer.cli.pki.rotate import AcceptedGate
from issuer.pki.errors import PkiError
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Part
from issuer.pki.file.rotations import Rotation
from issuer.pki.rotation.facts import IssuedFacts, RotationFacts
from issuer.pki.rotation.gates import Gate, GateName, GateVerdict
from issuer.pki.rotation.issued import IssuedByCA, readable
from issuer.pki.rotation.phases import RotationPhase, gates_of, phase_of
from issuer.pki.rotation.seen import SeenCluster, SeenIssuer, VaultPlace
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.text import rfc3339
from tests import odd_certificates
from tests.pki.cas import FileCA, root

NOW = datetime.now(UTC)
TOP = root("Lab Root")
CAS = {"old": TOP.below("Lab 1", days=300), "new": TOP.below("Lab 2", days=900)}
LEAVES = {name: ca.below("leaf", days=20).certificate for name, ca in CAS.items()}
SIGNS = "read-only,issuing-certificates,crl-signing"
ROTATION = Rotation(Part.AUTOMATION, "int", "lab-1", "lab-2")
ISSUERS = GateName.ISSUERS
DAY = 86400
SEEN, NOT_YET, UNSEEN = GateVerdict


def entry(ca: FileCA, name: str, key: str, usage: str = SIGNS, above: FileCA = TOP) -> dict[str, Any]:
    return {
        "issuer_name": name,
        "certificate": ca.pem,
        "ca_chain": [ca.pem, above.pem],
        "key_id": key,
        "usage": usage,
    }


def facts(
    changed: Mapping[str, Any] | None = None,
    issued: tuple[str, ...] = ("old", "new"),
    *,
    switched: bool = True,
    **more: Any,
) -> RotationFacts:
    """A rotation whose new CA stands and signs; `changed` are paths of the mount that hold something else, or
    are refused if that is text."""
    held: dict[str, Any] = {
        "issuers/": {"key_info": {
            "i1": {"issuer_name": "lab-1", "key_id": "k1"}, "i2": {"issuer_name": "lab-2", "key_id": "k2"}
        }},
        "keys/": {"key_info": {"k1": {"key_name": "lab-1"}, "k2": {"key_name": "lab-2"}}},
        "issuer/i1": entry(CAS["old"], "lab-1", "k1"),
        "issuer/i2": entry(CAS["new"], "lab-2", "k2"),
        "config/issuers": {"default": "i2" if switched else "i1"},
        "roles/": {"keys": ["web"]},
        "roles/web": {"issuer_ref": "default", "no_store": False, "max_ttl": 3600},
        **(changed or {}),
    }  # fmt: skip
    answers = {
        f"int/{path}": PathRead(refused=one) if isinstance(one, str) else PathRead(one)
        for path, one in held.items()
    }
    answers.setdefault("sys/mounts/int/tune", PathRead({"max_lease_ttl": 32 * DAY}))
    authority = Authority.model_validate({"mount": "int", "existing": True})
    counted = IssuedFacts(IssuedByCA(CAS["old"].certificate), IssuedByCA(CAS["new"].certificate))
    for name in issued:
        counted.old.add(LEAVES[name], NOW)
        counted.new.add(LEAVES[name], NOW)
    given = {"issued": counted, **more}
    return RotationFacts(
        ROTATION, {"lab-1": authority, "lab-2": authority}, VaultReading(answers), NOW, **given
    )


def gate(given: RotationFacts, name: GateName) -> Gate:
    return next(one for one in gates_of(given) if one.name is name)


def phase(given: RotationFacts, *accepted: GateName) -> RotationPhase:
    return phase_of(given, gates_of(given), accepted)


def test_a_common_root_lets_a_ca_take_over() -> None:
    given = facts(switched=False)
    assert [(one.name, one.verdict) for one in gates_of(given)] == [(GateName.CHAIN, SEEN)]
    assert phase(given) is RotationPhase.SWITCH


def below(old: list[FileCA], new: list[FileCA], *roots: FileCA, days: float = 0) -> RotationFacts:
    """A rotation whose CAs have these chains in Vault; a person gives `roots`."""
    chains = {"issuer/i1": ("lab-1", "k1", old), "issuer/i2": ("lab-2", "k2", new)}
    changed = {
        path: {**entry(chain[0], name, key), "ca_chain": [one.pem for one in chain]}
        for path, (name, key, chain) in chains.items()
    }
    given = facts(changed, switched=False, roots=tuple(one.certificate for one in roots))
    return replace(given, now=NOW + timedelta(days=days))


FAR, POLICY = root("Far"), TOP.below("Policy CA")
OLD, NEW = CAS["old"], CAS["new"]
ON_POLICY = [POLICY.below("Lab 2"), POLICY]
BELOW_FAR, CROSSED, SHORT = FAR.below("Lab 2", path_length=0), TOP.crossed(FAR), TOP.crossed(FAR, 0)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (below([OLD], [NEW]), UNSEEN),
        (below([OLD], [NEW], TOP), SEEN),
        (below([OLD], [NEW], FAR), UNSEEN),
        (below([OLD], [NEW, TOP]), SEEN),
        (below([OLD], ON_POLICY), UNSEEN),
        (below([OLD], ON_POLICY, FAR, TOP), SEEN),
        (below([OLD], ON_POLICY[:1], TOP), NOT_YET),
        (below([OLD], [FAR.below("Lab 2"), FAR]), UNSEEN),
        (below([OLD], [NEW], TOP.renewed(1), days=2), NOT_YET),
        (below([OLD, TOP], [BELOW_FAR, CROSSED, TOP, FAR]), SEEN),
        (below([OLD, TOP], [BELOW_FAR, CROSSED, TOP]), SEEN),
        (below([OLD], [BELOW_FAR, CROSSED, FAR], TOP), SEEN),
        (below([OLD, TOP], [BELOW_FAR, SHORT, TOP]), NOT_YET),
        (below([OLD, TOP], ON_POLICY[:1]), NOT_YET),
        (below([TOP], [NEW, TOP]), SEEN),
    ],
    ids=[
        *("none", "given", "another-given", "in-the-new-chain", "policy-ca", "policy-ca-given"),
        *("no-link-given", "another", "given-one-ended"),
        *("crossed", "crossed-alone", "crossed-given", "too-short", "no-link", "old-is-the-root"),
    ],
)
def test_a_root_that_isnt_in_the_mount_is_not_taken_for_good(
    given: RotationFacts, verdict: GateVerdict
) -> None:
    found = gate(given, GateName.CHAIN)
    assert found.verdict is verdict, found.message
    assert found.holds_up({GateName.CHAIN}) is (verdict is NOT_YET)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (below([OLD], [BELOW_FAR, FAR], TOP), "delivered below CN=Far, the old CA below CN=Lab Root:"),
        (below([OLD, TOP], [BELOW_FAR, FAR, CROSSED, TOP]), "delivered below CN=Far,"),
        (below([OLD, TOP], [BELOW_FAR, SHORT, TOP, FAR]), "CN=Far allows 0 CAs below it, but the chain"),
    ],
    ids=["another", "crossed-later", "crossed-too-short"],
)
def test_another_root_is_for_a_person_who_knows_the_clients(given: RotationFacts, said: str) -> None:
    """No word on the chain goes for it: that may be said of a root that isn't read."""
    found = gate(given, GateName.TRUST)
    assert (found.verdict, said in found.message) == (UNSEEN, True), found.message
    assert found.holds_up({GateName.CHAIN})


@pytest.mark.parametrize(
    ("changed", "issued", "verdict"),
    [
        ({}, ("new",), SEEN),
        ({}, ("old",), NOT_YET),
        ({"roles/web": {"no_store": True}}, (), UNSEEN),
        (
            {"roles/": {"keys": ["web", "more"]}, "roles/more": {"no_store": True}},
            (),
            UNSEEN,
        ),
        ({"roles/": "refused"}, (), NOT_YET),
    ],
    ids=["signed", "not-yet", "nothing-stored", "not-all-stored", "roles-refused"],
)
def test_the_list_shows_that_the_new_ca_signs(
    changed: dict[str, Any], issued: tuple[str, ...], verdict: GateVerdict
) -> None:
    assert gate(facts(changed, issued), GateName.SIGNS).verdict is verdict


@pytest.mark.parametrize(
    ("path", "end", "verdict"),
    [
        ("int/sign/web", "new", SEEN),
        ("int/sign/web", "old", NOT_YET),
        ("int/sign/web", "", NOT_YET),
        ("int/issuer/lab-1/sign/web", "old", NOT_YET),
        ("int/issuer/lab-2/sign/web", "new", SEEN),
        ("int/issuer/third/sign/web", "old", UNSEEN),
        ("elsewhere/sign/web", "old", UNSEEN),
        ("no path", "old", UNSEEN),
    ],
)
def test_the_clusters_issuers_show_the_new_ca(path: str, end: str, verdict: GateVerdict) -> None:
    shown = CAS[end].certificate.not_valid_after_utc if end else None
    found = gate(facts(cluster=SeenCluster((SeenIssuer("VaultIssuer/a/b", path, shown),))), ISSUERS)
    assert found.verdict is verdict, found.message


@pytest.mark.parametrize(
    ("address", "namespace", "path", "end", "verdict"),
    [
        ("https://vault:8200", "", "int/sign/web", "other", NOT_YET),
        ("https://VAULT.:8200/", "team", "int/sign/web", "other", UNSEEN),
        ("https://vault.other:8200", "", "int/sign/web", "other", UNSEEN),
        ("https://vault.other:8200", "", "int/sign/web", "", UNSEEN),
        ("https://vault.inner:8200", "", "int/sign/web", "old", NOT_YET),
        ("https://vault.inner:8200", "", "int/sign/web", "new", SEEN),
        ("https://vault.inner:8200", "root", "int/sign/web", "new", SEEN),
    ],
)
def test_an_issuer_of_another_vault_is_told_from_ours(
    address: str, namespace: str, path: str, end: str, verdict: GateVerdict
) -> None:
    """By namespace and mount, by the CA that it shows, and by the server where that shows neither."""
    ends = {name: ca.certificate.not_valid_after_utc for name, ca in CAS.items()} | {"other": NOW}
    issuer = SeenIssuer("VaultIssuer/a/b", path, ends.get(end), VaultPlace.of(address, namespace))
    cluster = SeenCluster((issuer,))
    given = facts(cluster=cluster, place=VaultPlace.of("https://vault:8200", None))
    assert gate(given, ISSUERS).verdict is verdict
    named = replace(given, cluster=replace(cluster, elsewhere=frozenset({issuer.name})))
    assert gate(named, ISSUERS).verdict is verdict, "with none of ours nothing is seen"
    ours = SeenIssuer("VaultIssuer/a/c", path, ends["new"], given.place)
    both = replace(named, cluster=SeenCluster((issuer, ours), (), frozenset({issuer.name})))
    assert gate(both, ISSUERS).verdict is (NOT_YET if verdict is NOT_YET else SEEN)


def test_an_issuer_that_may_be_of_another_vault_is_accepted_by_name() -> None:
    issuer = SeenIssuer("VaultIssuer/a/b", "int/sign/web", None, VaultPlace("other:8200"))
    found = gate(facts(cluster=SeenCluster((issuer,)), place=VaultPlace("vault:8200")), ISSUERS)
    assert "at other:8200, where this is vault:8200" in found.message
    assert "--other-vault VaultIssuer/a/b" in found.message


def test_a_cluster_that_isnt_looked_at_or_not_wholly_is_not_taken_for_good() -> None:
    assert gate(facts(), ISSUERS).verdict is UNSEEN
    good = SeenIssuer("VaultIssuer/a/b", "int/sign/web", CAS["new"].certificate.not_valid_after_utc)
    found = gate(facts(cluster=SeenCluster((good,), ("VaultClusterIssuers are not shown",))), ISSUERS)
    assert found.verdict is UNSEEN
    assert "not shown" in found.message


def test_an_old_ca_whose_own_chain_holds_for_nobody_is_told() -> None:
    short = TOP.below("Short", path_length=0)
    found = gate(below([short.below("Lab 1"), short, TOP], [NEW, TOP]), GateName.CHAIN)
    said = "what lab-1 signs doesn't hold itself, so its clients can't be told: the certificate of CN=Short"
    assert (found.verdict, said in found.message) == (UNSEEN, True), found.message


def test_each_gate_can_be_named_on_the_command_line() -> None:
    assert {one.value for one in AcceptedGate} == {one.value for one in GateName}


def test_it_drains_after_all_is_seen_and_retires_after_the_last_end() -> None:
    assert phase(facts()) is RotationPhase.OBSERVE
    assert phase(facts(), ISSUERS) is RotationPhase.DRAIN
    assert phase(facts(issued=("new",)), ISSUERS) is RotationPhase.RETIRE
    assert phase(replace(facts(), now=NOW + timedelta(days=21)), ISSUERS) is RotationPhase.RETIRE


@pytest.mark.parametrize("path", ["roles/", "roles/web"])
def test_what_may_not_be_read_holds_it_up(path: str) -> None:
    given = facts({path: "permission denied"}, issued=("new",))
    assert gate(given, GateName.ROLES).verdict is UNSEEN
    assert phase(given, ISSUERS) is RotationPhase.OBSERVE
    assert gate(given, GateName.ENDED).verdict is NOT_YET
    assert gate(replace(facts(), issued=None), GateName.SIGNS).verdict is UNSEEN


def test_a_list_that_may_not_be_read_is_bounded_by_the_old_cas_end() -> None:
    given = facts(issued=())
    ended = replace(given, issued=None, now=NOW + timedelta(days=301))
    assert gate(replace(given, issued=None), GateName.ENDED).verdict is NOT_YET
    assert gate(ended, GateName.ENDED).verdict is SEEN


FORBID = {"max_ttl": DAY, "not_after_bound": "forbid"}
FIVE_DAYS = rfc3339(NOW + timedelta(days=5))


@pytest.mark.parametrize(
    ("role", "said", "days", "verdict"),
    [
        (FORBID, 0, 0.9, NOT_YET),
        (FORBID, 0, 1.1, SEEN),
        (FORBID, -2, 0, SEEN),
        ({**FORBID, "issuer_ref": "third"}, 0, 0.9, NOT_YET),
        ({**FORBID, "not_after_bound": "ttl-limited"}, 0, 1.1, SEEN),
        ({**FORBID, "not_after_bound": FIVE_DAYS}, 0, 4.9, NOT_YET),
        ({**FORBID, "not_after_bound": FIVE_DAYS}, 0, 5.1, SEEN),
        ({**FORBID, "not_after_bound": "permit"}, 0, 0.9, NOT_YET),
        ({**FORBID, "not_after_bound": "permit"}, 0, 1.1, UNSEEN),
        ({**FORBID, "not_after_bound": "permit"}, 0, 301, SEEN),
        ({"max_ttl": DAY}, 0, 1.1, UNSEEN),
        ({**FORBID, "max_ttl": 0, "ttl": 3600}, 0, 31, NOT_YET),
        ({**FORBID, "max_ttl": 0, "ttl": 3600}, 0, 33, SEEN),
        ({**FORBID, "max_ttl": 40 * DAY}, 0, 33, NOT_YET),
        ({**FORBID, "not_after": "2199-01-01T00:00:00Z"}, 0, 33, NOT_YET),
    ],
)
def test_what_no_list_has_is_bounded_by_its_roles_longest_life(
    role: dict[str, Any], said: float, days: float, verdict: GateVerdict
) -> None:
    """As OpenBao 2.7 signs: `max_ttl` bounds, also above the mount's; a request's `not_after` goes beyond."""
    last = NOW + timedelta(days=said)
    given = facts({"roles/web": {"no_store": True, **role}}, issued=("new",), last_signed=last)
    later = replace(given, now=NOW + timedelta(days=days))
    assert gate(later, GateName.ENDED).verdict is verdict, gate(later, GateName.ENDED).message


def test_an_end_that_a_request_may_have_named_is_for_a_person_to_look_at() -> None:
    hidden = {"roles/web": {"no_store": True, "max_ttl": DAY}}
    now = NOW + timedelta(days=6)
    given = replace(facts(hidden, issued=("new",), last_signed=NOW), now=now)
    assert "beyond max_ttl" in gate(given, GateName.ENDED).message
    assert phase(given, ISSUERS) is RotationPhase.DRAIN
    assert phase(given, ISSUERS, GateName.ENDED) is RotationPhase.RETIRE
    retired = replace(facts({**hidden, **RETIRED}, issued=("new",), last_signed=NOW), now=now)
    assert gate(retired, GateName.BUFFER).verdict is UNSEEN


@pytest.mark.parametrize("issued", [(), ("new",), ("old", "new")])
def test_no_certificate_of_the_new_ca_shows_when_the_old_one_signed_last(issued: tuple[str, ...]) -> None:
    """A path may name either CA before the switch and after it, and a rotation may have gone back."""
    given = facts({"roles/web": {"no_store": True, **FORBID}}, issued=issued)
    said = rfc3339(NOW + timedelta(seconds=1))
    assert f"--last-signed {said}" in gate(given, GateName.ENDED).message
    assert gate(replace(given, now=NOW + timedelta(days=299)), GateName.ENDED).verdict is NOT_YET
    assert gate(replace(given, now=NOW + timedelta(days=301)), GateName.ENDED).verdict is SEEN


@pytest.mark.parametrize("listed", [{"keys": ["program"]}, "refused"], ids=["there", "refused"])
def test_a_program_that_chooses_the_ca_is_for_a_person_to_look_at(listed: Any) -> None:
    cel = {"cel/roles/": listed}
    given = facts(cel, issued=("new",))
    assert {gate(given, name).verdict for name in (GateName.ROLES, GateName.ENDED)} == {UNSEEN}
    retired = replace(facts({**cel, **RETIRED}, issued=("new",)), now=NOW + timedelta(days=4))
    assert {one.verdict for one in gates_of(retired)} == {UNSEEN}


def test_a_longest_life_that_may_not_be_read_is_bounded_by_the_old_cas_end() -> None:
    given = facts({"roles/web": {"no_store": True, "not_after_bound": "forbid"}}, last_signed=NOW)
    answers = {path: one for path, one in given.reading.answers.items() if not path.startswith("sys/")}
    unread = replace(given, reading=VaultReading(answers))
    assert gate(replace(unread, now=NOW + timedelta(days=299)), GateName.ENDED).verdict is NOT_YET


RETIRED = {"issuer/i1": entry(CAS["old"], "lab-1", "k1", "read-only,crl-signing")}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"roles/web": {"issuer_ref": "lab-1"}}, "the role web"),
        (
            {"issuer/i2": {**entry(CAS["new"], "lab-2", "k2"), "manual_chain": ["i2", "i1"]}},
            "manual_chain of lab-2",
        ),
        ({"config/acme": {"enabled": True, "allowed_issuers": ["lab-1"]}}, "allowed_issuers of ACME"),
        (
            {
                "issuers/": {"key_info": {
                    "i1": {"issuer_name": "lab-1", "key_id": "k1"},
                    "i2": {"issuer_name": "lab-2", "key_id": "k2"},
                    "i3": {"issuer_name": "sub"},
                }},
                "issuer/i3": entry(CAS["old"].below("Sub"), "sub", ""),
            },
            "the chain of sub",
        ),
    ],
    ids=["role", "chain", "acme", "signed"],
)  # fmt: skip
def test_an_old_ca_that_is_used_is_not_deleted(changed: dict[str, Any], said: str) -> None:
    given = facts({**RETIRED, **changed}, issued=("new",))
    found = gate(given, GateName.FREE)
    assert found.verdict is NOT_YET
    assert said in found.message
    assert phase(given) is RotationPhase.DELETE


def test_it_is_deleted_after_the_safety_buffer() -> None:
    end = LEAVES["old"].not_valid_after_utc
    given = facts({**RETIRED, "config/auto-tidy": {"safety_buffer": 3600}})
    for minutes, verdict in ((-1, NOT_YET), (59, NOT_YET), (61, SEEN)):
        now = end + timedelta(minutes=minutes)
        assert gate(replace(given, now=now), GateName.BUFFER).verdict is verdict
    unread = replace(facts(RETIRED), now=end + timedelta(hours=71))
    assert gate(unread, GateName.BUFFER).verdict is NOT_YET


def test_it_is_done_once_issuer_and_key_are_gone() -> None:
    gone = {"issuers/": {"key_info": {"i2": {"issuer_name": "lab-2", "key_id": "k2"}}}}
    assert phase(facts(gone)) is RotationPhase.DELETE
    keys = {"keys/": {"key_info": {"k2": {"key_name": "lab-2"}}}}
    assert phase(facts({**gone, **keys})) is RotationPhase.DONE


def test_a_ca_without_a_predecessor_is_for_apply() -> None:
    given = facts({"issuers/": {"key_info": {}}, "keys/": {"key_info": {}}})
    authority = Authority.model_validate({"mount": "int", "import": {"bundle": "b.pem"}})
    with pytest.raises(PkiError, match="pki apply makes it"):
        phase(replace(given, authorities={"lab-1": authority, "lab-2": authority}))


def test_a_certificate_that_cant_be_read_is_bounded_by_the_old_cas_end() -> None:
    given = facts(issued=("new",))
    assert given.issued is not None
    unread = replace(given, issued=replace(given.issued, unread=1))
    found = gate(unread, GateName.ENDED)
    assert (found.verdict, "1 certificate of the list can't be read" in found.message) == (NOT_YET, True)
    assert gate(replace(unread, now=NOW + timedelta(days=301)), GateName.ENDED).verdict is SEEN


@pytest.mark.parametrize(
    ("shape", "is_above"), [("T61String in Latin-1", True), ("certificate policies with odd text", False)]
)
def test_odd_certificates_of_a_ca_are_counted(shape: str, is_above: bool) -> None:
    """The name of the CA, or an extension that `sign-verbatim` copied, is nothing that the library reads."""
    above, odd, _, _ = odd_certificates.chain(shape, as_root=is_above)
    counted = IssuedByCA(x509.load_der_x509_certificate(above))
    certificate = readable(odd_certificates.pem(odd))
    assert certificate is not None
    counted.add(certificate, NOW)
    assert counted.valid == 1


def test_an_odd_ca_beside_the_old_one_is_for_a_person_to_look_at() -> None:
    _, odd, _, _ = odd_certificates.chain("critical FALSE", as_root=False)
    issuers = {"i1": {"issuer_name": "lab-1", "key_id": "k1"}, "i3": {"issuer_name": "corp"}}
    issuers |= {"i2": {"issuer_name": "lab-2", "key_id": "k2"}}
    corp = {"issuer_name": "corp", "certificate": odd_certificates.pem(odd), "ca_chain": []}
    found = gate(facts({**RETIRED, "issuers/": {"key_info": issuers}, "issuer/i3": corp}), GateName.FREE)
    assert (found.verdict, "issuer corp can't be read" in found.message) == (UNSEEN, True), found
