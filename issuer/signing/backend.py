"""The seam between controllers and what signs: a `Backend` describes its issuers and opens their signers.

Everything above `signing/` finds the backend of an issuer by its kind (`Backends.of`) and asks it; nothing
above names one. The description is pure and cheap, so that commands can use it; only `connector` may import
what it takes to talk to the CA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from issuer.api.issuers import IssuerSpec
from issuer.kube.client import KubeClient
from issuer.reasons import IssuerReason
from issuer.requests.issuers import IssuerKey, IssuerKind, IssuerKinds, KindTakenError
from issuer.signing.profile import SigningProfile
from issuer.signing.reasons import Reasons
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Signer
from issuer.x509.chains.anchors import Anchors

STATUS_FIELDS: Final = frozenset({"caSubject", "caSerial", "caNotAfter", "warnings", "badAnswers"})
"""The fields of an issuer's status, beside conditions, that the controller can fill."""

LoggedIn = Callable[[str, float], None]
"""Hears of each login: `success`, `refused` (the CA's server said no) or `error`, and the seconds it took."""


class BackendError(ValueError):
    """Backends that can't be used together, or one that can't be loaded; the message says what to change."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Roughly how many bytes a connection takes; the same `what` counts once for all that use it."""

    what: object
    size: int


@dataclass(frozen=True, slots=True)
class PreparedSigner:
    """A signer that can be built, from credentials that were just read.

    Attributes:
        versions: `(name, resourceVersion)` of each Secret read; when one changes, a new signer is built.
        build: makes the signer; called at most once, and not at all where the former one still fits.
        anchors: the CAs of `spec.trustedCA`, one of which must stand in every chain; None for any.
        memory: what its connection takes, None for next to nothing.
    """

    versions: tuple[tuple[str, str], ...]
    build: Callable[[], Signer]
    anchors: Anchors | None = None
    memory: MemoryUse | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """An issuer in a few words, for pages and tables.

    Attributes:
        server: host and port of its server.
        path: the path there by which it signs.
        address: the server as the spec writes it, which may be a whole URL.
        namespace: the server's own namespace, where it has some.
    """

    server: str = ""
    path: str = ""
    address: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class IssuerPart:
    """One thing that has to be right before an issuer signs, such as its login.

    Attributes:
        name: a word or two, such as `Login`.
        text: what the issuer's spec says of it.
        reasons: those, of a check that failed, which lie here. Parts come in the order in which a check meets
            them: those before the one that failed were right.
        credentials_sent: True if a check that fails here has sent credentials to the server.
        cures: for some of the reasons a command for a shell that mends it, or shows what is wrong.
    """

    name: str
    text: str
    reasons: frozenset[str]
    credentials_sent: bool = False
    cures: Mapping[str, str] = field(default_factory=dict)


class Connector(Protocol):
    """Opens the signers of one backend in one process."""

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        """Read what the spec refers to.

        Raises IssuerBroken with what to fix, or Retry where the API server can't answer now. Nothing is read
        for a server that the issuer may not use.
        """
        ...


class Backend(Protocol):
    """The description of one backend: the kinds of issuers that it signs for, and how their specs are read.

    A class that derives from it inherits the answers of a backend that dials no server and has nothing to
    warn of.

    Attributes:
    - `name`: as `--backends` names it.
    - `kinds`: the kinds of issuers it signs for.
    - `status_fields`: those of `STATUS_FIELDS` that their CRD has.
    - `reasons`: those that its signers raise beside the shared ones; values of metrics' labels.
    - `unreachable`: the reason of an issuer whose server does not answer in time.
    - `peer`: name of another controller whose kinds these are, "" for none. It must not run beside this one.
    - `keeps_generation`: False if the CRD's conditions have no `observedGeneration`.
    """

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[IssuerKind, ...]: ...

    @property
    def status_fields(self) -> frozenset[str]: ...

    @property
    def reasons(self) -> Reasons: ...

    @property
    def unreachable(self) -> IssuerReason: ...

    @property
    def peer(self) -> str:
        return ""

    @property
    def keeps_generation(self) -> bool:
        return True

    def parse(self, spec: Mapping[str, Any]) -> IssuerSpec:
        """Return the spec of an issuer. Raises SpecError, with one line for each bad field."""
        ...

    def profile(self, spec: IssuerSpec) -> SigningProfile:
        """Return how an issuer signs, and how closely its answers are checked."""
        ...

    def warnings(self, spec: IssuerSpec) -> tuple[str, ...]:
        """Return sentences for the status about what deserves a look although the issuer can sign."""
        return ()

    def ready_message(self, spec: IssuerSpec) -> str:
        """Return how the message of the condition Ready of an issuer that was just checked begins; the
        bounds of `Health.lives` follow."""
        return f"{self.name} is ready to sign"

    def server(self, spec: Mapping[str, Any]) -> str:
        """Return `host:port` of the server that a spec names, one spelling for each; empty for none.

        Checks of issuers take turns by it; rates and turns of requests stay per issuer. The spec is as it was
        written, and need not be valid.
        """
        return ""

    def secrets(self, spec: IssuerSpec) -> tuple[str, ...]:
        """Return the names of the Secrets that an issuer refers to, in its namespace or the cluster's."""
        ...

    def home(self, spec: IssuerSpec) -> str:
        """Return the namespace that a cluster issuer's spec names for its Secrets, "" for none."""
        return ""

    def only_in_process(self, spec: IssuerSpec) -> str:
        """Return what an issuer needs that only the controller's own process has, "" for nothing."""
        return ""

    def summary(self, spec: Mapping[str, Any]) -> Summary:
        """Return an issuer in a few words. The spec is as it was written, and need not be valid."""
        return Summary()

    def parts(self, spec: IssuerSpec, home: str = "") -> tuple[IssuerPart, ...]:
        """Return what has to be right before an issuer signs, in the order in which a check meets it.

        `home` is the namespace of its Secrets, "" where that is not known. Without parts a check is tried
        from nowhere but the controller.
        """
        return ()

    def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
        """Return what opens the signers of this process; `logged_in` hears of each login."""
        ...


class Backends:
    """The backends of one process, by the kinds they sign for. Raises BackendError if two claim one kind."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._backends = tuple(backends)
        names = [backend.name for backend in self]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BackendError(f"there are two backends of the name {twice!r}: leave one out of --backends")
        try:
            self.kinds = IssuerKinds(kind for backend in self for kind in backend.kinds)
        except KindTakenError as error:
            raise BackendError(f"{error}. Leave one of their backends out of --backends") from error
        self._by_kind = {kind.kind: backend for backend in self for kind in backend.kinds}

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._backends)

    def of(self, kind: str) -> Backend:
        """Return the backend that signs for issuers of a kind, which must be one of `kinds`."""
        return self._by_kind[kind]

    def server(self, kind: str, spec: Mapping[str, Any]) -> str:
        """Return `host:port` of the server that a spec of that kind names, empty for none."""
        return self.of(kind).server(spec)
