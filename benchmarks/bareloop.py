"""The ceiling: the least that an issuer in Python can do for a certificate, and nothing besides.

    python -m benchmarks.bareloop --server URL --ca FILE --token-file FILE --vault URL --vault-ca FILE ...

It lists and watches the requests of our group, signs each with a static token, checks that the certificate
has the CSR's key, and answers with one PUT of the whole status. No policy, no further verification, no
retry, no metrics, no Lease, no events: it ends at the first error.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATH = "/apis/cert-manager.io/v1/certificaterequests"
SELECTOR = "fieldSelector=spec.issuerRef.group%3Dvault-issuer.io"


class Loop:
    """One run of the loop; `at_once` requests are signed and written at a time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._kube_token = Path(options.token_file).read_text()
        self._vault_token = Path(options.vault_token_file).read_text()
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Work until it is ended by a signal, or by the first error."""
        options = self._options
        kube = {"Authorization": f"Bearer {self._kube_token}", "Content-Type": "application/json"}
        vault = {"X-Vault-Token": self._vault_token, "X-Vault-Request": "true"}
        async with (
            _session(options.server, options.ca, kube) as self._kube,
            _session(options.vault, options.vault_ca, vault) as self._vault,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._follow())
            for _ in range(options.at_once):
                group.create_task(self._work())

    async def _follow(self) -> None:
        version = await self._list()
        url = f"{PATH}?watch=1&{SELECTOR}&resourceVersion={version}"
        async with self._kube.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            answer.raise_for_status()
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    event = orjson.loads(line)
                    if event["type"] == "ADDED":
                        self._take(event["object"])
        raise RuntimeError("the watch has ended")

    async def _list(self) -> str:
        more = ""
        while True:
            async with self._kube.get(f"{PATH}?limit=500&{SELECTOR}{more}") as answer:
                answer.raise_for_status()
                page = orjson.loads(await answer.read())
            for one in page["items"]:
                self._take(one)
            token = page["metadata"].get("continue")
            if not token:
                return str(page["metadata"]["resourceVersion"])
            more = f"&continue={token}"

    def _take(self, one: dict[str, Any]) -> None:
        uid = one["metadata"]["uid"]
        if uid not in self._seen and not one.get("status"):
            self._seen.add(uid)
            self._queue.put_nowait(one)

    async def _work(self) -> None:
        while True:
            await self._answer(await self._queue.get())

    async def _answer(self, one: dict[str, Any]) -> None:
        meta, csr = one["metadata"], base64.b64decode(one["spec"]["request"])
        body = {"csr": csr.decode(), "ttl": one["spec"].get("duration") or "2160h"}
        async with self._vault.post(f"/v1/{self._options.sign_path}", data=orjson.dumps(body)) as answer:
            answer.raise_for_status()
            signed = orjson.loads(await answer.read())["data"]
        if _key(x509.load_pem_x509_csr(csr)) != _key(
            x509.load_pem_x509_certificate(signed["certificate"].encode())
        ):
            raise RuntimeError(f"{meta['name']}: the certificate has another key than the CSR")
        chain = signed.get("ca_chain") or [signed["issuing_ca"]]
        bundle = "\n".join([signed["certificate"], *chain[:-1]]) + "\n"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {
            "certificate": base64.b64encode(bundle.encode()).decode(),
            "ca": base64.b64encode(chain[-1].encode()).decode(),
            "conditions": [
                _condition("Approved", "vault-issuer.io", "approved", now),
                _condition("Ready", "Issued", "issued", now),
            ],
        }
        # Without the list of who set which field, the server keeps the one it has.
        meta.pop("managedFields", None)
        path = f"/apis/cert-manager.io/v1/namespaces/{meta['namespace']}/certificaterequests/{meta['name']}"
        written = orjson.dumps({**one, "status": status})
        async with self._kube.put(f"{path}/status", data=written) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"{meta['name']}: {answer.status} {await answer.text()}")
            await answer.read()


def _session(base: str, ca: str, headers: dict[str, str]) -> aiohttp.ClientSession:
    tls = ssl.create_default_context(cafile=ca)
    connector = aiohttp.TCPConnector(ssl=tls, limit=64)
    return aiohttp.ClientSession(
        base,
        connector=connector,
        headers={**headers, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=1 << 18,
    )


def _key(found: x509.CertificateSigningRequest | x509.Certificate) -> bytes:
    return found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _condition(kind: str, reason: str, message: str, now: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


def main() -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description="The bare loop, the ceiling of the benchmarks.")
    for name in ("server", "ca", "token-file", "vault", "vault-ca", "vault-token-file", "sign-path"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--at-once", type=int, default=16)
    asyncio.run(Loop(parser.parse_args()).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
