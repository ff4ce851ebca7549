"""A real step-ca over HTTPS: made, started, stopped, its password, key and intermediate rotated.

Its own `pki` package makes the CA, as `step ca init` does: a root, an intermediate, and one JWK provisioner
whose key is in ca.json, encrypted under the password.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from testbed.builds import STEP_CA, build
from testbed.cache import memory_directory, new_data_directory
from testbed.certs import key_usage, private_key_pem, write_private
from testbed.errors import TestbedError
from testbed.processes import LOOPBACK, Process, free_port, retry_ports

PROVISIONER = "admin"
REFUSED_NAME = "www.example.com"
"""A name that no policy of a testbed's CA allows."""
MEMORY_MB = 512
"""Room that memory must have for its database, which maps files of tens of MB."""
_SIGNED: Final = re.compile(r" certificate=(\S+) .* path=/(?:1\.0/)?sign .* status=201 ")
_REVOKED: Final = re.compile(r" path=/(?:1\.0/)?revoke .* status=200 ")


class StepCA:
    """The server and the acts of its administrator.

    Attributes:
        url: `https://127.0.0.1:PORT`; the same over `stop` and `start`.
        password: the provisioner's, which an issuer needs; `rotate_password` changes it.
        process: the server, for `pause`, `resume` and signals.

    Args:
        directory: for its files and log.
        dns: names of the CA beside its address; audiences of tokens are made of them.
        crl: whether it serves `/crl` and revokes into it.
        claims: of the whole authority, such as `{"maxTLSCertDuration": "2h"}`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        dns: Sequence[str] = ("localhost",),
        crl: bool = False,
        claims: Mapping[str, Any] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.password = "a password of the testbed"  # noqa: S105  # of a CA that lives as long as a test
        self.url = ""
        self.process = Process("step-ca", directory / "step-ca.log")
        self._program = build(STEP_CA) / STEP_CA.program
        self._directory = directory
        self._dns = (*dns, LOOPBACK)
        self._crl = crl
        self._claims = dict(claims or {})
        self._data: Path | None = None
        self._data_lock: int | None = None
        # What protects the CA's own keys: the provisioner's password can be rotated without them.
        self._key_password = directory / "key-password"

    @property
    def root_pem(self) -> str:
        """PEM text of the root: what `caBundle` holds, in base64."""
        return self.root_file.read_text()

    @property
    def root_file(self) -> Path:
        """The root's file."""
        return self._directory / "certs" / "root_ca.crt"

    @property
    def ca_bundle(self) -> str:
        """The root as `spec.caBundle` takes it."""
        return b64encode(self.root_pem.encode()).decode()

    @property
    def intermediate(self) -> x509.Certificate:
        """The certificate that signs now."""
        return x509.load_pem_x509_certificate(self._intermediate_file.read_bytes())

    @property
    def kid(self) -> str:
        """Key id of the provisioner's key."""
        return str(self._provisioner()["key"]["kid"])

    @property
    def encrypted_key(self) -> str:
        """The provisioner's key, a compact JWE under `password`."""
        return str(self._provisioner()["encryptedKey"])

    @property
    def config(self) -> Path:
        """Its ca.json; `configure` changes it."""
        return self._directory / "config" / "ca.json"

    def start(self) -> None:
        """Start it (again, on the same port with the same data) and wait until it is healthy."""
        if self.url:
            self._launch()
        else:
            retry_ports(self._first_launch)

    def _first_launch(self) -> None:
        address = f"{LOOPBACK}:{free_port()}"
        self.url = f"https://{address}"
        try:
            if self.config.exists():
                self.configure(lambda config: config.update(address=address))
            else:
                self._make(address)
            self._launch()
        except TestbedError:
            self.url = ""
            raise

    def _make(self, address: str) -> None:
        write_private(self._key_password, self.password.encode())
        self._run("init", "testbed", address, ",".join(self._dns), PROVISIONER, str(self._key_password))
        self.configure(self._first_configuration)

    def _first_configuration(self, config: dict[str, Any]) -> None:
        config["db"]["dataSource"] = str(self._data_directory())
        config["authority"]["claims"] = self._claims
        config["authority"]["policy"] = {"x509": {"deny": {"dns": [REFUSED_NAME]}}}
        if self._crl:
            config["crl"] = {"enabled": True, "generateOnRevoke": True}

    def _launch(self) -> None:
        self.process.start(
            [self._program, "serve", self.config, self._key_password],
            {"STEPPATH": str(self._directory)},
        )
        self.process.wait_ready(self.healthy)

    def stop(self) -> None:
        """Stop the server; `start` brings it back with its data."""
        self.process.stop()

    def restart(self) -> None:
        """Stop and start it: what was configured meanwhile holds then."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it for good."""
        self.process.stop(grace=0)
        if self._data is not None and self._data_lock is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            os.close(self._data_lock)
            self._data_lock = None

    def signed(self, *, but_for: str = "") -> list[str]:
        """Return a fingerprint of the public key of each certificate that it has signed, oldest first.

        They are read from its log, in which an answer stands before its last byte is sent. What clients asked
        for whose User-Agent begins with `but_for` is left out.
        """
        left_out = f" user-agent={but_for}"
        lines = (line for line in self._whole_log().splitlines() if not but_for or left_out not in line)
        found = (_SIGNED.search(f"{line} ") for line in lines)
        return [sha256(_public_key(b64decode(one[1]))).hexdigest() for one in found if one is not None]

    def revocations(self) -> int:
        """Return how many revocations it has carried out."""
        return len(_REVOKED.findall(self._whole_log()))

    def _whole_log(self) -> str:
        return self.process.log.read_text(errors="replace")

    def pause(self) -> None:
        """Freeze it: connections are taken and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`, and wait until it answers."""
        self.process.resume()
        if self.process.running:
            self.process.wait_ready(self.healthy)

    def healthy(self) -> bool:
        """Return True if `/health` says ok."""
        try:
            return bool(self.get("/health") == {"status": "ok"})
        except (OSError, ValueError):
            return False

    def configure(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change ca.json in place; it holds from the next `restart` on."""
        config = json.loads(self.config.read_text())
        change(config)
        write_private(self.config, json.dumps(config, indent=1).encode())

    def set_claims(self, **claims: Any) -> None:
        """Give the provisioner claims, such as `maxTLSCertDuration="2h"`, and restart."""
        self._change_provisioner(lambda provisioner: provisioner.update(claims=claims))

    def rotate_password(self, password: str) -> None:
        """Encrypt the provisioner's key under another password, and restart; `kid` stays."""
        old, new = self._directory / "old-password", self._directory / "new-password"
        write_private(old, self.password.encode())
        write_private(new, password.encode())
        encrypted = self._run("encrypt", str(old), str(new), text=self.encrypted_key).strip()
        self.password = password
        self._change_provisioner(lambda provisioner: provisioner.update(encryptedKey=encrypted))

    def rotate_key(self, password: str | None = None) -> None:
        """Give the provisioner a new key, with a new `kid`, and restart."""
        self.password = password or self.password
        file = self._directory / "new-password"
        write_private(file, self.password.encode())
        made = json.loads(self._run("key", str(file)))
        self._change_provisioner(lambda provisioner: provisioner.update(made))

    def rotate_intermediate(self, name: str = "testbed second Intermediate CA") -> None:
        """Put a new intermediate, signed by the root, in the place of the old one, and restart."""
        password = self._key_password.read_bytes()
        root = x509.load_pem_x509_certificate(self.root_pem.encode())
        root_key = serialization.load_pem_private_key(
            (self._directory / "secrets" / "root_ca_key").read_bytes(), password
        )
        assert isinstance(root_key, ec.EllipticCurvePrivateKey)  # noqa: S101  # what `init` makes
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _authority(name, key.public_key(), root, root_key)
        self._intermediate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(self._directory / "secrets" / "intermediate_ca_key", private_key_pem(key))
        self.restart()

    def get(self, path: str) -> Any:
        """What a GET of a path answers, read as JSON. Raises OSError, ValueError."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """What a GET of a path answers. Raises OSError; HTTPError is one."""
        return self._call(path, None)[1]

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and JSON that a POST answers, refusals as well."""
        try:
            status, answer = self._call(path, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        return status, json.loads(answer)

    def _call(self, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cadata=self.root_pem)
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, bytes(answer.read())

    @property
    def _intermediate_file(self) -> Path:
        return self._directory / "certs" / "intermediate_ca.crt"

    def _provisioner(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.config.read_text())["authority"]["provisioners"][0]
        return found

    def _change_provisioner(self, change: Callable[[dict[str, Any]], object]) -> None:
        self.configure(lambda config: change(config["authority"]["provisioners"][0]))
        self.restart()

    def _run(self, *words: str, text: str = "") -> str:
        environment = {"STEPPATH": str(self._directory), "PATH": os.environ.get("PATH", "")}
        done = subprocess.run(
            [str(self._program), *words],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            raise TestbedError(f"step-ca {words[0]} failed: {done.stderr.strip()[-400:]}")
        return done.stdout

    def _data_directory(self) -> Path:
        """Where its database is: in memory, where there is room; on the disk a write waits for the disk."""
        if self._data is None:
            memory = memory_directory(MEMORY_MB)
            if memory is None:
                self._data = self._directory / "db"
            else:
                self._data, self._data_lock = new_data_directory(memory)
        return self._data


def _public_key(der: bytes) -> bytes:
    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _authority(
    name: str,
    key: ec.EllipticCurvePublicKey,
    parent: x509.Certificate,
    parent_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return an intermediate as step-ca makes its own: path length 0, signs certificates and CRLs."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(parent.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(days=3650))
    )
    for extension, critical in (
        (key_usage(authority=True), True),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(parent_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(parent_key, hashes.SHA256())
