"""Tries of an issuer from here: its credentials read and its login made with the caller's own rights.

Credentials are sent only where the controller has sent them before: to the server of a spec that it checked,
and that nobody has changed since.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from issuer.api.issuers import IssuerSpec
from issuer.inspection.progress import ready_json
from issuer.inspection.reading import Reader
from issuer.kube.access import may_i
from issuer.kube.errors import KubeError
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import AllowedServers, BadEntry
from issuer.signing.backend import Backend, IssuerPart
from issuer.signing.outcomes import SigningError
from issuer.signing.reasons import SigningIssuerReason, SigningRetry
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Health
from issuer.x509.chains.anchors import Anchors

SECONDS: Final = 10.0
"""Seconds that one call of the CA's server may take: somebody waits at a prompt."""

_NOT_FROM_HERE: Final[Mapping[str, str]] = {
    SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED: (
        "it logs in by the controller's own identity or address, which you don't have"
    ),
    SigningIssuerReason.SECRET_FORBIDDEN: "you may not read a Secret that it needs",
    SigningIssuerReason.SERVER_NOT_ALLOWED: (
        "its server's name leads from here to an address of this machine or its network's own services"
    ),
    SigningIssuerReason.TOKEN_REQUEST_FORBIDDEN: (
        "you may not create tokens of the ServiceAccount that it logs in as"
    ),
    SigningRetry.KUBERNETES_UNAVAILABLE: "the API server does not answer now",
}
"""Reasons that say what the caller may not do, and nothing of the issuer."""


@dataclass(frozen=True, slots=True)
class IssuerTrial:
    """Result of trying an issuer: `not_tried` says why it was not; else `error` is None if all went well."""

    not_tried: str = ""
    error: SigningError | None = None
    health: Health | None = None
    anchors: Anchors | None = None


def obstacle(obj: Object, parts: Sequence[IssuerPart], address: str) -> str:
    """Return why credentials must not be sent from here to the server of this very spec; "" if they may."""
    ready = ready_json(obj)
    if not parts:
        return "its backend does not say how"
    sent = {reason for part in parts if part.credentials_sent for reason in part.reasons}
    if ready["ready"] is None:
        return "the controller has not checked this spec yet, so no credentials are sent to its server"
    if not ready["ready"] and ready["reason"] not in sent:
        return "the controller's last check sent no credentials to this server, so none are sent from here"
    if _is_open(address):
        return "credentials would travel unencrypted from here to the server (http)"
    return ""


def _is_open(address: str) -> bool:
    """Return True for http to another machine."""
    try:
        url = urlsplit(address)
        host = url.hostname or ""
        return url.scheme != "https" and not (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return True


def trial_settings(server: str, home: str) -> BackendSettings:
    """Return settings for a trial: the one server `host:port`, to which the controller has been before.

    No issuer may use the caller's own identity or address, as it is the controller's that counts.
    """
    allowed = AllowedServers()
    with suppress(BadEntry):
        allowed = AllowedServers.parse([server])
    return BackendSettings(
        home, timeout=SECONDS, allowed_servers=allowed, cluster_issuer_ambient_credentials=False
    )


async def try_issuer(
    reader: Reader, backend: Backend, key: IssuerKey, spec: IssuerSpec, settings: BackendSettings
) -> IssuerTrial:
    """Read what the spec refers to, log in, and check, as the user of the kubeconfig."""
    home = settings.home(key.namespace)
    try:
        for name in backend.secrets(spec):
            if not await may_i(
                reader.client, verb="get", group="", resource="secrets", name=name, namespace=home
            ):
                return IssuerTrial(f'you may not read Secret "{shown(name)}" in namespace "{shown(home)}"')
    except KubeError as error:
        return IssuerTrial(f"your rights to its Secrets are not known: {shown(error.message)}")
    try:
        prepared = await backend.connector(reader.client, settings, _ignored).prepare(key, spec)
        signer = prepared.build()
        try:
            return IssuerTrial(health=await signer.check(), anchors=prepared.anchors)
        finally:
            await signer.close()
    except SigningError as error:
        return _of(error, backend)


def _of(error: SigningError, backend: Backend) -> IssuerTrial:
    why = _NOT_FROM_HERE.get(error.reason)
    if why is None and error.reason == backend.unreachable:
        why = f"the server can't be reached from here: {error.message}"
    return IssuerTrial(why) if why is not None else IssuerTrial(error=error)


def _ignored(result: str, seconds: float) -> None:
    """Hear of a login, and count nothing."""


def trial_json(found: IssuerTrial) -> dict[str, Any]:
    """Return a trial as `-o json` prints it."""
    error = found.error
    return {
        "tried": not found.not_tried,
        "notTried": found.not_tried,
        "ok": found.health is not None,
        "reason": "" if error is None else str(error.reason),
        "message": "" if error is None else error.message,
    }
