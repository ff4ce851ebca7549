"""Signatures of a release: Helm's of the chart, cosign's of the checksums.

What is wanting (a key's file, cosign itself) is said before anything is made. Sources: `helm package --help`;
cosign 3's `sign-blob`, whose bundles are Sigstore's.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCHEME = "://"
_NO_KEYRING = "HELM_KEY needs HELM_KEYRING, the file of `gpg --export-secret-keys NAME`: Helm reads no other"
_PROGRAM = "cosign"


@dataclass(frozen=True, slots=True)
class Signing:
    """Whose keys sign a release; none where the names are empty.

    Attributes:
        helm_key, helm_keyring, helm_passphrase_file: name of a GnuPG key, file of its secret keys, and that
            of its passphrase, empty for a key without one.
        cosign_key: file of cosign's, or the reference of a key elsewhere, such as `awskms://...`.
        offline: whether cosign leaves out Sigstore's public log, and so needs no network.
    """

    helm_key: str = ""
    helm_keyring: str = ""
    helm_passphrase_file: str = ""
    cosign_key: str = ""
    offline: bool = False

    def wanting(self) -> list[str]:
        """Return what has to be there first, a line each; nothing where all is."""
        return [*self._helm_wants(), *self._cosign_wants()]

    def _helm_wants(self) -> list[str]:
        if not self.helm_key:
            return []
        if not self.helm_keyring:
            return [_NO_KEYRING]
        files = {"HELM_KEYRING": self.helm_keyring, "HELM_PASSPHRASE_FILE": self.helm_passphrase_file}
        return [f"{name} is no file: {path}" for name, path in files.items() if path and _absent(path)]

    def _cosign_wants(self) -> list[str]:
        if not self.cosign_key:
            return []
        found = []
        if _SCHEME not in self.cosign_key and _absent(self.cosign_key):
            found.append(f"COSIGN_KEY is no file: {self.cosign_key}; `cosign generate-key-pair` makes one")
        if shutil.which(_PROGRAM) is None:
            found.append("COSIGN_KEY needs cosign 3, which is not on PATH")
        return found

    def of_chart(self) -> list[str]:
        """Return Helm's words for signing a package; none without a key."""
        if not self.helm_key:
            return []
        words = ["--sign", f"--key={self.helm_key}", f"--keyring={self.helm_keyring}"]
        passphrase = self.helm_passphrase_file
        return [*words, *([f"--passphrase-file={passphrase}"] if passphrase else [])]

    def sign(self, file: Path) -> None:
        """Write cosign's bundle beside a file, if there is a key. Raises CalledProcessError; cosign says why.

        cosign asks for the key's password itself, or takes $COSIGN_PASSWORD.
        """
        if not self.cosign_key:
            return
        bundle = file.with_name(f"{file.name}.sigstore.json")
        words = [_PROGRAM, "sign-blob", "--yes", f"--key={_absolute(self.cosign_key)}"]
        with tempfile.TemporaryDirectory() as folder:
            more = _no_services(Path(folder)) if self.offline else []
            subprocess.run([*words, *more, f"--bundle={bundle}", file], check=True)
        bundle.chmod(0o644)  # cosign makes it readable for its owner alone


def _no_services(folder: Path) -> list[str]:
    """Return cosign's words for signing with neither log, timestamps nor Sigstore's list of such services."""
    made = []
    for name in ("signing-config", "trusted-root"):
        file = folder / f"{name}.json"
        subprocess.run([_PROGRAM, name, "create", f"--out={file}"], check=True)
        made.append(f"--{name}={file}")
    return made


def _absolute(key: str) -> str:
    return key if _SCHEME in key else str(Path(key).resolve())


def _absent(path: str) -> bool:
    return not Path(path).is_file()
