"""Databases of NSS: Chromium has one for each user, Firefox one for each profile.

`certutil` of NSS does all of it. Several roots of one subject are one entry for most of its options, so a
root is found by its bytes; it is removed by our nickname, which goes to one certificate alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.programs import need, run, succeeds
from issuer.trust.roots import TrustRoot
from issuer.trust.stores.store import check_folder, holds, locked, name_pattern, roots_of

_PACKAGE: Final = "libnss3-tools (Debian, Ubuntu) or nss-tools (Fedora, RHEL, Alpine)"
_DATABASE: Final = "cert9.db"
_TRUST: Final = "C,,"  # a CA for servers; no mail, no code
_NAME: Final = name_pattern("vault-issuer ")
_PROFILES: Final = (
    ".mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/config/mozilla/firefox",
)
"""Folders of Firefox's profiles below a home: packaged, Snap, Flatpak. Since Firefox 147 new ones are in
`mozilla/firefox` of the user's configuration, which has a variable of its own (XDG)."""
CHROMIUM: Final = (".pki/nssdb", "snap/chromium/current/.pki/nssdb")
"""Chromium's databases below a home. NSS also takes `pki/nssdb` of the user's data (nsssysinit.c)."""


def databases(home: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders of a user that hold a database of NSS."""
    places = [home / one for one in CHROMIUM]
    places.append(_xdg(environment, "XDG_DATA_HOME", home / ".local/share") / "pki/nssdb")
    configured = _xdg(environment, "XDG_CONFIG_HOME", home / ".config") / "mozilla/firefox"
    for profiles in (*(home / one for one in _PROFILES), configured):
        places += sorted(profiles.glob("*"))
    return tuple(one for one in places if (one / _DATABASE).is_file())


def _xdg(environment: Mapping[str, str], name: str, usual: Path) -> Path:
    """Return a folder of the XDG Base Directory Specification, by which one that isn't absolute is none."""
    path = Path(environment.get(name, ""))
    return path if path.is_absolute() else usual


class NSSStore:
    """One database of NSS, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The store for people."""
        return f"nss ({self._folder})"

    def check(self) -> None:
        """Raise StoreNotUsable if the store can't be changed."""
        self._words()
        check_folder(self._folder)

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs of this command from changing the store meanwhile."""
        return locked(self._folder)

    def installed(self) -> tuple[TrustRoot, ...]:
        """Return the roots with a nickname of ours that names them."""
        ours = {match[1] for one in self._nicknames() if (match := _NAME.fullmatch(one))}
        found: dict[str, TrustRoot] = {}
        for sha256 in sorted(ours):
            found |= {one.sha256: one for one in roots_of(self._named(f"vault-issuer {sha256}"))}
        return tuple(found[sha256] for sha256 in sorted(ours) if sha256 in found)

    def trusts(self, root: TrustRoot) -> bool:
        """Return True if NSS verifies the root as a CA for servers."""
        return any(
            succeeds(self._words("-V", "-u", "L", "-n", nickname))
            for nickname in self._nicknames()
            if holds(self._named(nickname), root)
        )

    def add(self, root: TrustRoot) -> None:
        """Add the root, trusted for servers."""
        if any(holds(self._named(one), root) for one in self._nicknames()):
            raise StoreFailed(
                "it is there under another name and isn't trusted for servers; whoever put it there may have "
                "meant that. Remove it in the browser's settings first"
            )
        run(self._words("-A", "-a", "-t", _TRUST, "-n", _nickname(root)), given=root.pem)

    def remove(self, root: TrustRoot) -> None:
        """Remove the root by our nickname."""
        if _nickname(root) in self._nicknames():
            run(self._words("-D", "-n", _nickname(root)))

    def _named(self, nickname: str) -> bytes:
        """Return the certificates that `certutil` finds by a nickname, others of their subject among them."""
        return run(self._words("-L", "-a", "-n", nickname)).encode()

    def _nicknames(self) -> tuple[str, ...]:
        return tuple(_listed(run(self._words("-L"))))

    def _words(self, *words: str) -> tuple[str, ...]:
        """Return a call of `certutil`. Raises StoreNotUsable without it, and without a database."""
        if not (self._folder / _DATABASE).is_file():
            raise StoreNotUsable(
                f"{self._folder} has no {_DATABASE}: start the browser once, or run certutil -N "
                f"--empty-password -d sql:{self._folder}"
            )
        return (need("certutil", _PACKAGE), "-d", f"sql:{self._folder}", *words)


def _nickname(root: TrustRoot) -> str:
    return f"vault-issuer {root.sha256}"


def _listed(text: str) -> Iterator[str]:
    """Yield the nicknames of `certutil -L`: lines that end with three columns of trust between commas."""
    for line in text.splitlines():
        nickname, _, trust = line.rstrip().rpartition(" ")
        if trust.count(",") == 2 and "SSL,S/MIME" not in trust:
            yield nickname.rstrip()
