"""Certificates as old and careless CAs made them: written octet by octet, as no builder makes them.

`ODD` has a shape by name. Each was tried as root and as intermediate with Go 1.26's crypto/x509 and with
OpenSSL 3.0: `TAKEN` names what both take. OpenBao 2.7 imports what Go takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from issuer.x509.encoding.pem import write_pem

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
END: Final = datetime(2049, 12, 31, tzinfo=UTC)
COMMON_NAME, ORGANIZATION, COUNTRY = "2.5.4.3", "2.5.4.10", "2.5.4.6"
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP, VISIBLE = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E, 0x1A

_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1"
_DIGESTS: Final = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
_SIGNATURES: Final = {"md5": 4, "sha1": 5, "sha256": 11}


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER element."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(dotted: str) -> bytes:
    """An object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return tlv(0x06, bytes(content))


def integer(value: int) -> bytes:
    """An INTEGER in its shortest form."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def attribute(kind: str, tag: int, value: bytes) -> bytes:
    """An attribute of a name, its text already encoded."""
    return tlv(0x30, oid(kind), tlv(tag, value))


def name(*relative_names: Sequence[bytes]) -> bytes:
    """A Name; the attributes of each relative name stand in the order given."""
    return tlv(0x30, *(tlv(0x31, *attributes) for attributes in relative_names))


def plain_name(text: str) -> bytes:
    """A Name of one common name."""
    return name([attribute(COMMON_NAME, UTF8, text.encode())])


def utc_time(moment: datetime) -> bytes:
    """As years until 2049 are written."""
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def generalized(text: str) -> bytes:
    """A GeneralizedTime as it is spelt."""
    return tlv(0x18, text.encode())


def extension(dotted: str, value: bytes, critical: bytes = b"") -> bytes:
    """An extension; `critical` is the encoded BOOLEAN, or nothing."""
    return tlv(0x30, oid(dotted), critical, tlv(0x04, value))


TRUE, FALSE = tlv(0x01, b"\xff"), tlv(0x01, b"\x00")
CA = extension("2.5.29.19", tlv(0x30, TRUE), TRUE)
CERT_SIGN = extension("2.5.29.15", tlv(0x03, b"\x01\x06"), TRUE)


def public_info(key: PrivateKey) -> bytes:
    """The public key as SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: PrivateKey) -> bytes:
    """A subjectKeyIdentifier, any that is the key's own."""
    return hashlib.sha256(public_info(key)).digest()[:20]


@dataclass(frozen=True)
class Shape:
    """What is written into a certificate, encoded; what isn't named is as in a plain CA."""

    version: bytes = tlv(0xA0, integer(2))
    serial: bytes = integer(0x1234)
    subject: bytes = b""
    issuer: bytes = b""
    begin: bytes = utc_time(BEGIN)
    end: bytes = utc_time(END)
    spki: bytes = b""
    digest: str = "sha256"
    algorithm: bytes = b""
    signature: bytes = b""
    unique: bytes = b""
    extensions: Sequence[bytes] = (CA, CERT_SIGN)

    def but(self, **changes: object) -> Shape:
        """Another shape with these differences."""
        return replace(self, **changes)  # type: ignore[arg-type]


def certificate(shape: Shape, key: PrivateKey, signer: PrivateKey) -> bytes:
    """The DER of a certificate of that shape for `key`, signed by `signer`."""
    algorithm = shape.algorithm or _algorithm(signer, shape.digest)
    extensions = tlv(0xA3, tlv(0x30, *shape.extensions)) if shape.extensions else b""
    signed = tlv(
        0x30,
        shape.version,
        shape.serial,
        algorithm,
        shape.issuer or shape.subject,
        tlv(0x30, shape.begin, shape.end),
        shape.subject,
        shape.spki or public_info(key),
        shape.unique,
        extensions,
    )
    signature = shape.signature or _sign(signer, signed, shape.digest)
    return tlv(0x30, signed, algorithm, tlv(0x03, b"\x00" + signature))


def _algorithm(signer: PrivateKey, digest: str) -> bytes:
    if isinstance(signer, rsa.RSAPrivateKey):
        return tlv(0x30, oid(f"{_RSA_ENCRYPTION}.{_SIGNATURES[digest]}"), tlv(0x05))
    return tlv(0x30, oid("1.2.840.10045.4.1" if digest == "sha1" else "1.2.840.10045.4.3.2"))


def _sign(signer: PrivateKey, data: bytes, digest: str) -> bytes:
    algorithm = _DIGESTS[digest]
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(data, padding.PKCS1v15(), algorithm)
    return signer.sign(data, ec.ECDSA(algorithm))


@dataclass(frozen=True)
class Odd:
    """A change of a plain CA's shape; `rsa`: the keys are RSA, else P-256."""

    change: Callable[[Shape], Shape]
    rsa: bool = False


def _with(**changes: object) -> Callable[[Shape], Shape]:
    return lambda shape: shape.but(**changes)


def _more(*extensions: bytes) -> Callable[[Shape], Shape]:
    return lambda shape: shape.but(extensions=(*shape.extensions, *extensions))


def _named(subject: bytes) -> Callable[[Shape], Shape]:
    return lambda shape: shape.but(subject=subject)


_ORGANIZATION = attribute(ORGANIZATION, UTF8, b"Old Corp")
_LONG = [attribute(COMMON_NAME, UTF8, b"Old Root"), attribute("2.5.4.11", UTF8, b"A")]

ODD: Final[dict[str, Odd]] = {
    "serial 0": Odd(_with(serial=integer(0))),
    "serial negative": Odd(_with(serial=integer(-5))),
    "serial of 33 octets": Odd(_with(serial=integer(1 << 256))),
    "T61String in Latin-1": Odd(
        _named(name([attribute(ORGANIZATION, T61, "Übung & Söhne".encode("latin-1"))]))
    ),
    "BMPString": Odd(_named(name([attribute(ORGANIZATION, BMP, "Übung".encode("utf-16-be"))]))),
    "UniversalString": Odd(_named(name([attribute(ORGANIZATION, UNIVERSAL, "Übung".encode("utf-32-be"))]))),
    "PrintableString with other characters": Odd(
        _named(name([attribute(ORGANIZATION, PRINTABLE, b"Old*Corp_@&")]))
    ),
    "VisibleString": Odd(_named(name([attribute(ORGANIZATION, VISIBLE, b"Old Corp")]))),
    "IA5String in Latin-1": Odd(_named(name([attribute(ORGANIZATION, IA5, b"\xdcbung")]))),
    "UTF8String in Latin-1": Odd(_named(name([attribute(ORGANIZATION, UTF8, b"\xdcbung")]))),
    "empty attribute": Odd(_named(name([_ORGANIZATION], [attribute("2.5.4.11", PRINTABLE, b"")]))),
    "country of three letters": Odd(_named(name([attribute(COUNTRY, PRINTABLE, b"DEU")]))),
    "organization of 200 letters": Odd(_named(name([attribute(ORGANIZATION, UTF8, b"x" * 200)]))),
    "unsorted relative name": Odd(_named(name(sorted(_LONG, reverse=True)))),
    "sorted relative name": Odd(_named(name(sorted(_LONG)))),
    "doubled attribute": Odd(_named(name([_ORGANIZATION, _ORGANIZATION]))),
    "empty relative name": Odd(_named(name([], [_ORGANIZATION]))),
    "critical FALSE": Odd(
        _with(extensions=(CA, CERT_SIGN, extension("2.5.29.14", tlv(4, b"12345678"), FALSE)))
    ),
    "critical FALSE on basicConstraints": Odd(
        _with(extensions=(extension("2.5.29.19", tlv(0x30, TRUE), FALSE), CERT_SIGN))
    ),
    "keyUsage with zero bits behind": Odd(
        _with(extensions=(CA, extension("2.5.29.15", tlv(0x03, b"\x00\x06"), TRUE)))
    ),
    "keyUsage of two octets": Odd(
        _with(extensions=(CA, extension("2.5.29.15", tlv(0x03, b"\x00\x06\x00"), TRUE)))
    ),
    "path length of 2 octets": Odd(
        _with(extensions=(extension("2.5.29.19", tlv(0x30, TRUE, integer(300)), TRUE), CERT_SIGN))
    ),
    "explicit default version": Odd(_with(version=tlv(0xA0, integer(0)), extensions=())),
    "version 1": Odd(_with(version=b"", extensions=())),
    "version 1 with extensions": Odd(_with(version=b"")),
    "version 2 with extensions": Odd(_with(version=tlv(0xA0, integer(1)))),
    "unique identifiers": Odd(
        _with(version=tlv(0xA0, integer(2)), unique=tlv(0x81, b"\x00\x01") + tlv(0x82, b"\x00\x02"))
    ),
    "notBefore in year 1": Odd(_with(begin=generalized("00010101000000Z"))),
    "notBefore in year 0": Odd(_with(begin=generalized("00000101000000Z"))),
    "notBefore in 1949": Odd(_with(begin=generalized("19490101000000Z"))),
    "GeneralizedTime before 2050": Odd(
        _with(begin=generalized("20200101000000Z"), end=generalized("20490101000000Z"))
    ),
    "no well-defined end": Odd(_with(end=generalized("99991231235959Z"))),
    "time with an offset": Odd(_with(begin=tlv(0x17, b"200101000000+0100"))),
    "time without seconds": Odd(_with(begin=tlv(0x17, b"2001010000Z"))),
    "time with fractions": Odd(_with(begin=generalized("20200101000000.5Z"))),
    "SHA-1": Odd(_with(digest="sha1"), rsa=True),
    "MD5": Odd(_with(digest="md5"), rsa=True),
    "MD2": Odd(
        _with(algorithm=tlv(0x30, oid("1.2.840.113549.1.1.2"), tlv(5)), signature=b"\x01" * 256),
        rsa=True,
    ),
    "ECDSA with SHA-1": Odd(_with(digest="sha1")),
    "RSA without parameters": Odd(_with(algorithm=tlv(0x30, oid("1.2.840.113549.1.1.11"))), rsa=True),
    "ECDSA with NULL parameters": Odd(_with(algorithm=tlv(0x30, oid("1.2.840.10045.4.3.2"), tlv(5)))),
    "unknown extension": Odd(_more(extension("1.3.6.1.4.1.55555.1", b"\x04\x01x"))),
    "unknown critical extension": Odd(
        _more(extension("1.3.6.1.4.1.55555.1", b"\x04\x01x", TRUE)),
    ),
    "extension that is no DER": Odd(_more(extension("1.3.6.1.4.1.55555.1", b"x"))),
    "Netscape certificate type": Odd(_more(extension("2.16.840.1.113730.1.1", tlv(3, b"\x00\x07")))),
    "e-mail name in UTF-8": Odd(_more(extension("2.5.29.17", tlv(0x30, tlv(0x81, "ö@x.example".encode()))))),
    "empty alternative names": Odd(_more(extension("2.5.29.17", tlv(0x30)))),
    "X.400 name": Odd(_more(extension("2.5.29.17", tlv(0x30, tlv(0xA3, tlv(0x30)))))),
    "certificate policies with odd text": Odd(
        _more(
            extension(
                "2.5.29.32",
                tlv(
                    0x30,
                    tlv(
                        0x30,
                        oid("2.5.29.32.0"),
                        tlv(0x30, tlv(0x30, oid("1.3.6.1.5.5.7.2.2"), tlv(0x30, tlv(IA5, b"\xdc")))),
                    ),
                ),
            )
        )
    ),
    "policies that are no sequence": Odd(_more(extension("2.5.29.32", b"\x05\x00"))),
    "issuer alternative name that is no DER": Odd(_more(extension("2.5.29.18", b"xx"))),
    "CRL distribution points that are no DER": Odd(_more(extension("2.5.29.31", b"xx"))),
    "key identifier that is no DER": Odd(_more(extension("2.5.29.14", b"xx"))),
    "authority key identifier that is no DER": Odd(_more(extension("2.5.29.35", b"xx"))),
    "extended key usage that is no DER": Odd(_more(extension("2.5.29.37", b"xx"))),
    "TLS feature that nobody knows": Odd(_more(extension("1.3.6.1.5.5.7.1.24", tlv(0x30, integer(300))))),
    "octets behind basicConstraints": Odd(
        _with(extensions=(extension("2.5.29.19", tlv(0x30, TRUE) + b"\xff", TRUE), CERT_SIGN))
    ),
    "an element behind keyUsage": Odd(
        _with(extensions=(CA, extension("2.5.29.15", tlv(3, b"\x01\x06") + tlv(5), TRUE)))
    ),
    "an element behind the alternative names": Odd(
        _more(extension("2.5.29.17", tlv(0x30, tlv(0x82, b"x.example")) + tlv(5)))
    ),
    "an element behind the extended key usages": Odd(
        _more(extension("2.5.29.37", tlv(0x30, oid("1.3.6.1.5.5.7.3.1")) + tlv(5)))
    ),
    "an element behind the key identifier": Odd(_more(extension("2.5.29.14", tlv(4, b"1") + tlv(5)))),
    "NUL in a name": Odd(_named(name([attribute(ORGANIZATION, UTF8, b"a\x00b")]))),
    "EDI party name": Odd(_more(extension("2.5.29.17", tlv(0x30, tlv(0xA5, tlv(0xA1, tlv(UTF8, b"x"))))))),
    "a negative number of policies": Odd(_more(extension("2.5.29.36", tlv(0x30, tlv(0x80, b"\xff"))))),
    "extension twice": Odd(_more(extension("2.5.29.14", tlv(4, b"1")), extension("2.5.29.14", tlv(4, b"2")))),
    "no extensions in the list": Odd(lambda shape: shape.but(extensions=())),
    "no keyUsage": Odd(_with(extensions=(CA,))),
    "no basicConstraints": Odd(_with(extensions=(CERT_SIGN,))),
    "basicConstraints not critical": Odd(
        _with(extensions=(extension("2.5.29.19", tlv(0x30, TRUE)), CERT_SIGN))
    ),
    "cA TRUE as 01": Odd(
        _with(extensions=(extension("2.5.29.19", tlv(0x30, tlv(1, b"\x01")), TRUE), CERT_SIGN))
    ),
    "empty subject": Odd(_named(tlv(0x30))),
    "serial not in its shortest form": Odd(_with(serial=tlv(2, b"\x00\x01"))),
}


NOBODY: Final = frozenset(
    {
        "CRL distribution points that are no DER",
        "IA5String in Latin-1",
        "PrintableString with other characters",
        "UTF8String in Latin-1",
        "UniversalString",
        "VisibleString",
        "authority key identifier that is no DER",
        "cA TRUE as 01",
        "e-mail name in UTF-8",
        "extended key usage that is no DER",
        "extension twice",
        "key identifier that is no DER",
        "no basicConstraints",
        "no extensions in the list",
        "policies that are no sequence",
        "serial negative",
        "serial not in its shortest form",
        "time with an offset",
        "time with fractions",
        "time without seconds",
        "unknown critical extension",
    }
)
"""Shapes that Go or OpenSSL refuses, as root and as intermediate."""
ROOTS_ONLY: Final = frozenset(
    {
        "ECDSA with SHA-1",
        "MD2",
        "MD5",
        "SHA-1",
        "explicit default version",
        "version 1",
        "version 1 with extensions",
        "version 2 with extensions",
    }
)
"""Shapes that both take of a root, and not of an intermediate."""
TAKEN: Final = tuple(
    (name, as_root)
    for name in ODD
    for as_root in (True, False)
    if name not in NOBODY and (as_root or name not in ROOTS_ONLY)
)
"""Shapes that both take, and whether of a root."""


def chain(shape_name: str, *, as_root: bool = True) -> tuple[bytes, bytes, bytes, PrivateKey]:
    """Root, intermediate and leaf (DER), one of the first two odd, and the leaf's key."""
    odd = ODD[shape_name]
    root_key, key, leaf_key = keys(rsa_key=odd.rsa)
    plain_root = Shape(subject=plain_name("Old Root"))
    plain = Shape(subject=plain_name("Intermediate"))
    root = odd.change(plain_root) if as_root else plain_root
    inter = plain if as_root else odd.change(plain)
    leaf = Shape(
        subject=plain_name("leaf.example"),
        issuer=inter.subject,
        extensions=(extension("2.5.29.17", tlv(0x30, tlv(0x82, b"leaf.example"))),),
    )
    return (
        certificate(root, root_key, root_key),
        certificate(inter.but(issuer=root.subject), key, root_key),
        certificate(leaf, leaf_key, key),
        leaf_key,
    )


@cache  # RSA keys take a while, and no test needs others
def keys(*, rsa_key: bool) -> tuple[PrivateKey, PrivateKey, PrivateKey]:
    """The keys of root, intermediate and leaf of every chain."""
    return new_key(rsa_key=rsa_key), new_key(rsa_key=rsa_key), new_key(rsa_key=rsa_key)


def new_key(*, rsa_key: bool = False) -> PrivateKey:
    """RSA of 2048 bits or P-256."""
    if rsa_key:
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def pem(*ders: bytes) -> str:
    """The certificates as PEM."""
    return "".join(write_pem("CERTIFICATE", der) for der in ders)


def key_pem(key: PrivateKey) -> str:
    """The key as unencrypted PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
