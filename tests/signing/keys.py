"""Keys that sign a release in tests, made anew and of no use elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tools.signing import Signing


@dataclass(frozen=True, slots=True)
class GpgKeys:
    """A GnuPG key by the name of its owner, as files that Helm reads."""

    name: str
    secret: Path
    public: Path
    passphrase: Path

    @classmethod
    def made(cls, folder: Path) -> Self:
        """Make a key in a folder. Raises FileNotFoundError without `gpg`."""
        home = folder / "gpg"
        home.mkdir(mode=0o700)
        who, word = "release@example.com", "of-no-use-elsewhere"
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback"]
        gpg.append(f"--passphrase={word}")
        subprocess.run([*gpg, "--quick-gen-key", who, "rsa2048"], check=True, capture_output=True)
        keys = cls(who, *(folder / name for name in ("secret.gpg", "public.gpg", "passphrase")))
        keys.passphrase.write_text(word)
        for words, file in ((["--export-secret-keys"], keys.secret), (["--export"], keys.public)):
            file.write_bytes(subprocess.run([*gpg, *words], check=True, capture_output=True).stdout)
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
        return keys

    def signing(self, cosign_key: str = "") -> Signing:
        """Return what signs with it, and with a key of cosign's without any service."""
        return Signing(self.name, str(self.secret), str(self.passphrase), cosign_key, offline=True)


def cosign_keys(program: Path, folder: Path, environment: Mapping[str, str]) -> tuple[Path, Path]:
    """Make a pair of cosign's in a folder: the private key, by $COSIGN_PASSWORD, and the public one."""
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [program, "generate-key-pair"],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return folder / "cosign.key", folder / "cosign.pub"
