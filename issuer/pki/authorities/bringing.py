"""CAs whose certificate comes from outside of Vault: imported bundles, and keys that an offline CA signs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath

from cryptography import x509

from issuer.duration import format_duration
from issuer.pki.authorities.attempts import attempt, request_for
from issuer.pki.authorities.bundles import BadBundle, CAChain, KeyedCA, pem_of, signed_chain
from issuer.pki.authorities.calls import AuthorityCalls
from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.authorities.identity import AuthorityProgress, CAIdentity
from issuer.pki.authorities.parts import spki, spki_sha256
from issuer.pki.errors import NeedsCertificate, OtherAuthority, PkiError
from issuer.pki.file.authority import Authority, OfflineSigning
from issuer.pki.secret import SecretText


async def make_imported(ours: AuthorityCalls, identity: CAIdentity, files: AuthorityFiles) -> None:
    """Import a bundle, or go on with one that was; its key is sent at most once.

    Raises PkiError if the bundle's file isn't there, OtherAuthority if Vault holds another key by its name.
    """
    keyed = files.keyed(ours.authority)
    if keyed is None:
        bundle = ours.authority.imported.bundle if ours.authority.imported else ""
        raise PkiError(f"{files.folder / bundle} is not there, and Vault doesn't have the CA {ours.name} yet")
    certificate = keyed.chain.certificate
    issuer_id, key_id = await ours.issuer_of_certificate(certificate)
    if not key_id:
        await _hold_named(ours, identity, certificate)
        mapping = await ours.import_key(_bundle_text(ours, keyed))
        issuer_id, key_id = next(((one, key) for one, key in mapping.items() if key), ("", ""))
    if not key_id:
        raise PkiError(f"{ours.mount} took the bundle of {ours.name} without its key")
    await ours.name_key(key_id)
    await attempt(ours, ours.name_issuer(issuer_id))


async def _hold_named(ours: AuthorityCalls, identity: CAIdentity, certificate: x509.Certificate) -> None:
    """Raise OtherAuthority if the key that has the bundle's name in Vault is another."""
    if not identity.key_id:
        return
    request = x509.load_pem_x509_csr((await ours.request_of_key(identity.key_id)).encode())
    if spki_sha256(request) != spki_sha256(certificate):
        raise OtherAuthority(
            f"mount {ours.mount} has another key as {ours.authority.key_name or ours.name} than the bundle "
            f"of {ours.name}. Nothing of the bundle was sent; give it a keyName of its own"
        )


def _bundle_text(ours: AuthorityCalls, keyed: KeyedCA) -> SecretText:
    """Return CA and key, then the chain, in the order that Vault documents."""
    above = keyed.chain.above if ours.authority.include_chain else ()
    certificates = "".join(pem_of(one) for one in above)
    return SecretText(pem_of(keyed.chain.certificate) + keyed.key.reveal() + certificates)


async def make_offline(ours: AuthorityCalls, identity: CAIdentity, files: AuthorityFiles) -> None:
    """Make the key and write its request out, or install the certificate that was brought back.

    Raises NeedsCertificate while there is none, PkiError for one that doesn't fit.
    """
    given = ours.authority.offline
    if given is None:
        raise PkiError(f"{ours.name} is no authority that an offline CA signs")
    if identity.progress is AuthorityProgress.UNNAMED:
        await ours.hold_pin(identity)
        await attempt(ours, ours.name_issuer(identity.issuer_id))
        return
    brought = files.read(given.certificate)
    if identity.progress is AuthorityProgress.ABSENT and brought is not None:
        raise PkiError(
            f"{files.folder / given.certificate} is there, but mount {ours.mount} has no key named "
            f"{ours.authority.key_name or ours.name}: it is the certificate of another. Move it away"
        )
    csr, _ = await request_for(ours, identity)
    ours.hold(x509.load_pem_x509_csr(csr.encode()))
    if brought is None:
        raise _needs(ours, given, files, csr)
    chain = _fitting(ours, given, files, brought, csr)
    pem = chain.pem if ours.authority.include_chain else pem_of(chain.certificate)
    mapping = await ours.import_certificates(pem)
    imported = next((issuer for issuer, key in mapping.items() if key == identity.key_id), "")
    if not imported:
        raise PkiError(f"{ours.mount} didn't take the certificate of {ours.name} as its key's; run again")
    await attempt(ours, ours.name_issuer(imported))


def _needs(ours: AuthorityCalls, given: OfflineSigning, files: AuthorityFiles, csr: str) -> NeedsCertificate:
    request = x509.load_pem_x509_csr(csr.encode())
    path = files.write(given.request, csr.strip() + "\n")
    return NeedsCertificate(
        f"The request of {ours.name} is in {path}; have the offline CA sign it (SHA-256 of its public key: "
        f"{spki_sha256(request)}), put the certificate with its chain into "
        f"{files.folder / given.certificate}, and run the same again. {_signing(ours.authority, given)}"
    )


def _signing(authority: Authority, given: OfflineSigning) -> str:
    """Return how an offline root signs what the file says, so that the plan is empty afterwards."""
    words = f"vault-issuer root sign {PurePath(given.request).name} --lifetime {_lifetime(authority)}"
    if authority.max_path_length is not None:
        return f"With an offline root of this command: {words} --path-length {authority.max_path_length}"
    return (
        f"The file names no maxPathLength, and {words} allows no CA below this one unless --path-length says "
        "more: write maxPathLength: 0, or the number that is signed"
    )


def _lifetime(authority: Authority) -> str:
    return format_duration(timedelta(seconds=authority.lifetime or 0))


def _fitting(
    ours: AuthorityCalls, given: OfflineSigning, files: AuthorityFiles, brought: bytes, csr: str
) -> CAChain:
    request = x509.load_pem_x509_csr(csr.encode())
    try:
        return signed_chain(brought, spki(request))
    except BadBundle as error:
        where = error.at(files.folder / given.certificate)
        raise PkiError(f"{where}. Nothing of {ours.name} was imported") from error
