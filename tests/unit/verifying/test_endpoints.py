"""Endpoints on loopback, each with one thing that is wrong, as the command tells them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from issuer.endpoint.address import EndpointAddress
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.verifying.judging import failure_finding
from issuer.verifying.textfile import END, METRICS, OK, PROBLEM
from tests.ca import TestCA, name, pem
from tests.pki import cas as files
from tests.unit.docs.collected import ROOT
from tests.unit.endpoint.support import NAME, listening, server_context

NAMED = ("--server-name", NAME)


async def run(*words: object) -> Result:
    """Run `vault-issuer verify endpoint`."""
    texts = ["verify", "endpoint", *map(str, words)]
    return await asyncio.to_thread(CliRunner().invoke, app, texts, env={"COLUMNS": "200"})


async def verified(code: int, *words: object) -> dict[str, Any]:
    """Return what is said of the only endpoint, after the command ended with that code."""
    ran = await run(*words, "-o", "json")
    assert ran.exit_code == code, (ran.output, ran.exception)
    (found,) = json.loads(ran.stdout)["endpoints"]
    said: dict[str, Any] = found
    return said


def codes(found: dict[str, Any], kind: str = "problems") -> list[str]:
    return [one["code"] for one in found[kind]]


def saved(folder: Path, file: str, *pems: str) -> Path:
    path = folder / file
    path.write_text("".join(pems))
    return path


@pytest.fixture
def root(ca: TestCA, tmp_path: Path) -> Path:
    """The root, as clients have it."""
    return saved(tmp_path, "root.pem", pem(ca.root))


async def test_a_good_endpoint_is_described(tmp_path: Path, ca: TestCA, now: datetime, root: Path) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        found = await verified(0, endpoint, *NAMED, "--ca-file", root, "--file", tmp_path / "tls.crt")
        ran = await run(endpoint, *NAMED, "--ca-file", root, "-o", "wide")
    assert (found["ok"], found["protocol"], found["addresses"]) == (True, "TLSv1.3", [str(endpoint)])
    assert (found["verifiedBy"]["subject"], found["verifiedBy"]["isRoot"]) == ("CN=Test Root", True)
    assert [one["subject"] for one in found["chain"]] == ["CN=Test Intermediate"]
    leaf = found["certificate"]
    assert (leaf["names"], leaf["coversName"], leaf["key"]) == ([NAME], True, "ECDSA 256")
    assert 3500 < leaf["secondsLeft"] <= 3600
    assert 0.9 < leaf["lifeLeft"] <= 1
    assert ran.exit_code == 0
    assert leaf["serial"] in ran.stdout


async def test_another_name_and_another_root_are_told_at_once(
    tmp_path: Path, ca: TestCA, now: datetime
) -> None:
    other = saved(tmp_path, "other.pem", pem(TestCA.make(now).root))
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        found = await verified(1, endpoint, "--ca-file", other)
        ran = await run(endpoint, "--ca-file", other)
        asked = await verified(1, endpoint, *NAMED, "--ca-file", other, "--crl")
    assert codes(found) == ["NameMissing", "UnknownCA"]
    assert codes(asked) == ["UnknownCA"]  # nothing that a stranger's certificate names is asked
    assert found["verifiedBy"] is None
    assert f"it is not for 127.0.0.1: it is for {NAME}" in ran.stdout
    assert "CN=Test Root, is neither sent nor among those of" in ran.stdout
    assert "to do: " in ran.stdout


async def test_a_ca_that_isnt_sent_is_missed_although_the_file_has_it(
    tmp_path: Path, ca: TestCA, now: datetime, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = saved(tmp_path, "whole.pem", ca.ca_pems)
    async with listening(server_context(tmp_path, ca, now, "\n")) as endpoint:
        assert codes(await verified(1, endpoint, *NAMED, "--ca-file", whole)) == ["MissingCA"]
        found = await verified(1, endpoint, *NAMED, "--ca-file", root)
        assert codes(found) == ["UnknownCA"]
        assert "only the certificate itself is sent" in found["problems"][0]["message"]
        alone = saved(tmp_path, "intermediate.pem", pem(ca.intermediate))
        assert codes(await verified(0, endpoint, *NAMED, "--ca-file", alone)) == []
        monkeypatch.setenv("SSL_CERT_FILE", str(whole))
        assert codes(await verified(1, endpoint, *NAMED)) == ["MissingCA"]


async def test_a_whole_systems_bundle_is_trusted(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    """With more CAs than a chain may have, and one that can't be read."""
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    others = [pem(files.root(f"Root {one}").certificate) for one in range(70)]
    bundle = saved(tmp_path, "bundle.pem", *others, broken, pem(ca.root))
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        found = await verified(0, endpoint, *NAMED, "--ca-file", bundle)
        assert found["verifiedBy"]["isRoot"]
        ran = await run(endpoint, *NAMED, "--ca-file", saved(tmp_path, "broken.pem", broken))
    assert ran.exit_code == 2
    assert "broken.pem\" can't be read: " in ran.output


async def test_order_and_root_are_warnings(tmp_path: Path, ca: TestCA, now: datetime, root: Path) -> None:
    wrong = server_context(tmp_path, ca, now, pem(ca.root), pem(ca.intermediate))
    async with listening(wrong) as endpoint:
        found = await verified(0, endpoint, *NAMED, "--ca-file", root)
        assert codes(found, "warnings") == ["WrongOrder", "RootSent"]
        await verified(1, endpoint, *NAMED, "--ca-file", root, "--strict")


async def test_an_end_is_told_in_time(tmp_path: Path, ca: TestCA, now: datetime, root: Path) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        trust = (endpoint, *NAMED, "--ca-file", root)
        assert codes(await verified(1, *trust, "--expiring", "2h")) == ["Expiring"]
        await verified(0, *trust, "--expiring", "30m")
        found = await verified(1, *trust, "--expiring", "3650d")
        assert codes(found) == ["Expiring"] * 3, "its CAs end, too"
    async with listening(server_context(tmp_path, ca, now - timedelta(minutes=50))) as endpoint:
        found = await verified(0, endpoint, *NAMED, "--ca-file", root)
        assert codes(found, "warnings") == ["Expiring"]
    async with listening(server_context(tmp_path, ca, now - timedelta(hours=2))) as endpoint:
        found = await verified(1, endpoint, *NAMED, "--ca-file", root)
        assert codes(found) == ["Expired"]
        assert found["certificate"]["lifeLeft"] == 0
    async with listening(server_context(tmp_path, ca, now + timedelta(hours=2))) as endpoint:
        assert codes(await verified(1, endpoint, *NAMED, "--ca-file", root)) == ["NotYetValid"]


async def test_a_root_that_has_ended_is_told_though_nobody_sends_it(
    tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = files.root("Top")
    subject = top.certificate.subject
    own = x509.CertificateBuilder(subject, subject, top.certificate.public_key(), 7)
    own = own.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ended = saved(tmp_path, "ended.pem", pem(own.sign(top.key, hashes.SHA256())))
    below = top.below("Below")
    between = TestCA(top.certificate, below.certificate, below.key)
    async with listening(server_context(tmp_path, between, now)) as endpoint:
        await verified(0, endpoint, *NAMED, "--ca-file", saved(tmp_path, "top.pem", top.pem))
        found = await verified(1, endpoint, *NAMED, "--ca-file", ended)
        assert codes(found) == ["Expired"]
        assert "the CA CN=Top ended" in found["problems"][0]["message"]
        monkeypatch.setenv("SSL_CERT_FILE", str(ended))
        found = await verified(1, endpoint, *NAMED)
        assert codes(found) == ["NotVerified"]
        assert "expired" in found["problems"][0]["message"]


async def test_a_refused_chain_is_told_with_what_to_do(
    tmp_path: Path, ca: TestCA, now: datetime, root: Path
) -> None:
    is_ca, no_ca = (x509.BasicConstraints(ca=one, path_length=None) for one in (True, False))
    between, key = signed_by_key(ca.intermediate, ca.key, now, is_ca)
    for issuer, extension, cure in (
        ((ca.intermediate, ca.key), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), "server auth"),
        ((ca.intermediate, ca.key), UNKNOWN, "critical extension"),
        ((between, key), no_ca, "pathLenConstraint"),
    ):
        leaf, own = signed_by_key(*issuer, now, extension)
        private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = saved(tmp_path, "tls.pem", private, pem(leaf), pem(issuer[0]), pem(ca.intermediate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        async with listening(context) as endpoint:
            found = (await verified(1, endpoint, *NAMED, "--ca-file", root))["problems"]
        assert [(one["code"], cure in one["do"]) for one in found] == [("NotVerified", True)], found


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


def signed_by_key(
    issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime, extension: x509.ExtensionType
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for NAME with an extension, critical but for usages, and its key."""
    own = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(issuer.subject, name(f"Below {issuer.subject}"), own.public_key(), 7)
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(99))
    builder = builder.add_extension(extension, not isinstance(extension, x509.ExtendedKeyUsage))
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()), own


def test_a_handshake_that_fails_is_told_with_what_to_do() -> None:
    for reason, cure in (("TLSV1_ALERT_PROTOCOL_VERSION", "TLS 1.1"), ("WRONG_VERSION_NUMBER", "--starttls")):
        assert cure in failure_finding(DialFailed(DialCode.NOT_TLS, reason)).cure


async def test_a_server_that_was_not_reloaded_is_told(
    tmp_path: Path, ca: TestCA, now: datetime, root: Path
) -> None:
    context = server_context(tmp_path, ca, now - timedelta(minutes=5))
    served = (tmp_path / "tls.crt").read_text()
    server_context(tmp_path, ca, now)
    async with listening(context) as endpoint:
        trust = (endpoint, *NAMED, "--ca-file", root, "--file")
        found = await verified(1, *trust, tmp_path / "tls.crt")
        assert codes(found) == ["OtherCertificate"]
        assert "hasn't read it" in found["problems"][0]["do"]
        key = (tmp_path / "tls.key").read_text()
        assert codes(await verified(0, *trust, saved(tmp_path, "combined.pem", key, served))) == []


async def test_a_pin_is_all_that_is_trusted(tmp_path: Path, ca: TestCA, now: datetime, root: Path) -> None:
    def sha256(one: x509.Certificate) -> str:
        return one.fingerprint(hashes.SHA256()).hex(":")

    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        await verified(0, endpoint, *NAMED, "--sha256", sha256(ca.intermediate))
        found = await verified(1, endpoint, *NAMED, "--sha256", sha256(ca.root))
        assert codes(found) == ["NotPinned"]
        await verified(0, endpoint, *NAMED, "--sha256", sha256(ca.root), "--ca-file", root)
        ran = await run(endpoint, "--sha256", sha256(ca.intermediate), "--ca-file", root)
    assert ran.exit_code == 2
    assert "has no certificate with the SHA-256" in ran.output


async def test_a_certificate_by_its_own_key_is_told(tmp_path: Path, now: datetime, root: Path) -> None:
    """As servers show it that don't know the name, or whose Secret isn't there."""
    key = ec.generate_private_key(ec.SECP256R1())
    fake = name("Fake Certificate")
    builder = x509.CertificateBuilder(fake, fake, key.public_key(), 7, now, now + timedelta(days=1))
    chain = saved(tmp_path, "own.crt", pem(builder.sign(key, hashes.SHA256())))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret = saved(tmp_path, "own.key", key.private_bytes(*form).decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    async with listening(context) as endpoint:
        found = await verified(1, endpoint, *NAMED, "--ca-file", root)
    assert codes(found) == ["NameMissing", "SelfSigned"]
    assert "Fake Certificate" in found["problems"][1]["message"]
    assert "for no DNS name" in found["problems"][0]["message"]


async def test_several_endpoints_keep_their_order(
    tmp_path: Path, ca: TestCA, now: datetime, root: Path
) -> None:
    async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with (
        listening(server_context(tmp_path, ca, now)) as good,
        listening(None, closing) as plain,
    ):
        local = EndpointAddress("localhost", good.port)
        words = (good, plain, "127.0.0.1:1", "a..b:443", local, *NAMED, "--ca-file", root)
        ran = await run(*words, "-o", "json")
        shown = await run(*words)
    assert ran.exit_code == shown.exit_code == 1
    found = json.loads(ran.stdout)["endpoints"]
    problems = [codes(one) for one in found if one["endpoint"] != str(local)]
    assert problems == [[], ["NotTLS"], ["Unreachable"], ["Unresolved"]]
    assert [] in [codes(one) for one in found if one["endpoint"] == str(local)]
    assert "--starttls" in shown.stdout
    assert "it can't be connected to (Connection refused)" in shown.stdout
    assert "Errno" not in shown.stdout


async def test_metrics_are_those_of_the_page(tmp_path: Path, ca: TestCA, now: datetime, root: Path) -> None:
    file = tmp_path / "endpoints.prom"
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        words = (endpoint, "127.0.0.1:1", *NAMED, "--ca-file", root)
        ran = await run(*words, "--textfile", file)
        other = await run(*words, "--textfile", tmp_path / "none" / "endpoints.prom")
    assert (ran.exit_code, other.exit_code) == (1, 2)
    assert "Unreachable" in other.stdout  # what was found is not lost
    families = {one.name: one.samples for one in text_string_to_metric_families(file.read_text())}
    page = (ROOT / "docs" / "endpoints.md").read_text()
    assert set(families) == set(METRICS) == set(re.findall(r"^\| `(vault_issuer_\w+)`", page, re.MULTILINE))
    ok = {one.labels["endpoint"]: one.value for one in families[OK]}
    assert ok == {str(endpoint): 1, "127.0.0.1:1": 0}
    (problem,) = families[PROBLEM]
    assert problem.labels == {"endpoint": "127.0.0.1:1", "server_name": NAME, "code": "Unreachable"}
    (end,) = families[END]
    assert end.value == (now + timedelta(hours=1)).timestamp()


async def test_an_address_at_which_nobody_listens_is_a_warning_beside_others(
    tmp_path: Path, ca: TestCA, now: datetime, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        both = [(*kind, (host, endpoint.port)) for host in ("127.0.0.1", "127.0.0.9")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        two = EndpointAddress("two.example", endpoint.port)
        ran = await run(two, *NAMED, "--ca-file", root, "-o", "json")
        shown = await run(two, *NAMED, "--ca-file", root)
        strict = await run(two, *NAMED, "--ca-file", root, "--strict")
    assert (ran.exit_code, strict.exit_code) == (0, 1)
    good, silent = json.loads(ran.stdout)["endpoints"]
    assert (good["addresses"], codes(good, "warnings")) == ([str(endpoint)], [])
    assert (codes(silent), codes(silent, "warnings")) == ([], ["Unreachable"])
    assert re.search(r"-  +-  +-  +Unreachable$", shown.stdout, re.MULTILINE), shown.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["www.example.test"], "is not host:port"),
        (["a:443", "--expiring", "soon"], "--expiring is no time"),
        (["a:443", "--expiring", "0"], "longer than 0"),
        (["a:443", "--ca-file", "/nonexistent"], "can't be read"),
        (["a:443", "--ca-file", "a", "--mount", "b"], "Give one of"),
        (["a:443", "--file", "a", "--secret", "b"], "Give one of"),
        (["a:443", "--file", "/dev/null"], "no certificate"),
        (["a:443", "--sha256", "12"], "no SHA-256 fingerprint"),
    ],
)
async def test_bad_input_has_its_code(words: list[str], said: str) -> None:
    ran = await run(*words)
    assert ran.exit_code == 2, ran.output
    assert said in ran.output
