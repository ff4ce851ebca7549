"""Opens signers of step-ca: the provisioner's password is read, and the signer is built from it.

The namespace rule: an issuer of a namespace uses Secrets of its own namespace only; a cluster issuer those of
the cluster resource namespace only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, cast

from issuer.api.issuers import IssuerSpec
from issuer.api.secrets import SecretKeySelector
from issuer.api.step import ClusterPasswordRef, StepClusterProvisioner, StepIssuerSpec, StepProvisioner
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import Reach
from issuer.signing.backend import LoggedIn, MemoryUse, PreparedSigner
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.secrets import NO_CREDENTIALS, References
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Signer
from issuer.signing.step.profile import signing_profile
from issuer.signing.step.provisioner import passwords
from issuer.signing.step.provisioner.account import KeySource, StepAccount
from issuer.signing.step.provisioner.keyring import Keyring
from issuer.signing.step.reasons import StepIssuerReason
from issuer.signing.step.signer import SignerOptions, StepSigner
from issuer.signing.trusted_cas import read_anchors
from issuer.step.client import StepClient
from issuer.step.connection import StepConnection, bundle_pem
from issuer.step.tokens import TokenIssuer
from issuer.transport.errors import InvalidConnection, ServerNotAllowed
from issuer.transport.sender import check_server
from issuer.x509.chains.bundle import some

DEFAULT_KEY_KEY: Final = "key.json"


class StepConnector:
    """Opens the signers of StepIssuers and StepClusterIssuers; `logged_in` hears of each try of tokens."""

    def __init__(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> None:
        self._client = client
        self._settings = settings
        self._logged_in = logged_in
        self._keyring = Keyring()

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        """Read Secrets. Raises IssuerBroken or Retry. Nothing is read for a server that may not be used."""
        step = cast("StepIssuerSpec", spec)
        reach = Reach(self._settings.allowed_servers, restricted=bool(key.namespace))
        connection = StepConnection(
            step.url, ca_pem=bundle_pem(step.ca_bundle), timeout=self._settings.timeout, reach=reach
        )
        await _check_server(connection)
        home = self._settings.home(key.namespace)
        references = References(self._client, home, restricted=bool(key.namespace))
        source = await self._source(references, step.provisioner)
        anchors = await read_anchors(references, spec)
        use = connection.tls_use()
        return PreparedSigner(
            tuple(sorted(references.versions.items())),
            partial(self._signer, key, step, connection, source),
            anchors,
            MemoryUse(use.what, use.size),
        )

    async def _source(self, references: References, provisioner: StepProvisioner) -> KeySource:
        local = None
        if provisioner.key_ref is not None:
            where = "spec.provisioner.keyRef"
            raw = await references.value(provisioner.key_ref, DEFAULT_KEY_KEY, where, NO_CREDENTIALS)
            local = raw.decode("ascii", errors="replace")
        password, field = await self._password(references, provisioner)
        return KeySource(password, local, field)

    async def _password(
        self, references: References, provisioner: StepProvisioner
    ) -> tuple[Callable[[], bytes | None], str]:
        """Return what gives the password at each check, and the field that names it."""
        reference = provisioner.password
        if reference is not None:
            where = "spec.provisioner.passwordRef"
            _check_namespace(reference, references.namespace, where)
            selector = SecretKeySelector(name=reference.name, key=reference.key)
            value = await references.value(selector, None, where, NO_CREDENTIALS)
            return lambda: value, f'key "{reference.key}" of Secret "{references.namespace}/{reference.name}"'
        if isinstance(provisioner, StepClusterProvisioner):
            if references.restricted and provisioner.sources:
                raise IssuerBroken(
                    StepIssuerReason.PASSWORD_NOT_ALLOWED,
                    f"spec.provisioner.{provisioner.sources[0]} is for issuers of the cluster: put the "
                    "password into a Secret, and name it in passwordRef",
                )
            if provisioner.password_env is not None:
                variable = partial(passwords.variable, provisioner.password_env, self._settings)
                variable()
                return variable, f"the controller's variable {provisioner.password_env}"
            if provisioner.password_file is not None:
                file = partial(passwords.file, provisioner.password_file, self._settings)
                file()
                return file, f'the controller\'s file "{provisioner.password_file}"'
        return lambda: None, "spec.provisioner"

    def _signer(
        self, key: IssuerKey, spec: StepIssuerSpec, connection: StepConnection, source: KeySource
    ) -> Signer:
        try:
            client = StepClient(connection)
            url, left_out = str(connection.url()), some(connection.left_out())
        except InvalidConnection as error:
            raise IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.") from error
        issuer = TokenIssuer(spec.provisioner.name, spec.provisioner.kid, url.rstrip("/"))
        account = StepAccount(client, issuer, source, self._keyring.of(key))
        options = SignerOptions(
            issuer.base, signing_profile(spec).leaf.name, revokes=spec.revocation.policy != "Never"
        )
        return StepSigner(client, account, options, self._logged_in, left_out)


async def _check_server(connection: StepConnection) -> None:
    try:
        await check_server(connection)
    except ServerNotAllowed as error:
        raise IssuerBroken(SigningIssuerReason.SERVER_NOT_ALLOWED, f"spec.url: {error}.") from error
    except InvalidConnection as error:
        raise IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.") from error


def _check_namespace(reference: object, home: str, where: str) -> None:
    """Raise IssuerBroken for a Secret of another namespace than that of the cluster's issuers."""
    namespace = reference.namespace if isinstance(reference, ClusterPasswordRef) else None
    if namespace not in (None, home):
        raise IssuerBroken(
            StepIssuerReason.PASSWORD_NOT_ALLOWED,
            f'{where}.namespace: cluster issuers use Secrets of the namespace "{home}" alone, and this is '
            f'"{namespace}". Put the Secret there, or run the controller with '
            f"--cluster-resource-namespace={namespace} (chart: controller.clusterResourceNamespace)",
        )
