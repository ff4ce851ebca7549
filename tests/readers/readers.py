"""Runs each reader over a bundle of certificates, and puts what it says into one form."""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from issuer.x509.contents import Contents
from tests.readers.corpus import KINDS

HERE: Final = Path(__file__).resolve().parent
Reading = dict[str, list[Any]]
"""Texts by kind of name, in their order; of a URI host and path, decoded. An `error` alone: unreadable."""

READERS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "Go": ("go", ("go", "run", str(HERE / "main.go"))),
    "Node": ("node", ("node", str(HERE / "reader.js"))),
    "Java": ("java", ("java", str(HERE / "Reader.java"))),
    "OpenSSL": ("openssl", ("openssl", "x509", "-noout", "-subject", "-nameopt", "multiline,utf8,-esc_msb")),
}


def missing(reader: str) -> str | None:
    """What is to be installed for a reader, or None."""
    program = READERS[reader][0]
    return None if shutil.which(program) else f"{program} is not installed: {reader} reads nothing here"


def ask(reader: str, bundle: Path) -> list[Reading]:
    """What a reader reads in each certificate of a bundle."""
    if reader == "OpenSSL":
        return [_plain(_openssl(_run(reader, one))) for one in _certificates(bundle)]
    return [_plain(one) for one in json.loads(_run(reader, None, str(bundle)))]


def _run(reader: str, given: bytes | None, *more: str) -> str:
    words = [*READERS[reader][1], *(("-ext", "subjectAltName") if given else more)]
    return subprocess.run(words, check=True, capture_output=True, input=given).stdout.decode()


def _certificates(bundle: Path) -> list[bytes]:
    end = b"-----END CERTIFICATE-----\n"
    return [one + end for one in bundle.read_bytes().split(end) if one]


def version(reader: str) -> str:
    """Which one it is, in its own words."""
    program = READERS[reader][0]
    words = {"java": "-version", "node": "--version"}.get(program, "version")
    done = subprocess.run([program, words], check=True, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0]


def ours(contents: Contents) -> Reading:
    """What we read, in the same form."""
    texts = {kind: [value.text for value in contents.values.get(place, ())] for kind, place in KINDS.items()}
    return _plain({**texts, "uri": [_parts(text) for text in texts["uri"]]})


def _parts(text: str) -> tuple[str, str]:
    found = urlsplit(text)
    opaque = not found.netloc and not found.path.startswith("/")
    return found.hostname or "", "" if opaque else unquote(found.path)


def _plain(found: Mapping[str, Any]) -> Reading:
    if "error" in found:
        return {"error": [found["error"]]}
    texts: Reading = {kind: list(found.get(kind) or ()) for kind in KINDS}
    texts["ip"] = [str(ipaddress.ip_address(text)) for text in texts["ip"]]
    texts["uri"] = [[_host(host), path or ("/" if host else "")] for host, path in texts["uri"]]
    for kind in ("cn", "o"):  # their order is the subject's, which some readers turn round
        texts[kind].sort()
    return texts


def _host(text: str) -> str:
    inner = text.strip("[]").lower()
    return str(ipaddress.ip_address(inner)) if ":" in inner else inner


def _openssl(text: str) -> Reading:
    """What people do with OpenSSL's text: an attribute a line, and a line of names split at ", "."""
    found: Reading = {kind: [] for kind in KINDS}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        name, equals, value = line.partition(" = ")
        if equals and name.strip() in _ATTRIBUTES:
            found[_ATTRIBUTES[name.strip()]].append(value.replace("\\\\", "\\"))
        if line.startswith("X509v3 Subject Alternative Name:"):
            for one in lines[number + 1].removeprefix("    ").split(", "):
                kind, _, value = one.partition(":")
                found[_KINDS[kind]].append(_parts(value) if kind == "URI" else value)
            break
    return found


_ATTRIBUTES: Final = {"commonName": "cn", "organizationName": "o"}
_KINDS: Final = {"DNS": "dns", "email": "mail", "IP Address": "ip", "URI": "uri"}
