"""Gates of a rotation: what must be seen before it goes on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from issuer.pki.authorities.chains import CAWay, ca_problems, chain_problems, ways_above
from issuer.pki.authorities.parts import shown_name
from issuer.pki.errors import PkiError
from issuer.pki.file.engine import acme_names, is_off, names_of
from issuer.pki.file.rotations import NEW_ROOT
from issuer.pki.rotation.endings import LastEnd, last_end
from issuer.pki.rotation.facts import RotatedCA, RotationFacts
from issuer.pki.rotation.seen import SeenIssuer
from issuer.text import counted, first_of, rfc3339
from issuer.vault.paths import PathError, SignPath
from issuer.x509.chains.links import signed_by

_SHOWN: Final = 5
"""Names that a message lists; the rest is counted."""


class GateName(StrEnum):
    """The gates of a rotation."""

    CHAIN = "chain"
    """The new CA is valid, and its chain leads to the root of the old one."""
    TRUST = "trust"
    """The new CA stands below another root, which every client has to trust. No server can tell."""
    SIGNS = "signs"
    """Vault has signed a certificate with the new CA."""
    ROLES = "roles"
    """No role of the mount names the old CA."""
    ISSUERS = "issuers"
    """The cluster's issuers show the new CA."""
    ENDED = "ended"
    """No certificate of the old CA is valid."""
    FREE = "free"
    """Nothing in the mount refers to the old CA."""
    BUFFER = "buffer"
    """The time is over for which ended certificates are kept, and so the CRL that may name them."""


class GateVerdict(StrEnum):
    """The findings at a gate."""

    SEEN = "seen"
    NOT_YET = "not yet"
    UNSEEN = "can't be seen"
    """It can't be looked at from here. A person may accept that; it is never taken for good."""

    @property
    def is_acceptable(self) -> bool:
        """Return True if a person's word stands for it."""
        return self is GateVerdict.UNSEEN


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate, its verdict, and a sentence on what was found, and what to do."""

    name: GateName
    verdict: GateVerdict
    message: str

    def holds_up(self, accepted: Collection[GateName]) -> bool:
        """Return True unless it was seen, or can't be seen and a person accepts that."""
        if self.verdict.is_acceptable:
            return self.name not in accepted
        return self.verdict is GateVerdict.NOT_YET

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"gate": self.name.value, "verdict": self.verdict.value, "message": self.message}


def chain_gate(facts: RotationFacts, old: RotatedCA, new: RotatedCA) -> Gate:
    """Look whether clients that trust the old CA's root trust the new CA, by the way up that is delivered."""
    wrong = list(chain_problems(new.entry, facts.now, whole=False))
    if not new.may_sign:
        wrong.append("it may not sign: its usage lacks issuing-certificates")
    ways, problem = ways_above(new.chain, (*old.chain, *facts.roots), facts.now)
    if not ways:
        wrong.append(problem)
    wrong += [told for one in ways[:1] for ca in one.cas for told in ca_problems(ca, facts.now)]
    if wrong:
        return Gate(GateName.CHAIN, GateVerdict.NOT_YET, "; ".join(dict.fromkeys(wrong)))
    before, unclear = ways_above(old.chain, (*new.chain, *facts.roots), facts.now)
    # The old CA itself vouches where it is a root, such as one of `existing: true` that signed leaves itself.
    trusted = {one for way in before for one in way.cas if one != old.certificate or signed_by(one, one)}
    shared = [one for one in ways[0].cas if one in trusted]
    if shared:
        end, name = rfc3339(ways[0].ends), shown_name(shared[-1])
        message = f"valid until {end}; it and the old CA both lead to {name}"
        return Gate(GateName.CHAIN, GateVerdict.SEEN, message)
    if unclear:
        message = f"what {old.name} signs doesn't hold itself, so its clients can't be told: {unclear}"
        return Gate(GateName.CHAIN, GateVerdict.UNSEEN, message)
    if not any(way.complete for way in before):
        return Gate(GateName.CHAIN, GateVerdict.UNSEEN, _no_root(old, new))
    if not ways[0].complete:
        lower = shown_name(ways[0].top, of_issuer=True)
        message = f"its chain ends below {lower}, which isn't in the mount: clients find no way up"
        return Gate(GateName.CHAIN, GateVerdict.NOT_YET, message)
    return Gate(GateName.TRUST, GateVerdict.UNSEEN, _other_root(facts, before[0], ways[0], new))


def _other_root(facts: RotationFacts, before: CAWay, way: CAWay, new: RotatedCA) -> str:
    """Return a sentence on clients that trust one root and not the other, and on a cross-signature that
    doesn't help them."""
    crossed = [one for one in new.chain if not signed_by(one, one) or one in before.cas]
    _, problem = ways_above(crossed, before.cas, facts.now)
    why = f" The way up through its cross-signature doesn't hold: {problem}." if problem else ""
    upper, lower = shown_name(before.top), shown_name(way.top)
    return (
        f"it is delivered below {lower}, the old CA below {upper}: clients that trust {upper} alone would "
        f"refuse what it signs.{why} Is it the right root? If a new one is meant, have {upper} cross-sign "
        f"it, or go on once every client trusts {lower}: {NEW_ROOT}"
    )


def _no_root(old: RotatedCA, new: RotatedCA) -> str:
    """Return a sentence on a root of the old CA that isn't known here, and so on clients that trust it."""
    upper, lower = (shown_name(one.chain[-1], of_issuer=True) for one in (old, new))
    return (
        f"the mount doesn't hold the root above {old.name}, so a common one can't be told: its chain ends "
        f"below {upper}, that of {new.name} below {lower}. Give the root by --root FILE; if it is another "
        f"for {new.name}, clients that don't trust that refuse what it signs"
    )


def signs_gate(facts: RotationFacts, new: RotatedCA) -> Gate:
    """Look for a certificate that Vault signed with the new CA."""
    if facts.issued is None:
        message = "the token may not read the mount's list of certificates"
        return Gate(GateName.SIGNS, GateVerdict.UNSEEN, message)
    starts = facts.issued.new.starts
    if starts:
        message = f"the list has {len(starts)} of {new.name}, the last from {rfc3339(max(starts))}"
        return Gate(GateName.SIGNS, GateVerdict.SEEN, message)
    hidden = [name for name, role in (facts.roles or {}).items() if not is_off(role.get("no_store"))]
    if hidden:
        message = (
            f"the list has none of {new.name}, and would show none of {first_of(hidden, _SHOWN)} (no_store); "
            "look at a certificate that was delivered"
        )
        return Gate(GateName.SIGNS, GateVerdict.UNSEEN, message)
    message = (
        f"no certificate in the list is signed by {new.name}; renew one (vault-issuer renew), and look again"
    )
    return Gate(GateName.SIGNS, GateVerdict.NOT_YET, message)


def roles_gate(facts: RotationFacts, old: RotatedCA) -> Gate:
    """Look for roles that name the old CA, and so don't follow."""
    if facts.roles is None:
        return Gate(GateName.ROLES, GateVerdict.UNSEEN, "the token may not read the mount's roles")
    named = roles_of(facts, old)
    if named:
        message = (
            f"issuer_ref names {old.name} in {first_of(named, _SHOWN)}: change it in the file, and apply"
        )
        return Gate(GateName.ROLES, GateVerdict.NOT_YET, message)
    if facts.programs:
        message = f"{facts.programs}: look whether one names {old.name}"
        return Gate(GateName.ROLES, GateVerdict.UNSEEN, message)
    return Gate(
        GateName.ROLES, GateVerdict.SEEN, f"none of {counted(len(facts.roles), 'role')} names {old.name}"
    )


def roles_of(facts: RotationFacts, ca: RotatedCA) -> list[str]:
    """Return the roles that name a CA, as far as they may be read."""
    return [name for name, role in (facts.roles or {}).items() if ca.is_named(role.get("issuer_ref"))]


def issuers_gate(facts: RotationFacts, old: RotatedCA, new: RotatedCA) -> Gate:
    """Look whether the cluster's issuers that sign by this mount show the new CA."""
    mount = facts.rotation.mount
    if facts.cluster is None:
        message = (
            "no cluster was looked at (--kubeconfig, --context): an issuer there may name the old CA in its "
            f"path, {mount}/issuer/{old.name}/sign/..."
        )
        return Gate(GateName.ISSUERS, GateVerdict.UNSEEN, message)
    followers = list(_followers(facts))
    doubtful = [one for one in followers if _may_be_elsewhere(facts, one, old, new)]
    ours = [one for one in followers if one not in doubtful]
    wrong = [one for one in (_behind(facts, issuer, old, new) for issuer in ours) if one]
    if wrong:
        return Gate(GateName.ISSUERS, GateVerdict.NOT_YET, "; ".join(wrong[:_SHOWN]))
    unseen = [_doubt(facts, one) for one in doubtful if one.name not in facts.cluster.elsewhere]
    if unseen or facts.cluster.gaps:
        return Gate(GateName.ISSUERS, GateVerdict.UNSEEN, "; ".join([*unseen[:_SHOWN], *facts.cluster.gaps]))
    if not ours:
        message = f"no issuer of this cluster signs by {mount}, so none shows it"
        return Gate(GateName.ISSUERS, GateVerdict.UNSEEN, message)
    names = first_of([one.name for one in ours], _SHOWN)
    return Gate(GateName.ISSUERS, GateVerdict.SEEN, f"{names} show its end, {rfc3339(new.end)}")


def _followers(facts: RotationFacts) -> Iterator[SeenIssuer]:
    """Yield the cluster's issuers that sign by this mount, but for those of a third CA."""
    pair = [one for one in (facts.old, facts.new) if one is not None]
    for issuer in facts.cluster.issuers if facts.cluster is not None else ():
        path = _path(issuer)
        if path is None or issuer.place.whole(path.mount) != facts.place.whole(facts.rotation.mount):
            continue
        role = (facts.roles or {}).get(path.role or "") or {}
        reference = path.issuer_ref or str(role.get("issuer_ref") or "default")
        if reference == "default" or any(one.is_named(reference) for one in pair):
            yield issuer


def _may_be_elsewhere(facts: RotationFacts, issuer: SeenIssuer, old: RotatedCA, new: RotatedCA) -> bool:
    """Return True for an issuer of another address than ours that shows neither of the two CAs.

    One that shows either signs by this mount, by whatever address.
    """
    if issuer.place.server == facts.place.server:
        return False
    return issuer.end is None or rfc3339(issuer.end) not in (rfc3339(old.end), rfc3339(new.end))


def _doubt(facts: RotationFacts, issuer: SeenIssuer) -> str:
    shows = "shows no CA" if issuer.end is None else f"shows a CA that ends at {rfc3339(issuer.end)}"
    return (
        f"{issuer.name} {shows}, and signs by {issuer.path} at {issuer.place.server or 'no server'}, where "
        f"this is {facts.place.server}: if that is another Vault, say so by --other-vault {issuer.name}"
    )


def _path(issuer: SeenIssuer) -> SignPath | None:
    try:
        return SignPath.parse(issuer.path)
    except PathError:
        return None


def _behind(facts: RotationFacts, issuer: SeenIssuer, old: RotatedCA, new: RotatedCA) -> str:
    """Return what keeps an issuer from the new CA, "" if it has it."""
    path = _path(issuer)
    if path is not None and path.issuer_ref and old.is_named(path.issuer_ref):
        return f"{issuer.name} names {old.name} in its path {issuer.path}: change the path"
    if issuer.end is None:
        return f"{issuer.name} shows no CA; see vault-issuer status"
    if rfc3339(issuer.end) == rfc3339(new.end):
        return ""
    return f"{issuer.name} shows a CA that ends at {rfc3339(issuer.end)}, not {rfc3339(new.end)}"


def ended_gate(facts: RotationFacts, old: RotatedCA) -> Gate:
    """Look whether a certificate of the old CA is still valid."""
    end = last_end(facts, old)
    if end.moment > facts.now:
        return Gate(GateName.ENDED, GateVerdict.NOT_YET, end.how)
    return _over(GateName.ENDED, end, end.how)


def _over(name: GateName, end: LastEnd, message: str) -> Gate:
    """Return a gate whose time is over, but for what that can't tell of."""
    if end.doubt:
        return Gate(name, GateVerdict.UNSEEN, f"{message}; but {end.doubt}")
    return Gate(name, GateVerdict.SEEN, message)


def buffer_gate(facts: RotationFacts, old: RotatedCA) -> Gate:
    """Look whether the time is over for which ended certificates are kept."""
    end = last_end(facts, old)
    over = end.moment + facts.buffer
    if over <= facts.now:
        return _over(GateName.BUFFER, end, f"{end.how}; the safety buffer is over, too")
    message = f"{end.how}; with the safety buffer of {facts.buffer} it may be deleted from {rfc3339(over)} on"
    return Gate(GateName.BUFFER, GateVerdict.NOT_YET, message)


def free_gate(facts: RotationFacts, old: RotatedCA) -> Gate:
    """Look whether anything in the mount refers to the old CA."""
    if facts.roles is None:
        return Gate(GateName.FREE, GateVerdict.UNSEEN, "the token may not read the mount's roles")
    users = [f"the role {one}" for one in roles_of(facts, old)]
    unread = [f"{facts.programs}: look whether one names {old.name}"] if facts.programs else []
    for one in facts.issuers:
        try:
            users += _links(one, old)
        except PkiError as error:
            unread.append(f"{error}: look whether {old.name} signed it")
    if any(old.is_named(one) for one in acme_names(facts.at("config/acme")).issuers):
        users.append("allowed_issuers of ACME")
    if users:
        message = f"{old.name} is used by {first_of(users, _SHOWN)}: take it out there first"
        return Gate(GateName.FREE, GateVerdict.NOT_YET, message)
    if unread:
        return Gate(GateName.FREE, GateVerdict.UNSEEN, "; ".join(unread[:_SHOWN]))
    return Gate(GateName.FREE, GateVerdict.SEEN, f"nothing else in the mount names {old.name}")


def _links(one: RotatedCA, old: RotatedCA) -> Iterator[str]:
    """Yield what of another issuer refers to the old CA. Raises PkiError if its certificate can't be read."""
    if one.identifier == old.identifier:
        return
    if any(old.is_named(link) for link in names_of(one.entry.get("manual_chain"))):
        yield f"manual_chain of {one.name}"
    elif signed_by(one.certificate, old.certificate):
        yield f"the chain of {one.name}, which it signed"
