"""Signing through step-ca: one call for each request, with a token of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.signing.backend import LoggedIn
from issuer.signing.outcomes import (
    AnswerFault,
    BadAnswer,
    Failed,
    IssuerBroken,
    NotRevoked,
    SigningError,
    answered_before,
)
from issuer.signing.reasons import SigningFailure, SigningIssuerReason
from issuer.signing.signer import Health, OwnCAs, SignedCertificate, SigningRequest
from issuer.signing.step.advice import advice
from issuer.signing.step.authorities import StepAuthorities
from issuer.signing.step.errors import outcome, signing_outcome
from issuer.signing.step.provisioner.account import StepAccount
from issuer.signing.step.provisioner.names import granted_names
from issuer.signing.step.reasons import StepRetry, StepRevocationReason
from issuer.step.client import SignedChain, StepClient
from issuer.step.errors import (
    NotImplementedThere,
    StepBadRequest,
    StepError,
    StepForbidden,
    StepNotFound,
    StepRefusal,
    TokenRefused,
)
from issuer.step.tokens import REVOKE_PATH, SIGN_PATH
from issuer.transport.errors import UnexpectedAnswer
from issuer.x509.certificates import Certificate
from issuer.x509.chains.bundle import read_leaf
from issuer.x509.describe import serial_hex
from issuer.x509.errors import InvalidCertificate

_ASKED_NAME = "asked.vault-issuer.invalid"
_GRANTED_NAME = "granted.vault-issuer.invalid"


@dataclass(frozen=True, slots=True)
class SignerOptions:
    """Settings of signing by one issuer. `path` is how messages name it; `revokes` whether it revokes."""

    url: str
    path: str
    revokes: bool = False


class StepSigner:
    """Signer, Revoker and Advisor for one issuer: one step-ca, one provisioner.

    `logged_in` is called each time that the provisioner's tokens are tried by a check.
    """

    def __init__(
        self,
        client: StepClient,
        account: StepAccount,
        options: SignerOptions,
        logged_in: LoggedIn,
        left_out: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._account = account
        self._options = options
        self._logged_in = logged_in
        self._left_out = left_out
        self._clock = clock
        self._cas = StepAuthorities(client, clock)
        self._proved: object = None

    async def check(self) -> Health:
        """Read the CAs and the provisioner, open its key, and have a token taken once.

        Raises Retry, IssuerUnavailable or IssuerBroken.
        """
        try:
            await self._client.health()
            ca_pem = await self._cas.read()
            await self._account.read()
            crl = await self._crl_warnings()
        except StepError as error:
            raise outcome(error, self._options.url) from error
        if self._proved != self._account.version:
            await self._prove()
        warnings = (*self._account.warnings(), *self._bundle_warnings(), *crl)
        return Health(ca_pem, warnings, lives=self._account.lives, clock=self._client.skew)

    async def _prove(self) -> None:
        """Have step-ca take a token and refuse what is asked for with it: another name than it grants.

        step-ca keeps each token that it took for ever, so that is done once, and again after a refusal or
        with another key. Raises IssuerBroken if that is signed: any name could be had by such a token.
        """
        started, result = self._clock(), "error"
        csr = _probe()
        try:
            await self._account.authorized(
                SIGN_PATH, _GRANTED_NAME, (_GRANTED_NAME,), lambda token: self._client.sign(csr, token, None)
            )
        except (StepForbidden, StepBadRequest):
            result = "success"
            self._proved = self._account.version
        except StepError as error:
            raise outcome(error, self._options.url) from error
        except IssuerBroken:
            result = "refused"
            raise
        else:
            raise IssuerBroken(
                SigningIssuerReason.UNEXPECTED_ANSWER,
                f"step-ca at {self._options.url} signed a certificate for {_ASKED_NAME} by a token that "
                f"grants {_GRANTED_NAME} alone: whoever has one of its tokens gets any name. See who answers "
                "there, and which step-ca it runs.",
            )
        finally:
            self._logged_in(result, self._clock() - started)

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        """Sign one request, once. Raises Retry, Failed, IssuerUnavailable, IssuerBroken or BadAnswer."""
        if request.is_ca:
            raise Failed(
                SigningFailure.CA_REQUESTS_NOT_ALLOWED,
                f"The request asks for a CA certificate, and {self._options.path} of step-ca signs none. "
                "Leave isCA out, or use an issuer that signs CAs.",
            )
        granted = granted_names(request.csr_pem)

        async def sign(token: str) -> SignedChain:
            try:
                return await self._client.sign(
                    request.csr_pem, token, request.duration, request.before_sending
                )
            except TokenRefused:
                raise
            except UnexpectedAnswer as error:
                raise await self._answered_otherwise(error, request) from error
            except StepError as error:
                raise signing_outcome(error, self._options.url, request.duration) from error

        try:
            await self._cas.prepare()  # what fails after the call would hide that something was signed
            signed = await self._account.authorized(SIGN_PATH, granted.subject, granted.sans, sign)
        except StepError as error:
            raise outcome(error, self._options.url) from error
        try:
            serial = serial_hex(read_leaf(signed.leaf_pem))
        except InvalidCertificate as error:
            raise BadAnswer(
                AnswerFault.UNREADABLE,
                f"what step-ca at {self._options.url} sent as a certificate can't be read: {error}",
            ) from error
        return SignedCertificate(signed.leaf_pem, self._cas.above(signed.chain_pems), serial)

    async def _answered_otherwise(self, error: UnexpectedAnswer, request: SigningRequest) -> SigningError:
        """Return the outcome of an answer to a signing call that is not step-ca's: this request's alone if
        step-ca itself refuses an empty one.

        A firewall can take names for an attack; who asks for them must not break the issuer for everybody.
        """
        found = signing_outcome(error, self._options.url, request.duration)
        if not isinstance(found, IssuerBroken):
            return found
        try:
            await self._client.sign("", "", None)
        except (StepRefusal, TokenRefused):
            return answered_before(StepRetry.STEP_CA_UNAVAILABLE, error, self._options.url)
        except StepError as again:
            return outcome(again, self._options.url)
        return found

    async def knows(self, cas: Sequence[Certificate], *, is_ca: bool) -> bool:
        """Return True if step-ca names all of these CAs as its own. Raises Retry, IssuerBroken."""
        try:
            return await self._cas.hold(cas)
        except StepError as error:
            raise outcome(error, self._options.url) from error

    async def own_cas(self) -> OwnCAs:
        """Return step-ca's intermediates and all its roots. Raises Retry, IssuerUnavailable or
        IssuerBroken."""
        try:
            return OwnCAs(await self._cas.read())
        except StepError as error:
            raise outcome(error, self._options.url) from error

    def advice(self, codes: frozenset[str]) -> str:
        """Return advice on the provisioner's template and claims that cause these differences."""
        return advice(codes)

    async def revoke(self, certificate_pem: str, *, is_ca: bool | None = None) -> None:
        """Revoke one certificate passively, by its serial number.

        Raises Retry, NotRevoked or IssuerBroken.
        """
        try:
            serial = read_leaf(certificate_pem).serial_number
        except InvalidCertificate as error:
            raise _not_revoked(str(error)) from error

        async def revoke(token: str) -> None:
            try:
                await self._client.revoke(serial, token)
            except StepBadRequest as error:
                if not error.already_revoked:
                    raise

        try:
            await self._account.authorized(REVOKE_PATH, str(serial), (), revoke)
        except (StepForbidden, StepBadRequest, StepNotFound, NotImplementedThere) as error:
            raise _not_revoked(f"{error}. It takes a database (db in its ca.json)") from error
        except StepError as error:
            raise outcome(error, self._options.url) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _bundle_warnings(self) -> tuple[str, ...]:
        left_out = f"Left out of the CA bundle for step-ca: {self._left_out}." if self._left_out else ""
        ending = self._client.connection.bundle_warning(self._account.now())
        return tuple(filter(None, (left_out, ending)))

    async def _crl_warnings(self) -> tuple[str, ...]:
        """Return what a revocation is worth here, where the issuer revokes."""
        if not self._options.revokes:
            return ()
        passive = (
            "step-ca revokes passively: it renews a revoked certificate no more, and the certificate stays"
        )
        try:
            crl = x509.load_der_x509_crl(await self._client.crl())
        except (StepNotFound, NotImplementedThere):
            return (f'{passive} valid until its end. This CA makes no CRL: enable "crl" in its ca.json.',)
        except StepError as error:  # signing goes on without it
            return (f"{passive} valid for whom its CRL says nothing. Its CRL can't be read now: {error}.",)
        except ValueError:
            return (f"{passive} valid until its end. What this CA serves as its CRL can't be read.",)
        end = crl.next_update_utc
        if end is not None and end < self._account.now():
            return (f"{passive} valid for whom its CRL says nothing. That CRL ended at {end.isoformat()}.",)
        return (f"{passive} valid for all who don't look into its CRL at {self._options.url}/crl.",)


@lru_cache(maxsize=1)
def _probe() -> str:
    """Return a CSR, made once, for a name that no token grants."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _ASKED_NAME)])
    sans = x509.SubjectAlternativeName([x509.DNSName(_ASKED_NAME)])
    builder = x509.CertificateSigningRequestBuilder(name).add_extension(sans, critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def _not_revoked(why: str) -> NotRevoked:
    return NotRevoked(
        StepRevocationReason.REVOCATION_REFUSED_BY_STEP_CA, f"step-ca did not revoke the certificate: {why}."
    )
