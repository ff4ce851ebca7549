"""The whole of `agent.yaml`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from issuer.agent.config.consumers import ConsumerSpec
from issuer.agent.config.files import (
    DEFAULT_CA_FILES,
    DEFAULT_FILES,
    AbsolutePath,
    CopiedFile,
    KeptName,
    SetFile,
)
from issuer.agent.config.login import VaultServer
from issuer.agent.config.times import Lifetime, TimeZone, Window
from issuer.manifests.checked import StrictModel, TextLike

Fingerprint = Annotated[
    str,
    TextLike(
        r"^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$",
        "must be the SHA-256 of a certificate, 64 hexadecimal digits with or without colons: openssl x509 "
        "-noout -fingerprint -sha256 -in root.pem prints it behind the equals sign",
    ),
]
MAX_SETS: Final = 1000
"""The most certificates of one agent; 200 are tried in `benchmarks/`."""


class KeyRotation(StrEnum):
    """Times at which a new key is made, in cert-manager's words."""

    ALWAYS = "Always"
    NEVER = "Never"


class KeySpec(StrictModel):
    """The private key. It is made here and never leaves."""

    algorithm: Literal["ECDSA", "RSA", "Ed25519"] = "ECDSA"
    size: int | None = None
    rotation: KeyRotation = KeyRotation.ALWAYS

    @model_validator(mode="after")
    def _known_size(self) -> KeySpec:
        if self.size is not None and self.size not in _SIZES[self.algorithm]:
            sizes = " or ".join(map(str, _SIZES[self.algorithm])) or "none"
            raise ValueError(f"size must be {sizes} for {self.algorithm}")
        return self


_SIZES: Final[dict[str, tuple[int, ...]]] = {
    "ECDSA": (256, 384, 521),
    "RSA": (2048, 3072, 4096),
    "Ed25519": (),
}


class RenewalSpec(StrictModel):
    """The time of a renewal: a fraction of the life, earlier by a share that each machine has for itself.

    In `windows` alone, unless the certificate would come too near its end.
    """

    at: float = Field(default=0.7, ge=0.1, le=0.95)
    jitter: float = Field(default=0.05, ge=0.0, le=0.5)
    windows: tuple[Window, ...] = ()
    time_zone: TimeZone | None = Field(default=None, description="Of the windows; by default the machine's.")

    @model_validator(mode="after")
    def _some_life(self) -> RenewalSpec:
        if self.jitter >= self.at:
            raise ValueError("jitter must be smaller than at")
        return self


class _Kept(StrictModel):
    """Fields that a certificate and a CA chain share."""

    name: KeptName
    folder: AbsolutePath
    delivered: bool = Field(
        default=False, description="Something else asks Vault and hands it over: vault-issuer agent deliver."
    )
    copies: tuple[CopiedFile, ...] = ()


class CertificateSpec(_Kept):
    """One certificate that is kept fresh."""

    path: str = Field(
        default="",
        examples=["pki_int/sign/web"],
        description="PKI path that signs: <mount>/sign/<role>, or <mount>/issue/<role> for a key of Vault's.",
    )
    common_name: str = Field(default="", max_length=64)
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()
    ttl: Lifetime | None = Field(
        default=None, ge=timedelta(seconds=1), description="Life that is asked for; by default the role's."
    )
    key: KeySpec = KeySpec()
    renewal: RenewalSpec = RenewalSpec()
    files: tuple[SetFile, ...] = Field(default=DEFAULT_FILES, min_length=1)

    @model_validator(mode="after")
    def _some_name(self) -> CertificateSpec:
        if not self.delivered and not (
            self.common_name or self.dns_names or self.ip_addresses or self.uris or self.email_addresses
        ):
            raise ValueError("needs a name: commonName, dnsNames, ipAddresses, uris or emailAddresses")
        return self


class CAChainSpec(_Kept):
    """The CAs of one mount, kept fresh without a token."""

    mount: str = Field(default="", examples=["pki_int"])
    issuer: str | None = Field(default=None, description="Issuer of the mount; by default its default one.")
    root_fingerprint: Fingerprint | None = Field(
        default=None, description="SHA-256 of the root, by which the first contact is trusted."
    )
    every: Lifetime = timedelta(hours=1)
    files: tuple[SetFile, ...] = Field(default=DEFAULT_CA_FILES, min_length=1)


class AgentFile(StrictModel):
    """`agent.yaml`: one server, and what is kept fresh from it."""

    vault: VaultServer
    state_folder: AbsolutePath | None = Field(
        default=None,
        description="Kept between runs; by default /var/lib/vault-issuer-agent, or in the user's home.",
    )
    certificates: tuple[CertificateSpec, ...] = Field(default=(), max_length=MAX_SETS)
    ca_chains: tuple[CAChainSpec, ...] = Field(default=(), max_length=MAX_SETS)
    consumers: tuple[ConsumerSpec, ...] = Field(
        default=(), max_length=MAX_SETS, description="Programs that are told when their files have changed."
    )
