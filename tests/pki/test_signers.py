"""Signers that are imported or stand in Vault: what their certificates don't allow is refused by the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pki.cas import FileCA, root
from tests.pki.support import Vault, written

MOUNTS: Final = """\
foundation:
  mounts:
    ${T}-pki:
      tune: {max_lease_ttl: 87600h}
      urls: {issuing_certificates: ["http://vault.example.test:8200/v1/${T}-pki/ca"]}
  authorities:
    ${T}-home: {mount: "${T}-pki", ORIGIN}
"""
BELOW: Final = """\
mounts:
  ${T}-mid: {tune: {max_lease_ttl: 87600h}, urls: {ocsp_servers: "http://vault.example.test:8200"}}
  ${T}-int: {tune: {max_lease_ttl: 87600h}, urls: {ocsp_servers: "http://vault.example.test:8200"}}
authorities:
  ${T}-mid: {mount: "${T}-mid", subject: {commonName: Mid CA}, signedBy: "${T}-home",
    lifetime: 17520h,
    maxPathLength: 1}
  ${T}-int: {mount: "${T}-int", subject: {commonName: Int CA}, signedBy: "${T}-mid",
    lifetime: 8760h,
    maxPathLength: 0}
"""
BUNDLE: Final = "import: {bundle: bundle.pem}"


def file_of(folder: Path, origin: str, below: str = BELOW) -> Path:
    return written(folder, MOUNTS.replace("ORIGIN", origin) + below)


def brought(vault: Vault, folder: Path, above: FileCA, home: FileCA, how: str) -> str:
    """Bring a CA with its key to where a file finds it, and return its origin in the file."""
    bundle = home.pem + home.key_pem() + (above.pem if above is not home else "")
    written(folder, bundle, "bundle.pem")
    if how == "bundle":
        return BUNDLE
    vault.apply(file_of(folder, BUNDLE, ""))
    (folder / "bundle.pem").unlink()
    return BUNDLE if how == "imported before" else "existing: true"


@pytest.mark.parametrize(
    ("how", "top", "own", "days", "line", "said"),
    [
        ("bundle", None, 0, 3650, "Mid CA", "-mid.signedBy: {}-home has the path length 0"),
        ("imported before", 1, None, 3650, "Mid CA", "-mid.signedBy: {}-home has the path length 0"),
        ("existing", None, 1, 3650, "Mid CA", "-mid.signedBy: {}-home has the path length 1; write "),
        ("bundle", None, None, 729, "lifetime: 17520h", "-mid.lifetime: outlives {}-home, its signer"),
        ("existing", None, None, 300, "lifetime: 8760h", "-int.lifetime: outlives {}-mid, its signer"),
    ],
    ids=["length", "length above", "too long", "end", "end of both"],
)
def test_what_a_real_signer_does_not_allow_is_refused(
    vault: Vault,
    tmp_path: Path,
    how: str,
    top: int | None,
    own: int | None,
    days: int,
    line: str,
    said: str,
) -> None:
    above = root("Home Root CA", path_length=top)
    home = above.below("Home CA", path_length=own, days=days)
    file = file_of(tmp_path, brought(vault, tmp_path, above, home, how))
    number = next(at for at, text in enumerate(file.read_text().splitlines(), 1) if line in text)
    before = len(vault.requests())
    for words in (("plan",), ("apply", "--yes"), ("apply", "--yes", "--part", "automation")):
        if how == "bundle" and "--part" in words:
            continue  # there the signer must stand
        ran = vault.run(*words, "-f", file)
        assert ran.exit_code == 1, ran.output
        told = [one for one in ran.output.splitlines() if said.format(vault.name) in one]
        assert told, ran.output
        assert f"pki.yaml:{number} authorities.{vault.name}" in told[0]
    assert vault.writes_since(before) == []


@pytest.mark.parametrize("part", ["all", "automation"])
def test_what_a_real_signer_allows_is_applied(vault: Vault, tmp_path: Path, part: str) -> None:
    home = root("Home CA", path_length=2)
    below = BELOW.replace("17520h", "17520h, permittedDNSDomains: [lab.example.test]")
    file = file_of(tmp_path, brought(vault, tmp_path, home, home, "imported before"), below)
    ran = vault.run("apply", "--yes", "-f", file, "--part", part)
    assert ran.exit_code == 0, ran.output
    assert vault.plan(file)["steps"] == []


def test_a_signer_that_may_not_sign_is_told_until_its_cas_are_made(vault: Vault, tmp_path: Path) -> None:
    home = root("Home CA", path_length=2)
    retired = MOUNTS.replace("ORIGIN", f"{BUNDLE}, settings: {{usage: [read-only, crl-signing]}}")
    brought(vault, tmp_path, home, home, "bundle")
    file = written(tmp_path, retired + BELOW, "retired.yaml")
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1
    assert f"-mid.signedBy: {vault.name}-home may not sign, as its settings.usage lacks" in ran.output
    assert vault.writes_since(before) == []
    vault.apply(file_of(tmp_path, BUNDLE))
    vault.apply(file)
    assert vault.plan(file)["steps"] == []


def test_a_signer_that_is_not_there_is_told_before_anything_is_sent(vault: Vault, tmp_path: Path) -> None:
    above = root("Home Root CA")
    home = above.below("Home CA")
    origin = brought(vault, tmp_path, above, home, "bundle")
    file = file_of(tmp_path, origin)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file, "--part", "automation")
    assert ran.exit_code == 1
    said = f"mount {vault.name}-pki has no CA {vault.name}-home yet; apply the foundation first"
    assert f"{said} (--part foundation)" in " ".join(ran.output.split())
    assert vault.writes_since(before) == []
