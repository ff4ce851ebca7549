"""Choice of what is exported."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.pki.file.names import begins


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """Mounts and auth methods by their paths, and a prefix of policies and auth roles; empty: by themselves.

    By themselves means: every PKI mount, the policies whose text names one of the exported mounts, and the
    auth roles that give one of these policies, with their methods.
    """

    mounts: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()
    prefix: str = ""

    def wants_mount(self, path: str) -> bool:
        """Return True if the PKI mount is exported."""
        return not self.mounts or path in self.mounts

    def wants_auth(self, path: str) -> bool:
        """Return True if the auth method may be exported."""
        return not self.auth or path in self.auth

    def wants_name(self, name: str) -> bool:
        """Return True if a policy or an auth role of this name may be exported."""
        return begins(name, self.prefix)
