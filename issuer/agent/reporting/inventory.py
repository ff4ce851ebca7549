"""A report of one machine's certificates that an inventory can read."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.agent.config.model import AgentFile, CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.hooks.consumer import SetSpec, read_set
from issuer.agent.reporting.consumers import ConsumerStatus
from issuer.agent.reporting.report import SetStatus
from issuer.text import rfc3339

FORMAT: Final = 1
"""The version of the report's form; a field that is added doesn't change it."""


def machine_report(
    file: AgentFile, found: Iterable[SetStatus], consumers: Iterable[ConsumerStatus], now: datetime
) -> dict[str, Any]:
    """Return all that is kept on this machine as JSON holds it. No key, no secret, no token."""
    specs: dict[str, SetSpec] = {one.name: one for one in file.certificates}
    specs |= {one.name: one for one in file.ca_chains}
    return {
        "format": FORMAT,
        "machine": socket.gethostname(),
        "at": rfc3339(now),
        "server": file.vault.server,
        "namespace": file.vault.namespace,
        "sets": [{**one.to_json(now), **_contents(specs[one.name])} for one in found],
        "consumers": [{**one.to_json(), "sets": list(one.sets)} for one in consumers],
    }


def _contents(spec: SetSpec) -> dict[str, Any]:
    """Return what a set holds, and where."""
    paths = [*(spec.folder / one.name for one in spec.files), *(one.path for one in spec.copies)]
    where = {
        "files": list(map(str, paths)),
        "path": getattr(spec, "path", None) or getattr(spec, "mount", None),
    }
    try:
        made = read_set(spec)
    except AgentError:
        made = None
    if made is None:
        return {**where, "certificates": []}
    leaf = () if made.certificate is None else (made.certificate,)
    return {
        **where,
        "names": _names(spec),
        "certificates": [_described(one) for one in (*leaf, *made.chain, *made.roots)],
    }


def _names(spec: SetSpec) -> list[str]:
    if not isinstance(spec, CertificateSpec):
        return []
    names = (spec.common_name, *spec.dns_names, *spec.ip_addresses, *spec.uris, *spec.email_addresses)
    return list(dict.fromkeys(name for name in names if name))


def _described(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "notBefore": rfc3339(certificate.not_valid_before_utc),
        "notAfter": rfc3339(certificate.not_valid_after_utc),
    }
