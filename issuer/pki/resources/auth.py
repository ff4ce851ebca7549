"""Auth methods: the mount, its config, and its roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer.pki.file.access import OLD_NAMES, PLAIN_OF_PROVIDER, PROVIDER, SECRET_FIELDS, AuthMount
from issuer.pki.file.model import Part, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources.defaults import AUTH_CONFIG, AUTH_ROLE, ROLE_UNREAD
from issuer.pki.resources.known_fields import KNOWN
from issuer.pki.resources.mounts import AUTH, MountResource
from issuer.pki.resources.resource import Order, VaultResource, hide
from issuer.pki.secret import hidden
from issuer.pki.server.reading import VaultReading

ROLE_FOLDER: Final = {"kubernetes": "role", "approle": "role", "jwt": "role", "cert": "certs"}
_NOT_OF_ROLES: Final = frozenset({"secret_id"})
"""Secrets that no role takes; one that stands there all the same is refused, and not shown."""


@dataclass(frozen=True, slots=True)
class AuthConfig(VaultResource):
    """Config of an auth method, its secrets hidden in what is wanted and in what is read."""

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        """Return its fields as read, None if it doesn't exist."""
        read = reading.data(self.path)
        return None if read is None else _hide(read, self.fields_of.partition("/")[0])


def _hide(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a config with its secrets hidden, and fields that nobody knows: one may be a misspelt secret."""
    known = KNOWN.get(f"{kind}/config", frozenset())
    found = hide(config, SECRET_FIELDS[kind] | (config.keys() - known))
    provider = found.get(PROVIDER)
    if provider is not None:
        is_map = isinstance(provider, Mapping)
        found[PROVIDER] = hide(provider, provider.keys() - PLAIN_OF_PROVIDER) if is_map else hidden(provider)
    return found


def auth_methods(auth: Mapping[str, AuthMount], places: Places) -> Iterator[VaultResource]:
    """Yield mounts, configs and roles of all auth methods."""
    part = Part.FOUNDATION
    for path, method in auth.items():
        where = path_in_file(part, "auth", path)
        yield MountResource(
            kind="auth method",
            order=Order.AUTH,
            path=f"{AUTH}/{path}",
            place=places.of(*where),
            part=part,
            wanted={"type": method.type, "description": method.description, **method.tune},
            table=AUTH,
            fields_of="auth method",
            at=(*where, "tune"),
        )
        secret = SECRET_FIELDS[method.type]
        if method.config:
            yield AuthConfig(
                kind="auth config",
                order=Order.AUTH_CONFIG,
                path=f"auth/{path}/config",
                place=places.of(*where, "config"),
                part=part,
                wanted=_hide(method.config, method.type),
                defaults=AUTH_CONFIG[method.type],
                write_only=secret,
                inside=f"auth/{path}",
                fields_of=f"{method.type}/config",
                at=(*where, "config"),
            )
        for name, fields in method.roles.items():
            yield VaultResource(
                kind="auth role",
                order=Order.AUTH_ROLE,
                path=f"auth/{path}/{ROLE_FOLDER[method.type]}/{name}",
                place=places.of(*where, "roles", name),
                part=part,
                wanted=hide(fields, _NOT_OF_ROLES),
                defaults=AUTH_ROLE[method.type],
                write_only=ROLE_UNREAD,
                old_names=OLD_NAMES,
                inside=f"auth/{path}",
                fields_of=f"{method.type}/{ROLE_FOLDER[method.type]}",
                at=(*where, "roles", name),
            )
