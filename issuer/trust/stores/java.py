"""Java truststores: `keytool` changes a copy, which takes the file's place once it is proven whole.

An existing truststore is never opened for writing: after a crash, a full disk or a `keytool` that fails it is
as before. A truststore that isn't there yet is made without Java.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.programs import need, run
from issuer.trust.roots import TrustRoot
from issuer.trust.stores.store import check_folder, locked, name_pattern, read_bytes, replace_file, roots_of

DEFAULT_PASSWORD: Final = "changeit"  # noqa: S105  # every Java has it; it protects nothing
_PACKAGE: Final = "a Java runtime, which has it"
_PASSWORD: Final = "VAULT_ISSUER_STORE_PASSWORD"  # noqa: S105  # the variable's name
_MODE: Final = 0o644
_NAME: Final = name_pattern("vault-issuer-")
_DEBIANS: Final = name_pattern("debian:vault-issuer-", ".pem")
"""Name of a root of the system's store in Debian's truststore: a hook of ca-certificates-java puts it there,
and does not take it away."""
_JAVA: Final = ("-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")
"""Options of Java: messages that can be searched for, and a start that doesn't prepare for hours of work."""
_ENTRY: Final = re.compile(r"^Alias name: (.+)$", re.MULTILINE)
_TRUSTED: Final = re.compile(r"^Entry type: trustedCertEntry$", re.MULTILINE)


def default_truststore() -> Path:
    """Return the truststore of the Java of JAVA_HOME, or else of PATH. Raises StoreNotUsable."""
    home = os.environ.get("JAVA_HOME")
    if not home:
        program = shutil.which("keytool") or shutil.which("java")
        if program is None:
            raise StoreNotUsable("java: there is no Java here; set JAVA_HOME, or give --java-truststore")
        home = str(Path(program).resolve().parent.parent)
    for place in ("lib/security/cacerts", "jre/lib/security/cacerts"):
        if (path := Path(home) / place).is_file():
            return path
    raise StoreNotUsable(f"java: {home} has no lib/security/cacerts; give --java-truststore")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a truststore: a root that is trusted, or the last certificate of a private key's chain.

    Java trusts no CA of such a chain, unless it also is an entry of its own.
    """

    root: TrustRoot
    is_trusted: bool


class JavaStore:
    """One Java truststore, a file. `password` opens it, and is given to one that is made."""

    def __init__(self, path: Path, password: str = DEFAULT_PASSWORD) -> None:
        self._path = path.resolve()  # cacerts is often a link, and the link has to stay
        self._password = password
        self._read: dict[bytes, dict[str, _Entry]] = {}

    @property
    def name(self) -> str:
        """The store for people."""
        return f"java ({self._path})"

    def check(self) -> None:
        """Raise StoreNotUsable if the store can't be changed."""
        need("keytool", _PACKAGE)
        check_folder(self._path.parent)
        if self._path.exists():
            try:
                self._entries(self._path)
            except StoreFailed as error:
                raise StoreNotUsable(
                    f"{self._path} can't be opened; look at its password: {error}"
                ) from error

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs of this command from changing the store meanwhile."""
        return locked(self._path.parent)

    def installed(self) -> tuple[TrustRoot, ...]:
        """Return the roots with an alias of ours that names them."""
        found = self._entries(self._path)
        return tuple(one.root for alias, one in sorted(found.items()) if _is_ours(alias, one))

    def trusts(self, root: TrustRoot) -> bool:
        """Return True if Java reads the root in the truststore."""
        return _Entry(root, is_trusted=True) in self._entries(self._path).values()

    def add(self, root: TrustRoot) -> None:
        """Add the root under an alias of ours."""
        alias = f"vault-issuer-{root.sha256}"
        if not self._path.exists():
            entry = PKCS12Certificate(root.certificate, alias.encode())
            protection = BestAvailableEncryption(self._password.encode())
            replace_file(self._path, serialize_java_truststore([entry], protection), _MODE)
            return
        words = ("-importcert", "-noprompt", "-alias", alias)
        self._change(
            lambda copy: self._keytool(copy, *words, given=root.pem),
            lambda old: {**old, alias: _Entry(root, is_trusted=True)},
        )

    def remove(self, root: TrustRoot) -> None:
        """Take away the aliases of ours that name the root."""
        found = self._entries(self._path)
        aliases = [alias for alias, one in found.items() if one.root == root and _is_ours(alias, one)]

        def delete(copy: Path) -> None:
            for alias in aliases:
                self._keytool(copy, "-delete", "-alias", alias)

        if aliases:
            self._change(
                delete, lambda old: {alias: one for alias, one in old.items() if alias not in aliases}
            )

    def _change(
        self,
        change: Callable[[Path], object],
        expected: Callable[[Mapping[str, _Entry]], Mapping[str, _Entry]],
    ) -> None:
        """Change a copy, and let it take the file's place if its entries are exactly the expected ones."""
        with self._copied() as copy:
            wanted = expected(self._entries(copy))
            change(copy)
            if self._entries(copy) != wanted:
                raise StoreFailed("keytool changed other entries, too; the truststore was left as it was")
            content = read_bytes(copy)
        before = self._path.stat()
        replace_file(self._path, content, before.st_mode & 0o777, (before.st_uid, before.st_gid))

    @contextmanager
    def _copied(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="vault-issuer-") as folder:
            copy = Path(folder) / "truststore"
            copy.write_bytes(read_bytes(self._path))
            yield copy

    def _entries(self, path: Path) -> dict[str, _Entry]:
        """Return the entries of a truststore by their aliases, {} without a file.

        Java reads what it has not read before: each start of it takes half a second.
        """
        if not path.exists():
            return {}
        digest = hashlib.sha256(read_bytes(path)).digest()
        if digest not in self._read:
            # Between two lines that name an alias stands one certificate, or the chain of a private key.
            _, *parts = _ENTRY.split(self._keytool(path, "-list", "-rfc"))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            self._read = {
                digest: {
                    alias.strip(): _Entry(root, bool(_TRUSTED.search(text)))
                    for alias, text in pairs
                    for root in roots_of(text.encode())
                }
            }
        return self._read[digest]

    def _keytool(self, path: Path, *words: str, given: str = "") -> str:
        program = need("keytool", _PACKAGE)
        words = (program, *words, "-keystore", str(path), "-storepass:env", _PASSWORD)
        return run((*words, *_JAVA), {_PASSWORD: self._password}, given)


def _is_ours(alias: str, entry: _Entry) -> bool:
    match = _NAME.fullmatch(alias) or _DEBIANS.fullmatch(alias)
    return match is not None and match[1] == entry.root.sha256
