"""Certificates that CAs would get: subjects that readers refuse, and usages that an imported one lacks. Pure.

Vault signs any subject, for as long as the CA lives. It takes a certificate without cRLSign, and refuses to
name its issuer then, as an issuer signs CRLs unless its settings say otherwise (tried on OpenBao 2.7.2).

Source of the bounds: RFC 5280, appendix A.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509

from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.file.authority import Subject
from issuer.pki.file.engine import names_of
from issuer.pki.file.model import Part
from issuer.pki.plan.checks.context import PlanContext
from issuer.pki.plan.checks.signers import will_be_made

_LONGEST: Final = {"organization": 64, "ou": 64, "province": 128, "locality": 128}
_CRL_SIGNING: Final = "crl-signing"
_WITHOUT_CRLS: Final = "issuing-certificates,ocsp-signing,read-only"


def certificate_problems(context: PlanContext) -> Iterator[str]:
    """Yield a line, with file and line, for each CA that would be made, or imported, and not serve."""
    steps = {one.authority: one for one in context.steps if one.authority}
    for part, name, authority in context.file.all_authorities():
        step = steps.get(name)
        if step is None or not step.action.applies:
            continue
        chain = context.chains.get(name, ())
        usage = authority.settings.get("usage")
        signs_crls = usage is None or _CRL_SIGNING in names_of(usage)
        if chain and signs_crls and not _may_sign_crls(chain[0]):
            at = context.told(part, "authorities", name, "settings", "usage")
            yield f"{at} the certificate's key usage lacks cRLSign; write usage: {_WITHOUT_CRLS}"
        if authority.subject is not None and will_be_made(step, authority, context.reading):
            yield from _subject(context, part, name, authority.subject)


def _subject(context: PlanContext, part: Part, name: str, subject: Subject) -> Iterator[str]:
    given = {field: getattr(subject, field) for field in _LONGEST}
    texts = [("commonName", 64, subject.common_name)]
    texts += [(field, _LONGEST[field], text) for field, values in given.items() for text in values]
    for field, longest, text in texts:
        if not 0 < len(text) <= longest or not text.isprintable() or text != text.strip():
            at = context.told(part, "authorities", name, "subject", field)
            yield (
                f"{at} must be 1 to {longest} characters without control characters and without blanks around"
            )
    for text in subject.country:
        if not (len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()):
            at = context.told(part, "authorities", name, "subject", "country")
            yield f"{at} must be two capital letters, such as DE; readers refuse others"


def _may_sign_crls(certificate: x509.Certificate) -> bool:
    """Return True unless a certificate's key usage leaves signing of CRLs out; without one it may do all."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except (x509.ExtensionNotFound, *UNDECODABLE):
        return True
