"""The testbed's own CA, which `pki apply` makes from a file."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from testbed.labca import DEMO, LAB, SERVERS, LabCA, setup_pki
from tests.pki.support import Vault


def lab(vault: Vault) -> LabCA:
    """The testbed's CA below the test's prefix."""
    return LabCA(f"{vault.name}-root", f"{vault.name}-int", "lab", (LAB, DEMO))


def test_the_testbeds_ca_is_what_its_file_says(vault: Vault) -> None:
    ca = lab(vault)
    assert "steps done" in ca.run_command(vault.bao)
    layout = ca.layout(vault.bao)
    lower, upper = (
        x509.load_pem_x509_certificate(one.encode()) for one in (layout.intermediate_pem, layout.root_pem)
    )
    lower.verify_directly_issued_by(upper)
    before = len(vault.requests())
    ca.apply(vault.bao)
    assert vault.writes_since(before) == []
    body = {"common_name": "www.lab.example.test", "key_type": "ec", "key_bits": 256}
    assert vault.bao.write(f"{ca.mount}/issue/lab", body)["ca_chain"]


def test_a_tests_role_is_laid_over_the_file(vault: Vault) -> None:
    layout = setup_pki(
        vault.bao,
        root_mount=f"{vault.name}-root",
        mount=f"{vault.name}-int",
        domains=("a.example.test",),
        role_options={"client_flag": True},
    )
    role = vault.bao.read(f"{layout.mount}/roles/lab")
    assert (role["allowed_domains"], role["client_flag"]) == (["a.example.test"], True)
    assert role["server_flag"] is False


def test_make_up_asks_for_server_certificates(vault: Vault) -> None:
    ca = replace(lab(vault), files=(LAB, SERVERS))
    ca.apply(vault.bao)
    assert vault.bao.read(f"{ca.mount}/roles/lab")["server_flag"] is True
