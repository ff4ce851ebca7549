"""Contradictions of CAs: where they stand, what they live for, and what their signers permit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from issuer.pki.file.accepted import size_problem
from issuer.pki.file.authority import Authority, Origin
from issuer.pki.file.checks.context import CheckedFile, longest_lease
from issuer.pki.file.domains import outside
from issuer.pki.file.engine import is_off
from issuer.pki.file.model import Part

_FOUNDATION_ONLY: Final = {
    Origin.ROOT: "makes a root",
    Origin.IMPORTED: "imports a key",
}
_KEY_OF_OTHERS: Final = (Origin.IMPORTED, Origin.EXISTING)
"""Origins of CAs whose key Vault doesn't make."""


def authority_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with CAs, a line each."""
    for part, name, one in checked.file.all_authorities():
        at = checked.at(part, "authorities", name)
        if part is Part.AUTOMATION and name in checked.file.foundation.authorities:
            yield f"{at} is in foundation.authorities, too; leave one"
            continue
        if one.mount not in checked.mounts:
            yield f"{checked.at(part, 'authorities', name, 'mount')} no mount {one.mount} is in the file"
        if part is Part.AUTOMATION and one.origin in _FOUNDATION_ONLY:
            yield f"{at} {_FOUNDATION_ONLY[one.origin]}, which belongs below foundation: move it there"
        if "issuer_name" in one.settings:
            yield (
                f"{checked.at(part, 'authorities', name, 'settings', 'issuer_name')} the name of an issuer "
                "is its name in the file; rename the authority instead"
            )
        if not is_off(one.settings.get("enable_aia_url_templating")):
            yield from checked.templating_problems(
                one.mount, checked.at(part, "authorities", name, "settings")
            )
        if one.origin not in _KEY_OF_OTHERS and size_problem(one.key.type, one.key.bits):
            where = checked.at(part, "authorities", name, "key", "bits")
            yield f"{where} {size_problem(one.key.type, one.key.bits)}"
        yield from _lifetime(checked, part, name, one)
        if one.signed_by is not None:
            yield from _below(checked, part, name, one, one.signed_by)
    yield from _same_keys(checked)


def _same_keys(checked: CheckedFile) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for part, name, one in checked.file.all_authorities():
        if one.existing:
            continue  # such as a second certificate for one key, signed by another CA
        other = seen.setdefault((one.mount, one.key_name or name), name)
        if other != name:
            yield f"{checked.at(part, 'authorities', name)} has the keyName of {other} in the same mount"


def _lifetime(checked: CheckedFile, part: Part, name: str, one: Authority) -> Iterator[str]:
    if one.lifetime is None or one.origin is Origin.OFFLINE:
        return
    parent = checked.authorities.get(one.signed_by) if one.signed_by else None
    signer = parent.mount if parent is not None else one.mount
    mount = checked.mounts.get(signer)
    longest = longest_lease(mount) if mount is not None else None
    if longest is not None and one.lifetime > longest:
        yield (
            f"{checked.at(part, 'authorities', name, 'lifetime')} is longer than mount {signer} signs "
            f"({longest // 3600}h); Vault would cut it, with a warning alone. "
            f"Raise tune.max_lease_ttl of {signer}"
        )


def _below(checked: CheckedFile, part: Part, name: str, one: Authority, signer: str) -> Iterator[str]:
    at = checked.at(part, "authorities", name, "signedBy")
    parent = checked.authorities.get(signer)
    if parent is None:
        yield f"{at} no authority {signer} is in the file"
        return
    if _in_a_circle(checked, name):
        yield f"{at} leads back to {name}; one authority must be a root, offline or imported"
        return
    if part is Part.FOUNDATION and signer not in checked.file.foundation.authorities:
        yield f"{at} {signer} is not in foundation, which is applied first"
    if parent.lifetime and one.lifetime and one.lifetime > parent.lifetime:
        yield (
            f"{checked.at(part, 'authorities', name, 'lifetime')} outlives {signer}, its signer; "
            f"at most {parent.lifetime // 3600}h"
        )
    wide = outside(one.permitted_dns_domains, parent.permitted_dns_domains)
    if wide:
        yield (
            f"{checked.at(part, 'authorities', name, 'permittedDNSDomains')} {', '.join(wide)} is outside "
            f"of what {signer}, its signer, permits; take it out"
        )
    if parent.max_path_length == 0:
        yield f"{at} {signer} has maxPathLength 0, so no CA may follow below it"
    elif parent.max_path_length is not None and (
        one.max_path_length is None or one.max_path_length >= parent.max_path_length
    ):
        yield (
            f"{at} {signer} has maxPathLength {parent.max_path_length}; give {name} "
            f"maxPathLength {parent.max_path_length - 1} or less"
        )


def _in_a_circle(checked: CheckedFile, name: str) -> bool:
    seen, at = {name}, checked.authorities[name].signed_by
    while at is not None and at in checked.authorities:
        if at in seen:
            return True
        seen.add(at)
        at = checked.authorities[at].signed_by
    return False
