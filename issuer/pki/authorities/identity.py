"""Tells which key and issuer of a mount belong to an authority of the file, and how far its making came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from issuer.pki.errors import OtherAuthority
from issuer.pki.file.authority import Authority
from issuer.pki.resources.issuers import issuer_id


class AuthorityProgress(StrEnum):
    """Progress of the making of a CA."""

    ABSENT = "absent"
    KEY = "key without certificate"
    UNNAMED = "issuer without its name"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class CAIdentity:
    """Parts of an authority that a mount holds: ids in Vault, "" where there is none.

    `issuers` are its issuer and those of its key without a name, by id; several if two appliers met.
    `others` are issuers of its key that have names of their own, such as for a cross-signature.
    """

    progress: AuthorityProgress
    key_id: str = ""
    issuer_id: str = ""
    issuers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def identify(
    name: str,
    authority: Authority,
    keys: Mapping[str, Any] | None,
    issuers: Mapping[str, Any] | None,
) -> CAIdentity:
    """Return what there is of an authority. `keys` and `issuers` are the answers to the mount's lists, None
    where they are empty.

    Raises OtherAuthority if key and issuer of these names don't belong together, or if one that the file
    says exists isn't there.
    """
    by_key = _info(keys)
    by_issuer = _info(issuers)
    if authority.existing:
        return _existing(name, authority, by_issuer)
    key_name = authority.key_name or name
    key_id = next((one for one, info in by_key.items() if info.get("key_name") == key_name), "")
    named = next((one for one, info in by_issuer.items() if info.get("issuer_name") == name), "")
    if named:
        return _named(name, authority, key_id, named, by_key, by_issuer)
    if not key_id:
        return CAIdentity(AuthorityProgress.ABSENT)
    ours = tuple(sorted(one for one, info in by_issuer.items() if info.get("key_id") == key_id))
    taken = next((by_issuer[one]["issuer_name"] for one in ours if by_issuer[one].get("issuer_name")), "")
    if taken:
        raise OtherAuthority(
            f"The key {key_name} in mount {authority.mount} belongs to the issuer {taken} already; "
            f"give {name} a keyName of its own, or call the authority {taken} in the file"
        )
    if not ours:
        return CAIdentity(AuthorityProgress.KEY, key_id)
    return CAIdentity(AuthorityProgress.UNNAMED, key_id, ours[0], ours)


def _existing(name: str, authority: Authority, by_issuer: Mapping[str, Any]) -> CAIdentity:
    found = issuer_id(name, by_issuer)
    if not found:
        raise OtherAuthority(
            f"Mount {authority.mount} has no issuer {name}, of which the file says that it exists; "
            f"correct its name, or tell by subject and lifetime, offline or import how to make it"
        )
    return CAIdentity(AuthorityProgress.DONE, str(by_issuer[found].get("key_id", "")), found, (found,))


def _named(
    name: str,
    authority: Authority,
    key_id: str,
    named: str,
    by_key: Mapping[str, Any],
    by_issuer: Mapping[str, Any],
) -> CAIdentity:
    its_key = str(by_issuer[named].get("key_id", ""))
    if not its_key:
        raise OtherAuthority(
            f"The issuer {name} in mount {authority.mount} has no key: it is a CA that was imported for its "
            f"chain. Take the name from it, or call the authority otherwise in the file"
        )
    its_name = (by_key.get(its_key) or {}).get("key_name", "")
    # A key made by hand has mostly no name; the issuer's name then tells whose it is.
    if its_key != key_id and (its_name or authority.key_name is not None or key_id):
        raise OtherAuthority(
            f"The issuer {name} in mount {authority.mount} has the key {its_name or its_key}, not "
            f"{authority.key_name or name}; correct keyName in the file, or call the authority otherwise"
        )
    of_key = sorted(one for one, info in by_issuer.items() if info.get("key_id") == its_key)
    others = tuple(one for one in of_key if one != named and by_issuer[one].get("issuer_name"))
    ours = tuple(one for one in of_key if one not in others)
    return CAIdentity(AuthorityProgress.DONE, its_key, named, ours, others)


def _info(listed: Mapping[str, Any] | None) -> Mapping[str, Any]:
    info = (listed or {}).get("key_info")
    return info if isinstance(info, Mapping) else {}
