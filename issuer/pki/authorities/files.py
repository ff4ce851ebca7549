"""Files beside `pki.yaml`: bundles of existing CAs, and what travels to an offline CA and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from issuer.manifests.errors import BadInput
from issuer.pki.authorities.bundles import BadBundle, CAChain, KeyedCA, keyed_ca
from issuer.pki.authorities.certificates import other_key
from issuer.pki.errors import PkiError
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import PkiFile, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.secret import SecretText
from issuer.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """Files by the paths that an authority names, relative to `folder`."""

    folder: Path

    def keyed(self, authority: Authority) -> KeyedCA | None:
        """Return the CA of an `import`, None if its file isn't there. Raises BadBundle."""
        given = authority.imported
        if given is None:
            return None
        bundle = self.read(given.bundle)
        if bundle is None:
            return None
        key = None if given.key is None else self.read(given.key)
        if given.key is not None and key is None:
            raise BadBundle("it is not there", of_key=True)
        passphrase = None if given.passphrase is None else SecretText(given.passphrase)
        return keyed_ca(bundle, key, passphrase)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it isn't there. Raises PkiError if it can't be read."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PkiError(f"{self.folder / name} can't be read: {error.strerror}") from error

    def write(self, name: str, text: str) -> Path:
        """Write a file, whole or not at all, and return its path. Raises PkiError."""
        path = self.folder / name
        try:
            write_whole(path, text)
        except OSError as error:
            raise PkiError(f"{path} can't be written: {error.strerror}") from error
        return path


def check_bundles(file: PkiFile, places: Places, files: AuthorityFiles) -> dict[str, CAChain]:
    """Return the CA and its chain of every bundle that is there, by authority.

    Raises BadInput for those that can't be used, with file and line.
    """
    problems, chains = [], {}
    for part, name, authority in file.all_authorities():
        try:
            keyed = files.keyed(authority)
            problem = other_key(authority, keyed.chain.certificate) if keyed is not None else ""
            if keyed is not None:
                chains[name] = keyed.chain
            if problem:
                at = places.told(*path_in_file(part, "authorities", name, "spkiSHA256"))
                problems.append(f"{at} the bundle {problem}")
        except (BadBundle, PkiError) as error:
            at = places.told(*path_in_file(part, "authorities", name, "import"))
            problems.append(f"{at} {_told(authority, error)}")
    if problems:
        raise BadInput("\n".join(problems))
    return chains


def _told(authority: Authority, error: BadBundle | PkiError) -> str:
    """Return an error with the file that it is about and its line, by the name in `pki.yaml`."""
    given = authority.imported
    if given is None or isinstance(error, PkiError):
        return str(error)
    return error.at(given.key if error.of_key and given.key is not None else given.bundle)
