"""Holders' PGP public keys as Vault takes them, and encryption for one of them by `gpg`.

Source: https://www.rfc-editor.org/rfc/rfc4880 (packet tags, section 4.3; armor, section 6.2).
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.manifests.documents import read_source
from issuer.manifests.errors import BadInput
from issuer.pki.secret import SecretText

_ARMOR: Final = re.compile(rb"-----BEGIN PGP ([A-Z ]+)-----\r?\n(.*?)-----END PGP", re.DOTALL)
_PUBLIC_KEY, _SECRET_KEY = 6, 5
_PACKET, _NEW_FORMAT = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class PgpKey:
    """One public key; `holder` is the name of its file without the ending."""

    holder: str
    packets: bytes

    @property
    def as_base64(self) -> str:
        """The key as `sys/init` takes it."""
        return base64.b64encode(self.packets).decode()


def read_keys(paths: Sequence[str]) -> tuple[PgpKey, ...]:
    """Read public keys, armored or binary. Raises BadInput."""
    return tuple(_key(path) for path in paths)


def _key(path: str) -> PgpKey:
    source, content = read_source(path)
    packets = _packets(source, content)
    if not packets or not packets[0] & _PACKET:
        raise BadInput(f"{source} is no PGP key; make it by: gpg --export --armor NAME > {path}")
    tag = packets[0] & 0x3F if packets[0] & _NEW_FORMAT else packets[0] >> 2 & 0x0F
    if tag == _SECRET_KEY:
        raise _is_secret(source)
    if tag != _PUBLIC_KEY:
        raise BadInput(f"{source} begins with no PGP public key; make it by: gpg --export NAME > {path}")
    return PgpKey(re.sub(r"[^A-Za-z0-9_-]+", "_", Path(path).stem).strip("_") or "holder", packets)


def _is_secret(source: str) -> BadInput:
    return BadInput(f"{source} is a secret PGP key, which stays with its holder; give the public one")


def _packets(source: str, content: bytes) -> bytes:
    armor = _ARMOR.search(content)
    if armor is None:
        return content
    if armor[1] == b"PRIVATE KEY BLOCK":
        raise _is_secret(source)
    # Headers end with an empty line; the last line that begins with = is a checksum.
    body = (b"\n" + armor[2].replace(b"\r", b"")).partition(b"\n\n")[2]
    lines = [line for line in body.split(b"\n") if not line.startswith(b"=")]
    try:
        return base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error as error:
        raise BadInput(f"{source} is damaged: its armor isn't base64") from error


def encrypted(secret: SecretText, key: PgpKey) -> bytes:
    """Return the secret as an armored PGP message for the key, by `gpg`, to which it goes by a pipe.

    Raises BadInput if there is no `gpg`, or it refuses the key.
    """
    with tempfile.TemporaryDirectory() as folder:
        recipient = Path(folder, "key")
        recipient.write_bytes(key.packets)
        options = ["--homedir", folder, "--batch", "--no-options", "--quiet", "--trust-model", "always"]
        try:
            ran = subprocess.run(  # noqa: S603  # the options are ours, the key is a file
                ["gpg", *options, "--armor", "--encrypt", "--recipient-file", str(recipient)],  # noqa: S607
                input=secret.reveal().encode(),
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise BadInput("--admin-pgp-key needs gpg, which is not on PATH; install it") from error
    if ran.returncode or not ran.stdout:
        why = ran.stderr.decode(errors="replace").strip().splitlines()
        raise BadInput(f"gpg can't encrypt for {key.holder}: {why[-1] if why else 'it says nothing'}")
    return ran.stdout
