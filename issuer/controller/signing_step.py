"""From an approved request and a Ready issuer to a certificate that is verified and held."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from issuer.controller.delivery import Cause, Delivery, Held
from issuer.controller.modes import Mismatch, is_strict, path_length
from issuer.controller.outcomes import Failed, Issued, Outcome, PutOff, Waiting
from issuer.controller.registry import IssuerEntry, IssuerRegistry, SharedSigner
from issuer.controller.request import IssuerKey, Request
from issuer.kube.workqueue import WorkQueue
from issuer.signing import outcomes as signing
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.telemetry.metrics import Metrics
from issuer.x509.chain import Chain, build_chain, read_certificates
from issuer.x509.errors import X509Error
from issuer.x509.verify import Asked, verify

# Reasons of a Retry that concern every request of the issuer, not only the one that met it.
ISSUER_WIDE = frozenset({"VaultSealed", "VaultUnreachable"})


@dataclass(slots=True, eq=False)
class SigningStep:
    """Signs one request through its issuer, once, and tells the issuer what was learnt of it.

    ``may_sign`` says whether this process still holds the leadership; it is
    asked just before each signing call.
    """

    registry: IssuerRegistry
    issuer_queue: WorkQueue[IssuerKey]
    delivery: Delivery
    metrics: Metrics
    may_sign: Callable[[], bool]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(self, request: Request, asked: Asked, entry: IssuerEntry, approval: str | None) -> Outcome:
        """Issued with the certificate held, or why there is none."""
        if not self.may_sign():
            return PutOff("NotLeader", "another replica does the work now", tell=False)
        if entry.shared is None or entry.spec is None:
            raise AssertionError("a usable issuer has a signer and a spec")
        try:
            asked = replace(asked, path_length=path_length(entry.spec, asked))
        except Mismatch as error:
            return Failed(str(error))
        strict = is_strict(entry.spec, is_ca=asked.is_ca)
        shared = entry.shared.borrow()
        try:
            signed = await self._call(shared, asked)
            self.registry.trust(entry.key)
            return await self._accept(request, asked, entry.key, shared, signed, strict, approval)
        except signing.Failed as error:
            self.registry.trust(entry.key)  # the CA answered, and it was about this request
            return Failed(f"{error.reason}: {error.message}", error.reason)
        except signing.IssuerBroken as error:
            entry.suspect = True
            return self._issuer_trouble(entry.key, error)
        except signing.Retry as error:
            if error.reason in ISSUER_WIDE:
                return self._issuer_trouble(entry.key, error)
            return PutOff(error.reason, error.message, error.after)
        finally:
            await shared.give_back()

    async def _call(self, shared: SharedSigner, asked: Asked) -> SignedCertificate:
        wanted = SigningRequest(
            csr_pem=asked.request.pem,
            duration=asked.duration,
            usages=asked.usages,
            is_ca=asked.is_ca,
            path_length=asked.path_length,
        )
        started, result = time.perf_counter(), "error"
        try:
            signed = await shared.signer.sign(wanted)
            result = "signed"
            return signed
        except signing.SigningError as error:
            result = type(error).__name__.lower()
            raise
        finally:
            self.metrics.sign_seconds.labels(result).observe(time.perf_counter() - started)

    async def _accept(
        self,
        request: Request,
        asked: Asked,
        key: IssuerKey,
        shared: SharedSigner,
        signed: SignedCertificate,
        strict: bool,
        approval: str | None,
    ) -> Outcome:
        """Verify what came back; hold it for delivery, or have it revoked."""
        try:
            chain, remarks = _verified(signed, asked, self.now(), strict)
        except X509Error as error:
            await self.delivery.revoke(
                shared, signed.leaf_pem, signed.serial, request.key, Cause.UNVERIFIED, is_ca=asked.is_ca
            )
            return Failed(
                f"the CA returned a certificate that is not what was asked for ({error}); "
                f"it was not delivered (serial {signed.serial}). Check the Vault role",
                "NotAsAsked",
            )
        message = f"signed by {key}, serial {signed.serial}"
        if remarks:
            message += f". As the CA decided: {'; '.join(remarks)}"
        held = Held(
            key=request.key,
            uid=request.uid,
            issuer=key,
            shared=shared,
            leaf_pem=signed.leaf_pem,
            certificate_pem=chain.certificate_pem,
            ca_pem=chain.ca_pem,
            serial=signed.serial,
            message=message,
            approval=approval,
        )
        self.delivery.hold(held)
        return Issued(held)

    def _issuer_trouble(self, key: IssuerKey, error: signing.SigningError) -> Waiting:
        """The whole issuer can't sign: tell it, and have it checked soon."""
        if self.registry.entry(key).ready:  # the first of many in flight to find out
            self.registry.mark_broken(key, error.reason, error.message)
            self.issuer_queue.retry(key)
        return Waiting(key, f"{key} is not Ready ({error.reason}): {error.message}")


def _verified(
    signed: SignedCertificate, asked: Asked, now: datetime, strict: bool
) -> tuple[Chain, list[str]]:
    """The chain and what the CA decided otherwise; raises X509Error when it must not be delivered."""
    leaves = read_certificates(signed.leaf_pem)
    chain = build_chain(leaves[0], read_certificates(signed.ca_pems) if signed.ca_pems.strip() else ())
    findings = verify(chain, asked, now, strict=strict)
    fatal = [one.message for one in findings if one.fatal]
    if fatal:
        raise X509Error("; ".join(fatal))
    return chain, [one.message for one in findings]
