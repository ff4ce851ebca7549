"""`replaces` in `pki.yaml`: rotations that can't be are told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.file.model import PkiFile
from issuer.pki.file.reading import load_texts
from issuer.pki.file.rotations import rotations_of

FILE = """\
foundation:
  mounts: {root: {defaultIssuer: root-1}}
  authorities:
    root-1: {mount: root, subject: {commonName: Root}, lifetime: 700h}
mounts:
  int: {defaultIssuer: lab-1}
  other: {defaultIssuer: far}
authorities:
  lab-1: {mount: int, signedBy: root-1, subject: {commonName: Lab}, lifetime: 600h, maxPathLength: 0}
  far: {mount: other, existing: true}
  lab-2: {mount: int, signedBy: root-1, subject: {commonName: Lab 2}, lifetime: 600h, replaces: lab-1}
"""
TWICE = (
    "lab-1: {mount: int, offline: {request: a, certificate: b}, replaces: lab-2, subject: {commonName: Lab}, "
    "lifetime: 600h"
)


def read(text: str) -> PkiFile:
    return load_texts([("pki.yaml", text.encode())], {}, Path()).file


def test_a_file_asks_for_a_rotation() -> None:
    (found,) = rotations_of(read(FILE))
    assert (found.mount, found.old, found.new) == ("int", "lab-1", "lab-2")
    assert rotations_of(read(FILE.replace("defaultIssuer: lab-1", "defaultIssuer: lab-2"))) == [found]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("replaces: lab-1", "replaces: lab-2", "no other authority lab-2"),
        ("replaces: lab-1", "replaces: gone", "no other authority gone"),
        ("replaces: lab-1", "replaces: far", "no other authority far with mount: int"),
        ("defaultIssuer: lab-1", "description: x", "write defaultIssuer: lab-1 at mount int"),
        ("replaces: lab-1", "replaces: lab-1, settings: {usage: read-only}", "lacks issuing-certificates"),
        (
            "lab-1: {mount: int, signedBy: root-1, subject: {commonName: Lab}, lifetime: 600h",
            TWICE,
            "finish one rotation of a mount",
        ),
    ],
    ids=["itself", "nobody", "another-mount", "no-default", "may-not-sign", "two"],
)
def test_a_rotation_that_cant_be_is_refused(old: str, new: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(BadInput) as caught:
        read(FILE.replace(old, new))
    (line,) = [one for one in str(caught.value).splitlines() if "replaces:" in one]
    assert line.startswith("pki.yaml:")
    assert said in line


def test_a_root_is_replaced_by_hand() -> None:
    line = "    root-2: {mount: root, subject: {commonName: Root 2}, lifetime: 700h, replaces: root-1}\n"
    with pytest.raises(BadInput, match="a root is replaced by hand"):
        read(FILE.replace("mounts:\n  int", f"{line}mounts:\n  int"))
