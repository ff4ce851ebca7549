"""`agent.yaml`: what is refused, with file, line and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import load_agent_file
from issuer.manifests.errors import BadInput

GOOD = """\
vault:
  server: https://vault.example.com:8200
  login: {appRole: {roleId: r, secretIdFile: /etc/s}}
certificates:
- name: web
  folder: /etc/tls/web
  path: pki_int/sign/web
  dnsNames: [web.example.com]
"""


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_agent_file(str(path))
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_good_file_has_usual_files(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD)
    [web] = load_agent_file(str(tmp_path / "agent.yaml")).certificates
    assert web.files[0].name == "combined.pem"
    assert web.files[0].final_mode == 0o600


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("server:", "sever:"), "agent.yaml:2 vault.sever: is not a known key"),
        (("  path: pki_int/sign/web\n", ""), "agent.yaml:5 certificates.0.path: is required"),
        (("pki_int/sign/web", "pki_int/revoke/web"), "agent.yaml:7 certificates.0.path: "),
        (
            ("pki_int/sign/web", "pki_int/sign/web\n  delivered: true"),
            "certificates.0.path: must be left out",
        ),
        (("pki_int/sign/web", "pki_int/sign-verbatim/web"), "no role limits the names"),
        (
            ("/etc/tls/web", "tls/web"),
            'agent.yaml:6 certificates.0.folder: must be an absolute path without ".."',
        ),
        (("/etc/tls/web", "/etc/../web"), "must be an absolute path"),
        (("  dnsNames: [web.example.com]\n", ""), "needs a name"),
        (("  dnsNames: [web.example.com]", "  ipAddresses: [1.2.3]"), '"1.2.3" is not an IP address'),
        (("  dnsNames: [web.example.com]", "  dnsNames: [bücher.example.com]"), "use A-labels"),
        (("[web.example.com]", "[web.example.com]\n  ttl: 3 days"), "agent.yaml:9 certificates.0.ttl"),
        (("[web.example.com]", "[web.example.com]\n  renewal: {at: 2}"), "certificates.0.renewal.at"),
        (
            (
                "[web.example.com]",
                '[web.example.com]\n  files: [{name: a.pem, kind: combined, mode: "0644"}]',
            ),
            "would let everybody read the key",
        ),
        (
            ("[web.example.com]", "[web.example.com]\n  files: [{name: a, kind: key}, {name: a, kind: ca}]"),
            '"/etc/tls/web/a" is written by "web", too',
        ),
        (
            ("[web.example.com]", "[web.example.com]\n  files: [{name: ../a, kind: key}]"),
            "certificates.0.files.0.name: must be a file's name alone, without a folder",
        ),
        (("appRole: {roleId: r, secretIdFile: /etc/s}", ""), "needs exactly one of"),
        (("roleId: r, secretIdFile", "secretIdFile"), "needs roleId or roleIdFile, and not both"),
        (("/etc/s}", "/etc/s}, token: {file: /etc/t}"), "needs exactly one of"),
        (
            (
                "/etc/s}",
                "/etc/s}, certificate: {certificateFile: /etc/tls/web/t.crt, keyFile: /etc/tls/web/t.key}",
            ),
            "certificates.0.commonName: is required: the login by this certificate needs it",
        ),
        (("  login: {appRole: {roleId: r, secretIdFile: /etc/s}}\n", ""), "vault.login: is required"),
        (("- name: web", "- name: Web"), "certificates.0.name: must be up to 63 lower-case letters"),
        (("roleId: r,", "roleId: r, mount: ../..,"), "vault.login.appRole.mount: "),
        (("roleId: r,", "roleId: r, mount: '',"), "vault.login.appRole.mount: The Vault path is empty"),
        (
            ("certificates:", "caChains: [{name: c, folder: /etc/c, mount: ../..}]\ncertificates:"),
            "caChains.0.mount: ",
        ),
        (
            ("certificates:", 'caChains: [{name: c, folder: /etc/c, mount: "p\\0"}]\ncertificates:'),
            "caChains.0.mount: ",
        ),
        (
            ("certificates:", "caChains: [{name: c, folder: /etc/c, mount: p, issuer: ../x}]\ncertificates:"),
            "caChains.0.issuer: must be the name or the ID of an issuer",
        ),
        (("[web.example.com]", '[web.example.com]\n  commonName: "a,b"'), "certificates.0.commonName: "),
        (("[web.example.com]", '[web.example.com]\n  commonName: "a\\n"'), "certificates.0.commonName: "),
        (("[web.example.com]", "[web.example.com]\n  ttl: 500ms"), "certificates.0.ttl: "),
        *(
            (
                (
                    "[web.example.com]",
                    f"[web.example.com]\n  files: [{{name: a, kind: key, {field}: {bad}}}]",
                ),
                f"certificates.0.files.0.{field}: ",
            )
            for field, bad in (("owner", '"4294967295"'), ("owner", '"a\\0"'), ("group", '"99999999999"'))
        ),
        (
            ("roleId: r,", "roleId: r, roleName: auth/approle/role/x,"),
            "must be the AppRole's name, of letters",
        ),
        (
            (
                "certificates:",
                'caChains: [{name: c, folder: /etc/c, mount: p, rootFingerprint: "AB:CD"}]\ncertificates:',
            ),
            "caChains.0.rootFingerprint: must be the SHA-256 of a certificate, 64 hexadecimal digits",
        ),
    ],
)
def test_problem_is_named_with_its_line(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    assert change[0] in GOOD
    assert problem in refused(tmp_path, GOOD.replace(*change))


def test_patterns_are_in_the_schema_for_editors() -> None:
    found = str(AgentFile.model_json_schema())
    assert "(:?[0-9A-Fa-f]{2}){31}$" in found
    assert "{0,61}[a-z0-9])?$" in found


def test_two_sets_share_no_path_and_no_name(tmp_path: Path) -> None:
    second = GOOD.partition("certificates:\n")[2]
    found = refused(tmp_path, GOOD + second)
    assert 'certificates.1.name: "web" is given twice' in found
    assert '"/etc/tls/web" is written by "web", too' in found


def test_empty_file_says_what_it_needs(tmp_path: Path) -> None:
    assert "vault: is required" in refused(tmp_path, "")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("{name: a, kind: key, passwordFile: /etc/pw}", "passwordFile is for files of kind pkcs12"),
        ("{name: a, kind: ca, keyEncoding: PKCS8}", "keyEncoding is for files of kind key, key-der and"),
        ("{name: a, kind: pkcs12, keyEncoding: PKCS1}", "keyEncoding is for files of kind key, key-der and"),
        ("{name: a, kind: key, profile: Modern2023}", "profile is for files of kind pkcs12"),
        ("{name: a, kind: pkcs12, profile: LegacyDES}", "profile LegacyDES needs passwordFile"),
        ("{name: a, kind: pkcs12, passwordFile: /etc/pw, profile: LegacyRC2}", "files.0.profile"),
    ],
)
def test_password_of_what_is_not_encrypted_is_refused(tmp_path: Path, file: str, told: str) -> None:
    """A key with a passwordFile was written without any, in silence."""
    assert told in refused(tmp_path, GOOD.replace("  dnsNames", f"  files: [{file}]\n  dnsNames"))


def test_form_that_a_key_does_not_have_is_refused(tmp_path: Path) -> None:
    more = "  key: {algorithm: Ed25519}\n  files: [{name: a, kind: key, keyEncoding: PKCS1}]\n  dnsNames"
    assert "certificates.0.files.0.keyEncoding: must be PKCS8" in refused(
        tmp_path, GOOD.replace("  dnsNames", more)
    )
