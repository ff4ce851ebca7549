"""The system's trust store: a folder of certificates, and what a program of the distribution makes of it.

Sources: update-ca-certificates(8) of Debian, Alpine and SUSE, update-ca-trust(8) of Fedora, RHEL and Arch.
One certificate a file, named `.crt`: of two in one file Debian links one, and it passes over `.pem` in
silence.
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
_UMASK: Final = 0o022
"""Of the program and its hooks: what they make is for every user, whatever the administrator's umask is."""
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


_UPDATE_TRUST: Final = ("update-ca-trust", "extract")
LAYOUTS: Final = (
    SystemLayout(
        anchors=Path("/etc/pki/ca-trust/source/anchors"),
        update=_UPDATE_TRUST,
        update_removed=_UPDATE_TRUST,
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
    SystemLayout(
        anchors=Path("/etc/pki/trust/anchors"),
        # Without --fresh the bundle isn't made anew where the clock stood still or went back.
        update=("update-ca-certificates", "--fresh"),
        update_removed=("update-ca-certificates", "--fresh"),
        bundle=Path("/var/lib/ca-certificates/ca-bundle.pem"),
        hashed=Path("/etc/ssl/certs"),
    ),
    SystemLayout(
        anchors=Path("/etc/ca-certificates/trust-source/anchors"),
        update=_UPDATE_TRUST,
        update_removed=_UPDATE_TRUST,
        bundle=Path("/etc/ca-certificates/extracted/tls-ca-bundle.pem"),
        hashed=None,
        package="ca-certificates-utils",
    ),
)
"""RHEL and Fedora; Debian, Ubuntu and Alpine; SUSE; Arch.

The last two are by their own scripts (openSUSE/ca-certificates) and by what others do (smallstep/cli#742,
tmds/linux-dev-certs#18), not tried.
"""


class SystemStore:
    """The system's trust store."""

    def __init__(self, layout: SystemLayout) -> None:
        self._layout = layout

    @classmethod
    def of_this_machine(cls, layouts: Sequence[SystemLayout] = LAYOUTS) -> SystemStore:
        """Return the store of the first layout whose folder is there, if it can be with its program, too.

        Raises StoreNotUsable.
        """
        found = [one for one in layouts if one.anchors.is_dir()]
        # A package made for another distribution may have left its folder (FiloSottile/mkcert#330).
        found.sort(key=lambda one: shutil.which(one.update[0]) is None)
        if found:
            return cls(found[0])
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
        if not _is_open(layout.bundle) or not holds(read_bytes(layout.bundle), root):
            return False
        openssl = shutil.which("openssl")
        if layout.hashed is None or openssl is None:
            return True
        # `openssl verify` of the root itself could take another root of the same name for its issuer.
        number = run((openssl, "x509", "-noout", "-subject_hash"), given=root.pem).strip()
        return any(holds(read_bytes(one), root) for one in layout.hashed.glob(f"{number}.*") if _is_open(one))

    def add(self, root: TrustRoot) -> None:
        """Write the root's file, and have the distribution's program take it in."""
        self._check_closed(root)
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

    def _check_closed(self, root: TrustRoot) -> None:
        """Raise StoreFailed for a file of somebody else with this root that root alone may read.

        The program links one file of a root: beside that one, ours would not be it.
        """
        for path in sorted(self._layout.anchors.iterdir()):
            if path.is_file() and not _is_open(path) and holds(read_bytes(path), root):
                raise StoreFailed(
                    f"{path} has it, but other users may not read that file: chmod 644 {path}, then run "
                    f"{' '.join(self._layout.update)} and this again"
                )

    def _update(self, words: Sequence[str]) -> None:
        run((need(words[0], self._layout.package), *words[1:]), umask=_UMASK)

    def _path(self, root: TrustRoot) -> Path:
        return self._layout.anchors / f"vault-issuer-{root.sha256}.crt"


def _is_open(path: Path) -> bool:
    """Return True for a file that every user may read, links followed."""
    try:
        return path.is_file() and bool(path.stat().st_mode & 0o004)
    except OSError:
        return False
