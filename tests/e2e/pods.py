"""Pods that use what was issued: one serves TLS from a Secret, others dial it and verify it to the root."""

from __future__ import annotations

from typing import Any

from testbed.kube import Object
from testbed.vaultpki import PkiLayout
from tests.e2e.cluster import NAMESPACE

PORT = 8443
# Each connection gets the files as they are then, as a program that watches them would.
_SERVE = f"""
import socket, ssl
listener = socket.create_server(("", {PORT}))
print("serving", flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(5)
    try:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
        with tls.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"served")
    except OSError as error:
        print("refused:", error, flush=True)
"""
_DIAL = f"""
import socket, ssl, sys, time
host, wanted = sys.argv[1:]
tls = ssl.create_default_context(cafile="/root-ca/root.pem")
for attempt in range(240):
    try:
        with socket.create_connection((host, {PORT}), timeout=5) as plain:
            with tls.wrap_socket(plain, server_hostname=host) as secure:
                serial = int(secure.getpeercert()["serialNumber"], 16)
                answer = secure.recv(100)
    except OSError as error:
        print("not yet:", error, flush=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            sys.exit(1)
    else:
        if serial == int(wanted):
            sys.exit(0 if answer == b"served" else 2)
        print("another serial:", serial, flush=True)
    time.sleep(0.5)
sys.exit(3)
"""


def root_config_map(layout: PkiLayout) -> Object:
    """The root that clients trust, from where it was made and not from the Secret."""
    meta = {"name": "root-ca", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"root.pem": layout.root_pem}}


def server(name: str, image: str, secret: str) -> list[Object]:
    """A pod that serves TLS from a Secret, and a Service of the same name before it."""
    meta = {"name": name, "namespace": NAMESPACE}
    volume = {"name": "tls", "secret": {"secretName": secret}}
    container = _container(image, _SERVE, "/tls", volume)
    pod = _pod(name, container, volume)
    pod["metadata"]["labels"] = {"app": name}
    ports = [{"port": PORT}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports},
    }
    return [service, pod]


def client(name: str, image: str, host: str, serial: int) -> Object:
    """A pod that succeeds once the server shows the certificate with that serial, verified to the root."""
    volume = {"name": "root-ca", "configMap": {"name": "root-ca"}}
    container = _container(image, _DIAL, "/root-ca", volume, host, str(serial))
    return _pod(name, container, volume)


def _container(image: str, script: str, path: str, volume: dict[str, Any], *words: str) -> dict[str, Any]:
    return {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", script, *words],
        "volumeMounts": [{"name": volume["name"], "mountPath": path, "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _pod(name: str, container: dict[str, Any], volume: dict[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [volume],
        },
    }
