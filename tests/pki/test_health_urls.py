"""URLs of CAs, CRLs and OCSP responders, fetched by `pki health`: their verdicts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.prometheus import find_prometheus
from tests.pki.cas import FileCA, root
from tests.pki.health_runs import health, healthy, issuing_mount, of
from tests.pki.support import Vault
from tests.pki.urls import Published


@pytest.fixture
def published() -> Iterator[Published]:
    """A web server on loopback."""
    with Published() as server:
        yield server


def test_urls_that_answer_rightly_are_in_order(vault: Vault, tmp_path: Path) -> None:
    file = healthy(vault, tmp_path)
    _, findings = health(vault, "-f", file)
    for check in ("aia_url", "crl_url", "ocsp_url", "missing_pointers"):
        assert of(findings, check) == [], check
    assert len(of(findings, "aia_url", "ok")) == 3
    assert "/ocsp" in of(findings, "ocsp_url", "ok")[0]["endpoint"]
    assert "{{" not in json.dumps(of(findings, "ocsp_url", "ok"))


def test_urls_that_answer_another_ca_or_nothing_are_found(
    vault: Vault, tmp_path: Path, published: Published
) -> None:
    other = root("Other CA")
    published.files.update({"/ca": other.der, "/crl": other.crl(days=30), "/ocsp": b"no OCSP"})
    mount = issuing_mount(vault, "lost", {"allowed_domains": "a.test"})
    urls = {
        "issuing_certificates": [f"{published.url}/ca", "ldap://ca.example.test/ca"],
        "crl_distribution_points": [
            f"{published.url}/crl",
            f"{published.url}/gone",
            "http://127.0.0.1:9/crl",
        ],
        "ocsp_servers": [f"{published.url}/ocsp"],
    }
    vault.bao.call("POST", f"{mount}/config/urls", urls)
    code, findings = health(vault, "--mount", mount)
    assert code == 2
    told = {
        one["endpoint"]: (one["severity"], one["message"]) for one in findings if "://" in one["endpoint"]
    }
    assert told[f"{published.url}/ca"][0] == "critical"
    assert "another CA: CN=Other CA" in told[f"{published.url}/ca"][1]
    assert "didn't sign" in told[f"{published.url}/crl"][1]
    assert "it answers 404" in told[f"{published.url}/gone"][1]
    assert "refused" in told["http://127.0.0.1:9/crl"][1]
    assert "OCSP's form" in told[f"{published.url}/ocsp"][1]
    assert told["ldap://ca.example.test/ca"][0] == "not_checked"
    fix = next(one["fix"] for one in findings if one["endpoint"] == f"{published.url}/crl")
    assert fix.startswith(f"mounts:\n  {mount}:\n    cluster:")
    assert "{{issuer_id}}/crl/der" in fix


def below_offline(vault: Vault, published: Published, ca: FileCA) -> str:
    """A mount with a CA that a root outside of Vault signed, whose CRL is at a URL."""
    mount = f"{vault.name}-env"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "43800h"}})
    body = {"common_name": "Environment CA", "key_type": "ec"}
    csr = vault.bao.write(f"{mount}/intermediate/generate/internal", body)["csr"]
    chain = ca.sign(csr, crl=f"{published.url}/root.crl")
    vault.bao.write(f"{mount}/intermediate/set-signed", {"certificate": chain})
    return mount


@pytest.mark.parametrize(("days", "severity"), [(30, "ok"), (10, "warning"), (1, "critical")])
def test_the_list_of_an_offline_root_is_watched(
    vault: Vault, published: Published, days: int, severity: str
) -> None:
    ca = root("Offline root")
    published.files["/root.crl"] = ca.crl(days=days)
    mount = below_offline(vault, published, ca)
    _, findings = health(vault, "--mount", mount)
    (found,) = of(findings, "offline_crl", "ok", "warning", "critical")
    assert found["severity"] == severity, found
    assert of(findings, "crl_url") == []


def test_an_ended_list_is_critical_and_in_the_metrics(
    vault: Vault, published: Published, tmp_path: Path
) -> None:
    ca = root("Offline root")
    published.files["/root.crl"] = ca.crl(days=-1)
    mount = below_offline(vault, published, ca)
    file = tmp_path / "pki.prom"
    file.write_text("old")
    code, findings = health(vault, "--mount", mount, "--textfile", file)
    assert code == 2
    assert "expired at" in of(findings, "crl_url", "critical")[0]["message"]
    text = file.read_text()
    assert f'vault_issuer_pki_health_status{{check="crl_url",mount="{mount}"}} 3.0' in text
    assert f'url="{published.url}/root.crl"' in text
    assert list(tmp_path.iterdir()) == [file]
    program = str(find_prometheus().promtool)
    checked = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
