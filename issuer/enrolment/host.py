"""One machine's objects in Vault, as they should be. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from issuer.agent.login.ticket import HOST_PREFIX, MAX_COMMON_NAME, common_name
from issuer.hostnames import is_ip_address
from issuer.pki.errors import PkiError
from issuer.text import parse_json
from issuer.x509.syntax.hosts import label_problem

_MARK: Final = "# vault-issuer enrolment: "
_MAX_UNIT: Final = 64
"""Characters of an organizational unit: RFC 5280, ub-organizational-unit-name."""


@dataclass(frozen=True, slots=True)
class HostRecord:
    """Record of what belongs to a machine, as the first line of its policy holds it."""

    host: str
    mount: str
    app_role_mount: str
    cert_mount: str = ""
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    locked: bool = False

    @property
    def name(self) -> str:
        """The name of the machine's roles and policy."""
        return f"{HOST_PREFIX}{self.host}"

    @property
    def unit(self) -> str:
        """The organizational unit that its PKI role writes into each certificate, whatever was asked for.

        By it a removal finds those with none of its names, too: nobody but the role can write it.
        """
        if len(self.name) <= _MAX_UNIT:
            return self.name
        return f"{HOST_PREFIX}{hashlib.sha256(self.host.encode()).hexdigest()[:32]}"

    @property
    def policy_path(self) -> str:
        """The path of its policy."""
        return f"sys/policies/acl/{self.name}"

    @property
    def role_path(self) -> str:
        """The path of its PKI role."""
        return f"{self.mount}/roles/{self.name}"

    @property
    def app_role_path(self) -> str:
        """The path of its AppRole."""
        return f"auth/{self.app_role_mount}/role/{self.name}"

    @property
    def cert_path(self) -> str:
        """The path of its role of certificate logins; empty if it has none."""
        return f"auth/{self.cert_mount}/certs/{self.name}" if self.cert_mount else ""

    def line(self) -> str:
        """Return the record as a comment of a policy."""
        data = {
            "host": self.host,
            "mount": self.mount,
            "appRoleMount": self.app_role_mount,
            "certMount": self.cert_mount,
            "dnsNames": list(self.dns_names),
            "ipAddresses": list(self.ip_addresses),
            "locked": self.locked,
        }
        return _MARK + json.dumps(data) + "\n"

    @classmethod
    def of_policy(cls, text: str) -> HostRecord | None:
        """Read the record of a policy; None if it is no machine's."""
        first = text.partition("\n")[0]
        if not first.startswith(_MARK):
            return None
        try:
            data: Any = parse_json(first.removeprefix(_MARK))
            return cls(
                str(data["host"]),
                str(data["mount"]),
                str(data["appRoleMount"]),
                str(data["certMount"]),
                tuple(map(str, data["dnsNames"])),
                tuple(map(str, data["ipAddresses"])),
                data["locked"] is True,
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class HostWish:
    """Wish that a command gave. What is None, or has no names, was not given: it stays as it is in Vault."""

    host: str
    mount: str | None = None
    app_role_mount: str | None = None
    cert_mount: str | None = None
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    cidrs: tuple[str, ...] | None = None
    ttl: timedelta | None = None

    def record(self, there: HostRecord | None = None) -> HostRecord:
        """Return the machine's record; `there` is the one in Vault, if it is enrolled."""
        names = () if self.ip_addresses else (self.host,)
        old = there or HostRecord(self.host, "pki_int", "approle", "", names)
        return HostRecord(
            self.host,
            old.mount if self.mount is None else self.mount,
            old.app_role_mount if self.app_role_mount is None else self.app_role_mount,
            old.cert_mount if self.cert_mount is None else self.cert_mount,
            self.dns_names or old.dns_names,
            self.ip_addresses or old.ip_addresses,
        )


@dataclass(frozen=True, slots=True)
class HostBounds:
    """Limits of a machine's certificates and logins. `cidrs` are the networks that it may log in from."""

    ttl: timedelta = timedelta(hours=72)
    token_period: timedelta = timedelta(days=1)
    secret_id_ttl: timedelta = timedelta(days=30)
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedObject:
    """One object in Vault and its fields, in the units in which Vault gives them back."""

    kind: str
    path: str
    fields: Mapping[str, Any]


def check_names(record: HostRecord) -> None:
    """Raise PkiError for names that a role, or a role of certificate logins, can't hold exactly."""
    for name in record.dns_names:
        plain = name.removeprefix("*.").replace("-", "").replace(".", "")
        if not name.isascii() or not plain.isalnum() or name != name.lower():
            raise PkiError(f'"{name}" is no DNS name; write it in small letters and A-labels')
    for address in record.ip_addresses:
        if not is_ip_address(address):
            raise PkiError(f'"{address}" is no IP address')
    if record.cert_mount and (not _login_name(record) or "*" in _login_name(record)):
        # Without a name Vault lets any certificate of the CA log in as this machine.
        raise PkiError(
            f"{record.host} has no DNS name for a certificate login, which knows it by its common name: give "
            f"--dns-name with one of at most {MAX_COMMON_NAME} characters and without *, or leave --cert out"
        )


def need_found_names(record: HostRecord) -> None:
    """Raise PkiError for a DNS name that no client finds, or no CA signs; a machine that has one can be
    removed."""
    for name in record.dns_names:
        if is_ip_address(name):
            raise PkiError(
                f'"{name}" is an IP address, which no client looks for among DNS names: give the machine\'s '
                "name as HOST or --dns-name, and the address as --ip-address"
            )
        if problem := label_problem(name.removeprefix("*.")):
            raise PkiError(f'"{name}" is no DNS name: it {problem}')


def _login_name(record: HostRecord) -> str:
    return common_name(record.dns_names)


def wanted_objects(record: HostRecord, bounds: HostBounds, ca_pem: str) -> tuple[WantedObject, ...]:
    """Return a machine's objects, in the order in which they are made.

    `ca_pem` is the CA that signs, for certificate logins: those above it sign for others, too.
    """
    found = [
        WantedObject("PKI role", record.role_path, _role(record, bounds)),
        WantedObject("policy", record.policy_path, {"policy": policy_text(record)}),
        WantedObject("AppRole", record.app_role_path, _app_role(record, bounds)),
    ]
    if record.cert_mount:
        fields = {
            "certificate": ca_pem,
            "allowed_common_names": [_login_name(record)],
            "token_policies": [record.name],
            "token_no_default_policy": True,
            "token_ttl": _seconds(bounds.token_period),
            "token_max_ttl": _seconds(bounds.token_period),
            "token_bound_cidrs": list(bounds.cidrs),
        }
        found.append(WantedObject("certificate login", record.cert_path, fields))
    return tuple(found)


def policy_text(record: HostRecord) -> str:
    """Return a machine's policy: its own role, its own secret IDs, its own token, and nothing else."""
    if record.locked:
        return record.line()
    paths = [
        f"{record.mount}/sign/{record.name}",
        f"{record.mount}/issue/{record.name}",
        # Only a certificate whose key it has, and not anybody's as by `revoke`.
        f"{record.mount}/revoke-with-key",
        f"{record.app_role_path}/secret-id",
        f"{record.app_role_path}/secret-id-accessor/destroy",
        "auth/token/renew-self",
    ]
    rules = [f'path "{path}" {{ capabilities = ["update"] }}\n' for path in paths]
    rules.append('path "auth/token/lookup-self" { capabilities = ["read"] }\n')
    return record.line() + "".join(rules)


def _role(record: HostRecord, bounds: HostBounds) -> dict[str, Any]:
    return {
        "allowed_domains": list(record.dns_names),
        "allow_bare_domains": True,
        "allow_subdomains": False,
        "allow_glob_domains": False,  # its `*` matches dots: any name below would be signed
        "allow_wildcard_certificates": any(name.startswith("*.") for name in record.dns_names),
        "allow_any_name": False,
        "allow_localhost": False,
        "allow_ip_sans": bool(record.ip_addresses),
        "allowed_uri_sans": [],
        "enforce_hostnames": True,
        "require_cn": False,
        "cn_validations": ["hostname"],  # by default any mailbox of an allowed domain, too
        "ou": [record.unit],
        "key_type": "any",
        "key_usage": ["DigitalSignature"],
        "server_flag": True,
        "client_flag": True,
        "ttl": _seconds(bounds.ttl),
        "max_ttl": _seconds(bounds.ttl),
        "no_store": False,
        "generate_lease": False,
    }


def _app_role(record: HostRecord, bounds: HostBounds) -> dict[str, Any]:
    return {
        "token_policies": [record.name],
        "token_no_default_policy": True,
        "token_period": _seconds(bounds.token_period),
        "token_bound_cidrs": list(bounds.cidrs),
        "bind_secret_id": True,
        "secret_id_num_uses": 1,
        "secret_id_ttl": _seconds(bounds.secret_id_ttl),
        "secret_id_bound_cidrs": list(bounds.cidrs),
    }


def _seconds(life: timedelta) -> int:
    return int(life.total_seconds())
