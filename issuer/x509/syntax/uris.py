"""URIs (RFC 3986), narrowed to those of which every reader sees the same host and the same path.

Sources beside it: RFC 5280 section 4.2.1.6 (an authority names a host); the URL standard of browsers
(https://url.spec.whatwg.org), which reads `https:/a` and `https:///a` as `https://a`.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote_to_bytes

from issuer.x509.syntax.hosts import ends_in_number, is_address, label_problem
from issuer.x509.syntax.text import text_problem

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_OLD_ESCAPE: Final = re.compile(r"%[uU]([0-9A-Fa-f]{4})")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_OCTETS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_PORT: Final = re.compile(r"[0-9]{0,5}")
_ALPHANUMERIC: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_USER: Final = frozenset(_ALPHANUMERIC + "-._~!$&'()*+,;=:")
_PATH: Final = _USER | {"@", "/"}
_QUERY: Final = _PATH | {"?"}
# Browsers have rules of their own for these, and take a host that ends in a number for an address.
_SPECIAL: Final = frozenset({"http", "https", "ws", "wss", "ftp", "file"})
_NEED_HOST: Final = (_SPECIAL - {"file"}) | {"spiffe"}
_MOST_ENCODINGS: Final = 4
_LARGEST_PORT: Final = 65_535
# What NFKC makes a dot or a slash of.
_FOLDED: Final = str.maketrans(
    {
        "\u2024": ".",
        "\u2025": "..",
        "\ufe52": ".",
        "\uff0e": ".",
        "\uff0f": "/",
        "\uff3c": "\\",
        "\ufe68": "\\",
    }
)


def uri_problem(text: str) -> str | None:
    """Return why `text` is no URI that all software takes apart alike, or None if it is one."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        return "is not a URI: it has no scheme"
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, path = _split(rest)
    user, _, place = (authority or "").rpartition("@")
    for part, allowed in ((user, _USER), (path, _PATH), (query, _QUERY), (fragment, _QUERY)):
        if problem := _characters_problem(part, allowed):
            return problem
    if problem := _authority_problem(scheme.lower(), user, place, path):
        return problem
    return _encoding_problem(path, path=True) or _encoding_problem(f"{user}{query}{fragment}", path=False)


def _authority_problem(scheme: str, user: str, place: str, path: str) -> str | None:
    if scheme == "file" and (user or ":" in place or not path.startswith("/")):
        return "is a file's URI with more, or less, than a host and an absolute path"
    if user or place or scheme in _NEED_HOST:
        return _place_problem(place, special=scheme in _SPECIAL)
    return None if path else "has neither a host nor a path"


def _split(rest: str) -> tuple[str | None, str]:
    """Return authority (None if there is none) and path of the text between scheme and query."""
    if not rest.startswith("//"):
        return None, rest
    authority, slash, path = rest[2:].partition("/")
    return authority, slash + path


def _characters_problem(part: str, allowed: frozenset[str]) -> str | None:
    bad = next((char for char in _ESCAPE.sub("", part) if char not in allowed), None)
    if bad is None:
        return None
    if bad == "%":
        return "is not a URI: a % in it isn't followed by two hexadecimal digits"
    return f"is not a URI: it has {bad!a} in a place where that is not allowed"


def _place_problem(place: str, *, special: bool) -> str | None:
    """Return what is wrong with the host and port that stand behind the user, or None."""
    if place.startswith("["):
        inside, closed, port = place[1:].partition("]")
        host_wrong = None if closed and _is_ipv6(inside) else "a host that is no IPv6 address"
        colon, port = port[:1], port[1:]
        if colon not in {"", ":"}:
            return "is not a URI: something stands between its host and its port"
    else:
        host, _, port = place.partition(":")
        host_wrong = _host_problem(host, special=special)
    if host_wrong:
        return f"has {host_wrong}"
    if not _PORT.fullmatch(port) or int(port or "0") > _LARGEST_PORT:
        return "is not a URI: its port is no number up to 65535"
    return None


def _host_problem(host: str, *, special: bool) -> str | None:
    """Return what is wrong with a host, in words that complete "it has ...", or None."""
    if not host:
        return "no host"
    if problem := label_problem(host):
        return f"a host that {problem}"
    numbers = is_address(host) or (special and ends_in_number(host))
    if numbers and not (_OCTETS.fullmatch(host) and all(map(_is_octet, host.split(".")))):
        return "a host that is an IP address in an unusual spelling"
    return None


def _is_octet(text: str) -> bool:
    return str(int(text)) == text and int(text) < 256


def _is_ipv6(text: str) -> bool:
    try:
        return bool(_IPV6.fullmatch(text)) and IPv6Address(text) is not None
    except ValueError:
        return False


def _encoding_problem(part: str, *, path: bool) -> str | None:
    """Return what percent-encoding hides in `part`, however often it is undone, or None; `path` also refuses
    `.` and `..`."""
    for _ in range(_MOST_ENCODINGS):
        if path and _has_dot_segment(part):
            return "has . or .. as a segment of its path, written out or encoded"
        if problem := text_problem(part):
            return f"{problem}, percent-encoded"
        if "%" not in part:
            return None
        try:
            # %u002e is how old servers of Microsoft and Java write a character, any of two octets.
            plain = _OLD_ESCAPE.sub(lambda found: chr(int(found[1], 16)), part)
            decoded = unquote_to_bytes(plain.encode(errors="surrogatepass")).decode()
        except UnicodeDecodeError:
            return "has percent-encoded octets that are not UTF-8"
        if decoded == part:
            return None
        part = decoded
    return f"is percent-encoded more than {_MOST_ENCODINGS - 1} times over"


def _has_dot_segment(path: str) -> bool:
    """Return True if `.` or `..` is a segment, also where `\\` is a slash and `;` begins parameters."""
    segments = path.translate(_FOLDED).replace("\\", "/").split("/")
    return any(segment.partition(";")[0] in {".", ".."} for segment in segments)
