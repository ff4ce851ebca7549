"""The CAs that an issuer's certificates may come from: `spec.trustedCA`, and those of its backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from issuer.api.issuers import IssuerSpec
from issuer.api.secrets import DEFAULT_CA_KEY
from issuer.signing.outcomes import AnswerFault, BadAnswer, IssuerBroken
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.secrets import References
from issuer.signing.signer import Advisor, KnowsItsCAs, Signer
from issuer.x509.chains.anchors import Anchors, shown_cas
from issuer.x509.chains.chain import Chain, SigningCA
from issuer.x509.errors import InvalidCertificate

FIELD: Final = "spec.trustedCA"


class StrangeCA(BadAnswer):
    """Outcome of a certificate from a CA that the issuer must not deliver from."""

    def __init__(self, message: str) -> None:
        super().__init__(AnswerFault.ANOTHER_CA, message)


async def read_anchors(references: References, spec: IssuerSpec) -> Anchors | None:
    """Return the anchors that `spec.trustedCA` names, None without it. Raises IssuerBroken or Retry."""
    trusted = spec.trusted_ca
    if trusted is None:
        return None
    if trusted.secret_ref is None:
        return Anchors.from_hex(trusted.sha256)
    where = f"{FIELD}.secretRef"
    pem = await references.value(trusted.secret_ref, DEFAULT_CA_KEY, where)
    try:
        return Anchors.from_pem(pem)
    except InvalidCertificate as error:
        name, key = trusted.secret_ref.name, trusted.secret_ref.key or DEFAULT_CA_KEY
        raise IssuerBroken(
            SigningIssuerReason.INVALID_TRUSTED_CA,
            f'{where}: key "{key}" of Secret "{references.namespace}/{name}": {error}. Put the CA '
            "certificates there in PEM",
        ) from error


def trusted_ways(found: SigningCA, anchors: Anchors | None, path: str) -> SigningCA:
    """Return the ways up that hold an anchor. Raises IssuerBroken where none does."""
    if anchors is None:
        return found
    ways = tuple(way for way in found.ways if anchors.hold(way.cas))
    if not ways:
        raise IssuerBroken(
            SigningIssuerReason.CA_NOT_TRUSTED,
            f"no CA of {FIELD} stands in the chain of the CA behind {path}, which is "
            f"{shown_cas(found.ways[0].cas)}. If these are the right ones, name one of them in {FIELD}; a "
            "root that is named there must be among the issuers of the mount, as it is delivered, too",
        )
    return SigningCA(ways)


def trusted_chains(chains: Sequence[Chain], anchors: Anchors | None) -> Sequence[Chain]:
    """Return the chains that hold an anchor. Raises StrangeCA where none does."""
    held = chains if anchors is None else [chain for chain in chains if anchors.hold(chain.cas)]
    if not held:
        raise StrangeCA(
            f"a certificate came back whose chain holds no CA of {FIELD}; it was not delivered. Its CAs are "
            f"{shown_cas(chains[0].cas)}. Look at the issuer_ref of the role, and at who answers",
        )
    return held


async def check_own(signer: Signer, chain: Chain, *, is_ca: bool) -> None:
    """Raise StrangeCA if a CA of the chain is not the backend's own; Retry and the like where it can't
    say now."""
    if not isinstance(signer, KnowsItsCAs) or await signer.knows(chain.cas, is_ca=is_ca):
        return
    advice = f" {signer.advice(frozenset({AnswerFault.ANOTHER_CA}))}." if isinstance(signer, Advisor) else ""
    raise StrangeCA(
        "a certificate came back with CAs that are not all known where it was signed; it was not delivered. "
        f"They are {shown_cas(chain.cas)}.{advice}",
    )
