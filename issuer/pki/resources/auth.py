"""Auth methods: the mount, its config, and its roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from issuer.pki.file.access import OLD_NAMES, SECRET_FIELDS, AuthMount
from issuer.pki.file.model import Part, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources.defaults import AUTH_CONFIG, AUTH_ROLE, ROLE_UNREAD
from issuer.pki.resources.mounts import AUTH, MountResource
from issuer.pki.resources.resource import Order, VaultResource, hide

ROLE_FOLDER: Final = {"kubernetes": "role", "approle": "role", "jwt": "role", "cert": "certs"}


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
            yield VaultResource(
                kind="auth config",
                order=Order.AUTH_CONFIG,
                path=f"auth/{path}/config",
                place=places.of(*where, "config"),
                part=part,
                wanted=hide(method.config, secret),
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
                wanted=fields,
                defaults=AUTH_ROLE[method.type],
                write_only=ROLE_UNREAD,
                old_names=OLD_NAMES,
                inside=f"auth/{path}",
                fields_of=f"{method.type}/{ROLE_FOLDER[method.type]}",
                at=(*where, "roles", name),
            )
