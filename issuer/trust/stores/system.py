"""The system's trust store: a folder of certificates, and what a program of the distribution makes of it.

Sources: update-ca-certificates(8) of Debian and Alpine, update-ca-trust(8) of Fedora and RHEL. One
certificate a file, named `.crt`: of two in one file Debian links one, and it passes over `.pem` in silence.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.programs import need, run
from issuer.trust.roots import TrustRoot
from issuer.trust.stores.store import (
    check_folder,
    holds,
    locked,
    name_pattern,
    read_bytes,
    replace_file,
    roots_of,
)

_MODE: Final = 0o644
_NAME: Final = name_pattern("vault-issuer-", ".crt")


@dataclass(frozen=True, slots=True)
class SystemLayout:
    """Places and programs of a distribution's trust store.

    Attributes:
        anchors: folder of certificates that the administrator adds.
        update: program and arguments that make the rest of it.
        update_removed: the same after a removal.
        bundle: file with all trusted roots, which curl, Go and Python read.
        hashed: folder with a link for each root, which OpenSSL reads; None where there is none.
        package: package that has the program.
    """

    anchors: Path
    update: Sequence[str]
    update_removed: Sequence[str]
    bundle: Path
    hashed: Path | None
    package: str = "ca-certificates"


LAYOUTS: Final = (
    SystemLayout(
        anchors=Path("/etc/pki/ca-trust/source/anchors"),
        update=("update-ca-trust", "extract"),
        update_removed=("update-ca-trust", "extract"),
        bundle=Path("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
        hashed=None,
    ),
    SystemLayout(
        anchors=Path("/usr/local/share/ca-certificates"),
        update=("update-ca-certificates",),
        # Without --fresh Debian leaves the links of what was removed, pointing nowhere.
        update_removed=("update-ca-certificates", "--fresh"),
        bundle=Path("/etc/ssl/certs/ca-certificates.crt"),
        hashed=Path("/etc/ssl/certs"),
    ),
)
"""RHEL and Fedora, then Debian, Ubuntu and Alpine."""


class SystemStore:
    """The system's trust store."""

    def __init__(self, layout: SystemLayout) -> None:
        self._layout = layout

    @classmethod
    def of_this_machine(cls, layouts: Sequence[SystemLayout] = LAYOUTS) -> SystemStore:
        """Return the store of the first layout whose folder is there. Raises StoreNotUsable."""
        for layout in layouts:
            if layout.anchors.is_dir():
                return cls(layout)
        places = ", ".join(str(one.anchors) for one in layouts)
        raise StoreNotUsable(f"system: none of {places} is there: install ca-certificates")

    @property
    def name(self) -> str:
        """The store for people."""
        return f"system ({self._layout.anchors})"

    def check(self) -> None:
        """Raise StoreNotUsable if the store can't be changed."""
        need(self._layout.update[0], self._layout.package)
        check_folder(self._layout.anchors)
        check_folder(self._layout.bundle.parent)

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs of this command from changing the store meanwhile."""
        return locked(self._layout.anchors)

    def installed(self) -> tuple[TrustRoot, ...]:
        """Return the roots in files of our name that hold what the name says."""
        found = []
        for path in sorted(self._layout.anchors.glob("vault-issuer-*.crt")):
            match = _NAME.fullmatch(path.name)
            roots = list(roots_of(read_bytes(path))) if match else []
            if match and [one.sha256 for one in roots] == [match[1]]:
                found += roots
        return tuple(found)

    def trusts(self, root: TrustRoot) -> bool:
        """Return True if the bundle has the root, and a link by which OpenSSL finds it."""
        layout = self._layout
        if not layout.bundle.is_file() or not holds(read_bytes(layout.bundle), root):
            return False
        openssl = shutil.which("openssl")
        if layout.hashed is None or openssl is None:
            return True
        # `openssl verify` of the root itself could take another root of the same name for its issuer.
        number = run((openssl, "x509", "-noout", "-subject_hash"), given=root.pem).strip()
        return any(holds(read_bytes(one), root) for one in layout.hashed.glob(f"{number}.*") if one.is_file())

    def add(self, root: TrustRoot) -> None:
        """Write the root's file, and have the distribution's program take it in."""
        replace_file(self._path(root), root.pem.encode(), _MODE)
        try:
            self._update(self._layout.update)
        except StoreFailed:
            self._path(root).unlink(missing_ok=True)
            raise

    def remove(self, root: TrustRoot) -> None:
        """Remove the root's file, and have the distribution's program forget it."""
        if root not in self.installed():
            return
        try:
            self._path(root).unlink()
        except OSError as error:
            raise StoreFailed(f"{self._path(root)} can't be removed: {error.strerror}") from error
        self._update(self._layout.update_removed)

    def _update(self, words: Sequence[str]) -> None:
        run((need(words[0], self._layout.package), *words[1:]))

    def _path(self, root: TrustRoot) -> Path:
        return self._layout.anchors / f"vault-issuer-{root.sha256}.crt"
