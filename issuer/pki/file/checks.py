"""Contradictions inside `pki.yaml`, found before anything is sent; each says file, line and the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from issuer.pki.file.accepted import date_problems, policy_problem, role_key_problem, size_problem
from issuer.pki.file.access import OLD_NAMES, SECRET_FIELDS
from issuer.pki.file.authority import Authority, Origin
from issuer.pki.file.domains import outside
from issuer.pki.file.engine import ISSUES, is_off, lifetime, may_sign, mount_contradictions
from issuer.pki.file.model import Part, PkiFile, PkiMount, path_in_file
from issuer.pki.file.names import SEPARATORS, as_kept, begins, name_problems
from issuer.pki.file.place import Places
from issuer.pki.file.rotations import rotation_problems

DEFAULT_MAX_LEASE: Final = 768 * 3600
"""Seconds: Vault's longest lifetime in a mount that isn't tuned, unless its configuration says otherwise."""
_LIFETIMES: Final = (
    *("ttl", "max_ttl", "max_lease_ttl", "default_lease_ttl", "not_before_duration"),
    *("expiry", "ocsp_expiry", "auto_rebuild_grace_period", "delta_rebuild_interval"),
    *("interval_duration", "safety_buffer", "revoked_safety_buffer", "issuer_safety_buffer"),
    *("acme_account_safety_buffer", "pause_duration", "lease"),
    *("period", "secret_id_ttl", "token_explicit_max_ttl", "token_max_ttl", "token_period", "token_ttl"),
)
"""Fields of Vault's that hold a lifetime, wherever they stand."""
_FOUNDATION_ONLY: Final = {
    Origin.ROOT: "makes a root",
    Origin.IMPORTED: "imports a key",
}
_KEY_OF_OTHERS: Final = (Origin.IMPORTED, Origin.EXISTING)
"""Origins of CAs whose key Vault doesn't make."""


def problems_of(file: PkiFile, places: Places) -> list[str]:
    """Return every contradiction as `FILE:LINE PATH: what is wrong, and the change`."""
    check = _Check(file, places)
    return [
        *(f"{places.told(*where)} {sentence}" for where, sentence in name_problems(file)),
        *(f"{places.told(*where)} {sentence}" for where, sentence in rotation_problems(file)),
        *check.mounts(),
        *check.authorities(),
        *check.roles(),
        *check.engines(),
        *check.logins(),
        *check.access(),
    ]


class _Check:
    def __init__(self, file: PkiFile, places: Places) -> None:
        self.file = file
        self.places = places
        self.mounts_by_path: dict[str, PkiMount] = {path: one for _, path, one in file.all_mounts()}
        self.by_name: dict[str, Authority] = {name: one for _, name, one in file.all_authorities()}

    def _at(self, part: Part, *path: str) -> str:
        return self.places.told(*path_in_file(part, *path))

    def mounts(self) -> Iterator[str]:
        for path in self.file.mounts:
            if path in self.file.foundation.mounts:
                yield f"{self._at(Part.AUTOMATION, 'mounts', path)} is in foundation.mounts, too; leave one"
        for part, path, mount in self.file.all_mounts():
            yield from self._duration(part, mount.tune, "mounts", path, "tune")
            name = mount.default_issuer
            known = self.by_name.get(name) if name else None
            if name and (known is None or known.mount != path):
                yield (
                    f"{self._at(part, 'mounts', path, 'defaultIssuer')} no authority {name} "
                    f"with mount: {path} is in the file"
                )
            elif known is not None and not may_sign(known.settings):
                yield (
                    f"{self._at(part, 'mounts', path, 'defaultIssuer')} {name} may not sign, as its "
                    f"settings.usage lacks {ISSUES}; name another, or add that"
                )
            if not is_off((mount.urls or {}).get("enable_templating")):
                yield from self._addressed(path, self._at(part, "mounts", path, "urls"))

    def _addressed(self, mount: str, at: str) -> Iterator[str]:
        found = self.mounts_by_path.get(mount)
        cluster = (found.cluster if found is not None else None) or {}
        if not (cluster.get("path") and cluster.get("aia_path")):
            yield (
                f"{at} templated URLs need cluster.path and cluster.aia_path of mount {mount}; without them "
                "Vault refuses to sign anything"
            )

    def _duration(self, part: Part, fields: Mapping[str, Any], *path: str) -> Iterator[str]:
        for key in _LIFETIMES:
            found = lifetime(fields.get(key))
            if fields.get(key, "") != "" and (found is None or found < 0):
                wrong = "is not a lifetime" if found is None else "must not be negative"
                yield f"{self._at(part, *path, key)} {wrong}; write for example 720h or 30d"

    def authorities(self) -> Iterator[str]:
        for part, name, one in self.file.all_authorities():
            at = self._at(part, "authorities", name)
            if part is Part.AUTOMATION and name in self.file.foundation.authorities:
                yield f"{at} is in foundation.authorities, too; leave one"
                continue
            if one.mount not in self.mounts_by_path:
                yield f"{self._at(part, 'authorities', name, 'mount')} no mount {one.mount} is in the file"
            if part is Part.AUTOMATION and one.origin in _FOUNDATION_ONLY:
                yield f"{at} {_FOUNDATION_ONLY[one.origin]}, which belongs below foundation: move it there"
            if "issuer_name" in one.settings:
                yield (
                    f"{self._at(part, 'authorities', name, 'settings', 'issuer_name')} the name of an issuer "
                    "is its name in the file; rename the authority instead"
                )
            if not is_off(one.settings.get("enable_aia_url_templating")):
                yield from self._addressed(one.mount, self._at(part, "authorities", name, "settings"))
            if one.origin not in _KEY_OF_OTHERS and size_problem(one.key.type, one.key.bits):
                where = self._at(part, "authorities", name, "key", "bits")
                yield f"{where} {size_problem(one.key.type, one.key.bits)}"
            yield from self._lifetime(part, name, one)
            if one.signed_by is not None:
                yield from self._below(part, name, one, one.signed_by)
        yield from self._same_keys()

    def _same_keys(self) -> Iterator[str]:
        seen: dict[tuple[str, str], str] = {}
        for part, name, one in self.file.all_authorities():
            if one.existing:
                continue  # such as a second certificate for one key, signed by another CA
            other = seen.setdefault((one.mount, one.key_name or name), name)
            if other != name:
                yield f"{self._at(part, 'authorities', name)} has the keyName of {other} in the same mount"

    def _lifetime(self, part: Part, name: str, one: Authority) -> Iterator[str]:
        if one.lifetime is None or one.origin is Origin.OFFLINE:
            return
        parent = self.by_name.get(one.signed_by) if one.signed_by else None
        signer = parent.mount if parent is not None else one.mount
        mount = self.mounts_by_path.get(signer)
        longest = _longest(mount) if mount is not None else None
        if longest is not None and one.lifetime > longest:
            yield (
                f"{self._at(part, 'authorities', name, 'lifetime')} is longer than mount {signer} signs "
                f"({longest // 3600}h); Vault would cut it, with a warning alone. "
                f"Raise tune.max_lease_ttl of {signer}"
            )

    def _below(self, part: Part, name: str, one: Authority, signer: str) -> Iterator[str]:
        at = self._at(part, "authorities", name, "signedBy")
        parent = self.by_name.get(signer)
        if parent is None:
            yield f"{at} no authority {signer} is in the file"
            return
        if self._in_a_circle(name):
            yield f"{at} leads back to {name}; one authority must be a root, offline or imported"
            return
        if part is Part.FOUNDATION and signer not in self.file.foundation.authorities:
            yield f"{at} {signer} is not in foundation, which is applied first"
        if parent.lifetime and one.lifetime and one.lifetime > parent.lifetime:
            yield (
                f"{self._at(part, 'authorities', name, 'lifetime')} outlives {signer}, its signer; "
                f"at most {parent.lifetime // 3600}h"
            )
        wide = outside(one.permitted_dns_domains, parent.permitted_dns_domains)
        if wide:
            yield (
                f"{self._at(part, 'authorities', name, 'permittedDNSDomains')} {', '.join(wide)} is outside "
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

    def _in_a_circle(self, name: str) -> bool:
        seen, at = {name}, self.by_name[name].signed_by
        while at is not None and at in self.by_name:
            if at in seen:
                return True
            seen.add(at)
            at = self.by_name[at].signed_by
        return False

    def roles(self) -> Iterator[str]:
        for part, path, mount in self.file.all_mounts():
            longest = _longest(mount)
            for name, role in mount.roles.items():
                where = ("mounts", path, "roles", name)
                yield from self._duration(part, role, *where)
                for key in ("ttl", "max_ttl"):
                    found = lifetime(role.get(key))
                    if found is not None and longest is not None and found > longest:
                        yield (
                            f"{self._at(part, *where, key)} is longer than the mount's max_lease_ttl "
                            f"({longest // 3600}h); shorten it, or raise tune.max_lease_ttl of {path}"
                        )
                ttl, most = lifetime(role.get("ttl")), lifetime(role.get("max_ttl"))
                if ttl and most and ttl > most:
                    yield f"{self._at(part, *where, 'ttl')} is longer than the role's max_ttl"
                yield from self._issuer_ref(part, path, name, role)
                for field, sentence in (role_key_problem(role), *date_problems(role)):
                    if sentence:
                        yield f"{self._at(part, *where, field)} {sentence}"

    def _issuer_ref(self, part: Part, path: str, name: str, role: Mapping[str, Any]) -> Iterator[str]:
        reference = role.get("issuer_ref", "default")
        issuers = [issuer for issuer, one in self.by_name.items() if one.mount == path]
        if reference != "default" and reference not in issuers:
            yield (
                f"{self._at(part, 'mounts', path, 'roles', name, 'issuer_ref')} "
                f"no authority {reference} with mount: {path} is in the file"
            )

    def engines(self) -> Iterator[str]:
        for part, path, mount in self.file.all_mounts():
            for fields, name in ((mount.crl, "crl"), (mount.auto_tidy, "autoTidy")):
                yield from self._duration(part, fields or {}, "mounts", path, name)
            for where, sentence in mount_contradictions(mount):
                yield f"{self._at(part, 'mounts', path, *where)} {sentence}"

    def logins(self) -> Iterator[str]:
        for path, auth in self.file.foundation.auth.items():
            yield from self._duration(Part.FOUNDATION, auth.tune, "auth", path, "tune")
            for name in sorted(SECRET_FIELDS[auth.type] & set(auth.config)):
                if not isinstance(auth.config[name], str):  # what it holds is not shown
                    where = self._at(Part.FOUNDATION, "auth", path, "config", name)
                    yield f"{where} must be text; put it in quotes, or write ${{VARIABLE}}"
            for name, role in auth.roles.items():
                at = ("auth", path, "roles", name)
                yield from self._duration(Part.FOUNDATION, role, *at)
                for key in sorted(OLD_NAMES.keys() & role.keys()):
                    if OLD_NAMES[key] in role:
                        where = self._at(Part.FOUNDATION, *at, key)
                        yield f"{where} is an older name of {OLD_NAMES[key]}, which is given, too; leave one"
                for key, longest in (("token_ttl", "token_max_ttl"), ("ttl", "max_ttl")):
                    ttl, most = lifetime(role.get(key)), lifetime(role.get(longest))
                    if ttl and most and ttl > most:
                        yield f"{self._at(Part.FOUNDATION, *at, key)} is longer than {longest}; shorten it"

    def access(self) -> Iterator[str]:
        for name, policy in self.file.foundation.policies.items():
            sentence = policy_problem(policy.text) if policy.text is not None else ""
            if sentence:
                yield f"{self._at(Part.FOUNDATION, 'policies', name, 'text')} {sentence}"
        yield from self._prefixed()

    def _prefixed(self) -> Iterator[str]:
        prefix, foreign = self.file.prefix or "", self.file.foreign_prefixes
        for number, one in enumerate(foreign):
            if not prefix or as_kept(one) == as_kept(prefix) or not begins(one, prefix):
                yield (
                    f"{self.places.told('foreignPrefixes', number)} {one} doesn't go on from the file's "
                    f"prefix{f' {prefix}' if prefix else ', as it has none'}: it is left alone without that; "
                    "take it out"
                )
        names = [("policies", name) for name in self.file.foundation.policies]
        for mount, auth in self.file.foundation.auth.items():
            names += [("auth", mount, "roles", name) for name in auth.roles]  # type: ignore[misc]
        for path in names:
            other = next((one for one in foreign if begins(path[-1], one)), "")
            if prefix and not begins(path[-1], prefix):
                yield (
                    f"{self._at(Part.FOUNDATION, *path)} doesn't begin with the file's prefix {prefix}"
                    f"{'' if prefix[-1] in SEPARATORS else ' and a separator (- _ .)'}; "
                    "rename it, or remove prefix"
                )
            elif other:
                yield (
                    f"{self._at(Part.FOUNDATION, *path)} has the prefix {other} of another file "
                    "(foreignPrefixes); rename it, or take that out"
                )


def _longest(mount: PkiMount) -> int:
    return lifetime(mount.tune.get("max_lease_ttl")) or DEFAULT_MAX_LEASE
