"""Kubeconfigs, pods' files, exec plugins and proxies, and TLS that is always checked."""

from __future__ import annotations

import base64
import json
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from issuer.cluster import connect
from issuer.kube import errors
from issuer.kube.auth.credentials import InCluster, find_source
from issuer.kube.auth.kubeconfig import KubeConfigFile
from issuer.kube.client import KubeClient

SERVER = "https://127.0.0.1:6443"


class Pair:
    """A self-signed certificate for `kube.test`, which is its own CA, and its key."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube.test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("kube.test")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def kubeconfig(directory: Path, user: dict[str, Any], **cluster: Any) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": SERVER, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_token_in_a_kubeconfig_is_used_and_not_shown(tmp_path: Path, pair: Pair) -> None:
    path = kubeconfig(tmp_path, {"token": "s3cret"}, **{"certificate-authority-data": b64(pair.certificate)})
    access = await KubeConfigFile(path).load()
    assert (access.server, access.authorization, access.good_for) == (SERVER, "Bearer s3cret", None)
    assert access.tls is not None
    assert access.tls.verify_mode is ssl.CERT_REQUIRED
    assert access.tls.check_hostname
    assert "s3cret" not in repr(access)


async def test_a_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    source = KubeConfigFile(kubeconfig(tmp_path, {"tokenFile": "token"}))
    first = await source.load()
    (tmp_path / "token").write_text("two\n")
    second = await source.load()
    assert (first.authorization, first.good_for) == ("Bearer one", 60)
    assert second.authorization == "Bearer two"
    assert second.tls is first.tls


async def test_inline_keys_leave_no_files_behind(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    user = {"client-certificate-data": b64(pair.certificate), "client-key-data": b64(pair.key)}
    source = KubeConfigFile(kubeconfig(tmp_path, user))
    first, second = await source.load(), await source.load()
    assert first.authorization is None
    assert first.tls is second.tls
    assert first.anonymous_tls is not None, "for a call that must not show the certificate"
    assert first.anonymous_tls is second.anonymous_tls is not first.tls
    assert list(scratch.iterdir()) == []


async def test_a_rotated_client_certificate_makes_a_new_tls_context(tmp_path: Path, pair: Pair) -> None:
    (tmp_path / "c.pem").write_bytes(pair.certificate)
    (tmp_path / "k.pem").write_bytes(pair.key)
    source = KubeConfigFile(kubeconfig(tmp_path, {"client-certificate": "c.pem", "client-key": "k.pem"}))
    first = await source.load()
    other = Pair()
    (tmp_path / "c.pem").write_bytes(other.certificate)
    (tmp_path / "k.pem").write_bytes(other.key)
    assert first.good_for == 60
    assert (await source.load()).tls is not first.tls


def plugin(directory: Path, status: str, code: int = 0) -> dict[str, Any]:
    script = directory / "plugin"
    answer = f'{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}'
    script.write_text(f"#!/bin/sh\necho run >> '{directory}/runs'\necho '{answer}'\nexit {code}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}


async def test_an_exec_plugins_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    expiry = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    user = plugin(tmp_path, f'{{"token":"t","expirationTimestamp":"{expiry}"}}')
    source = KubeConfigFile(kubeconfig(tmp_path, user))
    access = await source.load()
    assert access.authorization == "Bearer t"
    assert access.good_for is not None
    assert 3400 < access.good_for <= 3540
    await source.load()
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


async def test_an_exec_plugin_that_fails_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, plugin(tmp_path, "{}", code=1))
    with pytest.raises(errors.ConfigError, match="ended with 1"):
        await KubeConfigFile(path).load()


async def test_an_exec_plugin_may_give_a_certificate(tmp_path: Path, pair: Pair) -> None:
    status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
    user = plugin(tmp_path, json.dumps(status).replace("\\n", "\\\\n"))
    access = await KubeConfigFile(kubeconfig(tmp_path, user)).load()
    assert access.authorization is None
    assert access.tls is not None


@pytest.mark.parametrize("status", ["{}", "3", '{"token":5}', '{"clientCertificateData":"x"}', "not json"])
async def test_an_exec_plugin_without_credentials_is_named(tmp_path: Path, status: str) -> None:
    with pytest.raises(errors.ConfigError, match="exec plugin"):
        await KubeConfigFile(kubeconfig(tmp_path, plugin(tmp_path, status))).load()


async def test_an_exec_plugin_that_floods_is_stopped(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "yes"}}
    with pytest.raises(errors.ConfigError, match="printed more than"):
        await KubeConfigFile(kubeconfig(tmp_path, user)).load()


async def test_an_exec_plugin_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issuer.kube.auth.kubeconfig.EXEC_TIMEOUT", 0.05)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["60"]}}
    with pytest.raises(errors.ConfigError, match="exec plugin sleep took over"):
        await KubeConfigFile(kubeconfig(tmp_path, user)).load()


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        ({"insecure-skip-tls-verify": True}, "give certificate-authority-data"),
        ({"server": "http://192.0.2.1:8080"}, "plain http"),
        ({"server": "ftp://192.0.2.1"}, "not a URL"),
        ({"certificate-authority": "missing.pem"}, "missing.pem"),
        ({"certificate-authority-data": b64(b"no certificate")}, "kubeconfig"),
    ],
)
async def test_a_cluster_that_can_not_be_trusted_is_refused(
    tmp_path: Path, cluster: dict[str, Any], says: str
) -> None:
    with pytest.raises(errors.ConfigError, match=says):
        await KubeConfigFile(kubeconfig(tmp_path, {"token": "t"}, **cluster)).load()


async def test_a_broken_kubeconfig_is_named_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("token: 's3cret\n  x: [")
    with pytest.raises(errors.ConfigError, match="not YAML") as caught:
        await KubeConfigFile(str(path)).load()
    assert "s3cret" not in str(caught.value)
    for content in ("", "[]", "users: 3\n"):
        path.write_text(content)
        with pytest.raises(errors.ConfigError):
            await KubeConfigFile(str(path)).load()


async def test_a_missing_kubeconfig_and_an_unknown_context_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="is not there"):
        await connect(str(tmp_path / "none"))
    with pytest.raises(errors.ConfigError, match="other"):
        await KubeConfigFile(kubeconfig(tmp_path, {"token": "t"}), "other").load()


def pod(directory: Path, pair: Pair, token: str = "one") -> InCluster:
    (directory / "token").write_text(token)
    (directory / "ca.crt").write_bytes(pair.certificate)
    return InCluster(directory, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})


async def test_a_pods_files_are_read_again_each_minute(tmp_path: Path, pair: Pair) -> None:
    source = pod(tmp_path, pair, "one\n")
    first = await source.load()
    (tmp_path / "token").write_text("two\n")
    second = await source.load()
    assert (first.server, first.authorization, first.good_for) == ("https://[fd00::1]:443", "Bearer one", 60)
    assert second.authorization == "Bearer two"
    assert second.tls is first.tls


async def test_a_pod_without_its_files_says_which_directory(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"}
    with pytest.raises(errors.ConfigError, match=tmp_path.name):
        await InCluster(tmp_path, environ).load()


def test_the_source_is_the_flag_then_the_variable_then_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert isinstance(find_source(), KubeConfigFile)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "h")
    assert isinstance(find_source(), InCluster)
    assert isinstance(find_source("x"), KubeConfigFile)
    monkeypatch.setenv("KUBECONFIG", "x")
    assert isinstance(find_source(), KubeConfigFile)


@pytest.mark.parametrize(
    ("host", "no_proxy", "used"),
    [
        ("kube.example", "", True),
        ("kube.example", "other,.example", False),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "192.168.0.0/16, nonsense", True),
        ("127.0.0.1", "", False),
    ],
)
async def test_the_environments_proxy_is_used_unless_excepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, used: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    access = await KubeConfigFile(kubeconfig(tmp_path, {"token": "t"}, server=f"https://{host}")).load()
    assert access.proxy == ("http://proxy.example:3128" if used else None)


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_checked_against_the_clusters_ca_and_name(
    tmp_path: Path, pair: Pair, trusted: bool
) -> None:
    (tmp_path / "c.pem").write_bytes(pair.certificate)
    (tmp_path / "k.pem").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")

    async def version(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"major": "1"})

    runner = web.ServerRunner(web.Server(version, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    ca = b64((pair if trusted else Pair()).certificate)
    server = f"https://127.0.0.1:{runner.addresses[0][1]}"
    cluster = {"server": server, "certificate-authority-data": ca, "tls-server-name": "kube.test"}
    client = await KubeClient.open(
        KubeConfigFile(kubeconfig(tmp_path, {"token": "t"}, **cluster)), user_agent="test"
    )
    try:
        if trusted:
            assert await client.get_path("/version") == {"major": "1"}
        else:
            with pytest.raises(errors.Unavailable, match="not trusted"):
                await client.get_path("/version")
    finally:
        await client.close()
        await runner.cleanup()
