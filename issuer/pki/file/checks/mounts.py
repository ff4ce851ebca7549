"""Contradictions of mounts: what they name, their roles, and their engines' configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from issuer.pki.file.accepted import date_problems, role_key_problem
from issuer.pki.file.checks.context import CheckedFile, longest_lease
from issuer.pki.file.engine import ISSUES, is_off, lifetime, may_sign, mount_contradictions
from issuer.pki.file.model import Part


def mount_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with mounts themselves, a line each."""
    for path in checked.file.mounts:
        if path in checked.file.foundation.mounts:
            yield f"{checked.at(Part.AUTOMATION, 'mounts', path)} is in foundation.mounts, too; leave one"
    for part, path, mount in checked.file.all_mounts():
        yield from checked.lifetime_problems(part, mount.tune, "mounts", path, "tune")
        name = mount.default_issuer
        known = checked.authorities.get(name) if name else None
        if name and (known is None or known.mount != path):
            yield (
                f"{checked.at(part, 'mounts', path, 'defaultIssuer')} no authority {name} "
                f"with mount: {path} is in the file"
            )
        elif known is not None and not may_sign(known.settings):
            yield (
                f"{checked.at(part, 'mounts', path, 'defaultIssuer')} {name} may not sign, as its "
                f"settings.usage lacks {ISSUES}; name another, or add that"
            )
        if not is_off((mount.urls or {}).get("enable_templating")):
            yield from checked.templating_problems(path, checked.at(part, "mounts", path, "urls"))


def role_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with roles, a line each."""
    for part, path, mount in checked.file.all_mounts():
        longest = longest_lease(mount)
        for name, role in mount.roles.items():
            where = ("mounts", path, "roles", name)
            yield from checked.lifetime_problems(part, role, *where)
            for key in ("ttl", "max_ttl"):
                found = lifetime(role.get(key))
                if found is not None and longest is not None and found > longest:
                    yield (
                        f"{checked.at(part, *where, key)} is longer than the mount's max_lease_ttl "
                        f"({longest // 3600}h); shorten it, or raise tune.max_lease_ttl of {path}"
                    )
            ttl, most = lifetime(role.get("ttl")), lifetime(role.get("max_ttl"))
            if ttl and most and ttl > most:
                yield f"{checked.at(part, *where, 'ttl')} is longer than the role's max_ttl"
            yield from _issuer_ref(checked, part, path, name, role)
            for field, sentence in (role_key_problem(role), *date_problems(role)):
                if sentence:
                    yield f"{checked.at(part, *where, field)} {sentence}"


def _issuer_ref(
    checked: CheckedFile, part: Part, path: str, name: str, role: Mapping[str, Any]
) -> Iterator[str]:
    reference = role.get("issuer_ref", "default")
    issuers = [issuer for issuer, one in checked.authorities.items() if one.mount == path]
    if reference != "default" and reference not in issuers:
        yield (
            f"{checked.at(part, 'mounts', path, 'roles', name, 'issuer_ref')} "
            f"no authority {reference} with mount: {path} is in the file"
        )


def engine_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with CRL, tidy, tuning and ACME of mounts, a line each."""
    for part, path, mount in checked.file.all_mounts():
        for fields, name in ((mount.crl, "crl"), (mount.auto_tidy, "autoTidy")):
            yield from checked.lifetime_problems(part, fields or {}, "mounts", path, name)
        for where, sentence in mount_contradictions(mount):
            yield f"{checked.at(part, 'mounts', path, *where)} {sentence}"
