"""Names, ordinary and odd, and certificates that hold those of them that are approved."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.x509.contents import Contents, Place, RequestPart, read_contents
from issuer.x509.encoding.der import Extension
from issuer.x509.names import COMMON_NAME, SUBJECT_ALTERNATIVE_NAME
from tests.unit.policy.forge import ORG, attribute, sequence, subject, tlv
from tests.unit.x509.syntax import test_names as known

Names = Mapping[str, Sequence[str]]
"""Texts by kind: dns, mail, uri, ip, and of the subject cn and o."""

KINDS: Final[Mapping[str, Place]] = {
    "dns": (RequestPart.DNS, ""),
    "mail": (RequestPart.EMAIL, ""),
    "uri": (RequestPart.URI, ""),
    "ip": (RequestPart.IP, ""),
    "cn": (RequestPart.ATTRIBUTE, COMMON_NAME),
    "o": (RequestPart.ATTRIBUTE, ORG),
}
EMPTY: Final = sequence()
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OIDS: Final = {"cn": COMMON_NAME, "o": ORG}
_TAGS: Final = {"mail": 0x81, "dns": 0x82, "uri": 0x86, "ip": 0x87}
_EACH: Final = {"dns": 12, "mail": 6, "uri": 8, "ip": 8, "cn": 5, "o": 3}
_HOSTS: Final = (
    "web",
    "a.lab.test",
    "lab.test",
    "xn--bcher-kva.test",
    "10.0.0.1",
    "my_app.lab.test",
    "*.lab.test",
)
_SIGNS: Final = "ab1.-_*,;:@/\\?#%[]()<>'\"=+&$! \t\n|~^`{}%2e\u00e9\u200b"
_TEXTS: Final = (
    "Zürich 日本",
    "Lab, Inc.",
    'A "B" C',
    "a=b+c",
    "x\\y",
    "#a",
    " a ",
    "<a>;",
    "Ünï*",
    "a/b",
    "🔑",
)


def candidates(seed: int, count: int) -> dict[str, list[str]]:
    """Texts for each kind of name: those that tests know, and `count` made of pieces, good and bad."""
    random = Random(seed)
    return {
        "dns": [*known.GOOD_HOSTS, *known.BAD_HOSTS, *_made(random, count, _host)],
        "mail": [*known.GOOD_MAIL, *known.BAD_MAIL, *_made(random, count, _mail)],
        "uri": [*known.GOOD_URIS, *known.BAD_URIS, *_made(random, count, _uri)],
        "ip": [_address(random) for _ in range(count // 4)],
        "cn": [*known.GOOD_COMMON_NAMES, *known.BAD_COMMON_NAMES, *_made(random, count, _host)],
        "o": [*_TEXTS, *_made(random, count // 4, lambda random: _spoiled(random, random.choice(_TEXTS)))],
    }


def _made(random: Random, count: int, make: Callable[[Random], str]) -> Iterator[str]:
    return (make(random) for _ in range(count))


def _spoiled(random: Random, text: str) -> str:
    """The text with up to two characters put in or taken out."""
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.randint(0, len(text))
        cut = at + random.choice((0, 0, 1))
        text = text[:at] + random.choice(_SIGNS) + text[cut:]
    return text


def _host(random: Random) -> str:
    labels = [random.choice(_HOSTS) for _ in range(random.choice((1, 1, 2, 3)))]
    return _spoiled(random, ".".join(labels))


def _mail(random: Random) -> str:
    box = random.choice(("ann", "a.b", "x+y", '"ann lee"', "o'neil", "<root@bank.test>", "a,b"))
    return _spoiled(random, f"{box}@{random.choice(_HOSTS)}")


def _uri(random: Random) -> str:
    scheme = random.choice(("https", "spiffe", "http", "ldap", "HTTPS", "file", "x-a.b"))
    parts = (
        "a",
        "v1.2",
        "..a",
        "...",
        "%20",
        "%2e",
        "..",
        ".",
        "%252e%252e",
        "a;b=c",
        "",
        "ns",
        "%E2%82%AC",
        "a%2Fb",
    )
    path = "".join(f"/{random.choice(parts)}" for _ in range(random.randint(0, 4)))
    end = random.choice(("", "", "?q=/../x", "#f", "?a=b&c#d", "?%41"))
    port = random.choice(("", "", ":8443", ":", ":x"))
    return _spoiled(random, f"{scheme}://{random.choice((*_HOSTS, '', '[::1]', 'u@h'))}{port}{path}{end}")


def _address(random: Random) -> str:
    number = random.getrandbits(32)
    return str(ipaddress.ip_address(number if random.random() < 0.5 else number << random.randint(33, 96)))


def general_name(kind: str, text: str) -> bytes:
    """A GeneralName's DER; bytes beyond ASCII go in as UTF-8."""
    content = ipaddress.ip_address(text).packed if kind == "ip" else text.encode()
    return tlv(_TAGS[kind], content)


def is_approved(kind: str, text: str) -> bool:
    """Return True if a policy may allow the name."""
    return not contents_of({kind: [text]}).defects


def contents_of(names: Names) -> Contents:
    """What we read of these names in a CSR."""
    texts = [attribute(_OIDS[kind], text) for kind in _OIDS for text in names.get(kind, ())]
    extension = Extension(SUBJECT_ALTERNATIVE_NAME, False, _alternative(names))
    return read_contents(subject(*texts), [extension] if extension.value != EMPTY else [])


def approved(seed: int, count: int) -> Iterator[Names]:
    """Names that are approved, a few of each kind at a time, until all were given."""
    left = {
        kind: [text for text in dict.fromkeys(texts) if is_approved(kind, text)]
        for kind, texts in candidates(seed, count).items()
    }
    while any(left.values()):
        yield {kind: texts[: _EACH[kind]] for kind, texts in left.items()}
        left = {kind: texts[_EACH[kind] :] for kind, texts in left.items()}


def certificate(names: Names) -> bytes:
    """A certificate with these names, as PEM, however odd they are."""
    attributes = [
        x509.NameAttribute(x509.ObjectIdentifier(oid), text, _validate=False)
        for kind, oid in _OIDS.items()
        for text in names.get(kind, ())
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Lab")]))
        .public_key(_key().public_key())
        .serial_number(1)
        .not_valid_before(_BEGIN)
        .not_valid_after(_BEGIN + timedelta(days=1))
    )
    value = _alternative(names)
    if value != EMPTY:
        oid = x509.ObjectIdentifier(SUBJECT_ALTERNATIVE_NAME)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=not attributes)
    return builder.sign(_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def _alternative(names: Names) -> bytes:
    return sequence(*(general_name(kind, text) for kind in _TAGS for text in names.get(kind, ())))


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
