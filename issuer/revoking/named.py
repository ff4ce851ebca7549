"""What a user names to be revoked. Pure, but that it looks whether a file is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.inspection.kinds import CERTIFICATE_KIND, CSR_KIND, REQUEST_KIND, SECRET_KIND, TargetKind
from issuer.inspection.target import InspectionTarget, parse_target
from issuer.inventory.certificate import parse_serial
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown

REQUEST_KINDS: Final[tuple[TargetKind, ...]] = (REQUEST_KIND, CSR_KIND)
IN_CLUSTER: Final[tuple[TargetKind, ...]] = (CERTIFICATE_KIND, SECRET_KIND, *REQUEST_KINDS)
"""Kinds of the cluster's objects that hold a certificate to be revoked."""


@dataclass(frozen=True, slots=True)
class NamedSerial:
    """A serial number in Vault's form, of one mount or ("") of any."""

    serial: str
    mount: str = ""


Named = NamedSerial | Path | InspectionTarget


def parse_named(word: str, namespace: str) -> Named:
    """Return what a word names: an object of the cluster, a file that is there, or a serial number.

    Raises BadInput.
    """
    kind, slash, name = word.partition("/")
    if slash and name and any(kind.lower() in one.words for one in IN_CLUSTER):
        return parse_target(word, namespace, IN_CLUSTER)
    if _is_file(word):
        return Path(word)
    mount, _, serial = word.rpartition("/")
    try:
        return NamedSerial(parse_serial(serial), mount.strip("/"))
    except ValueError:
        raise BadInput(
            f'"{shown(word)}" is no serial number, no file that is there, and none of '
            f"{', '.join(one.form for one in IN_CLUSTER)}: correct it"
        ) from None


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except OSError:  # a name that no file can have
        return False
