"""Takes the pictures of the status page in docs/img from a real run: `make screenshots`.

A cluster with something of everything (`testbed.scene`), requests coming in for a minute, canaries that run,
and a headless Chromium that looks at the page: in the light, in the dark, and on a telephone.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from testbed.chromium import chromium, find_chromium
from testbed.cluster import REPOSITORY, Options, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.kube import load
from testbed.labca import setup_pki
from testbed.processes import free_port
from testbed.samples import API_VERSION
from testbed.scene import certificates, edge_certificates, prepare
from testbed.vaultpki import DOMAIN, setup_kubernetes_auth
from tests.builders import csr_pem
from tests.integration.support.common import request

IMAGES = REPOSITORY / "docs" / "img"
LARGEST = 250_000
"""Bytes of one picture."""

CERTIFICATES = 64
SECONDS = 75
"""How long requests come in before the pictures are taken."""

_SHOTS: dict[str, dict[str, Any]] = {
    "light": {"size": (1080, 1600), "scheme": "light"},
    "dark": {"size": (1080, 1600), "scheme": "dark"},
    "narrow": {"size": (390, 1500), "scheme": "light"},
}


def main() -> int:
    """Exit code 1 when there is no Chromium or a picture is too large."""
    program = find_chromium()
    if program is None:
        print("there is no Chromium: tools/browser-packages.sh installs Debian's, as root", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="vault-issuer-shots-") as folder,
        Testbed(Options(approver=False)) as bed,
    ):
        port = _furnish(bed)
        sizes = asyncio.run(_shoot(program, Path(folder), f"http://127.0.0.1:{port}"))
    for name, size in sizes.items():
        print(f"{name}: {size:,} bytes")
    return 1 if max(sizes.values()) > LARGEST else 0


def _furnish(bed: Testbed) -> int:
    """The scene, with a minute of work behind it; the page's port."""
    bed.install_crds()
    setup_kubernetes_auth(bed)
    prepare(bed, setup_pki(bed.vault))
    grant_issuer_access(bed, "edge", secrets=["edge-token"])
    bed.kube.apply(load(REPOSITORY / "config" / "canary" / "rights" / "rbac.yaml"))
    port = free_port()
    arguments = [
        "--issuer-check-period=5",
        f"--status-address=127.0.0.1:{port}",
        *("--canary=VaultClusterIssuer/vault", f"--canary-dns-name=canary.{DOMAIN}"),
        *("--canary-period=3", "--canary-timeout=2", "--canary-duration=1h"),
    ]
    controller = ControllerProcess(bed, arguments, leader_elect=True)
    controller.start()
    bed.kube.wait(API_VERSION, "VaultClusterIssuer", "vault")
    bed.kube.apply([*certificates(CERTIFICATES), *edge_certificates()])
    _ask(bed)
    return port


def _ask(bed: Testbed) -> None:
    """Requests for a minute, more and less of them; some that are denied, and some that wait."""
    key_pem = csr_pem(f"job.{DOMAIN}")
    for number in range(14):
        request(bed, f"legacy-{number:02}", "payments", "legacy", csr=key_pem)
    for number, name in enumerate(("www.example.com", "admin.internal", "*.example.net")):
        request(bed, f"outside-{number}", "shop", "vault", csr=csr_pem(name))
    began, count = time.monotonic(), 0
    with ThreadPoolExecutor(8) as pool:
        while (passed := time.monotonic() - began) < SECONDS:
            wanted = round(5 + 3 * math.sin(passed / 6) + math.sin(passed / 2))
            for _ in range(wanted):
                count += 1
                pool.submit(request, bed, f"job-{count:04}", "observability", "vault", csr=key_pem)
                time.sleep(1 / wanted)


async def _shoot(program: str, folder: Path, url: str) -> dict[str, int]:
    sizes = {}
    async with chromium(program, folder) as browser:
        for name, shot in _SHOTS.items():
            page = await browser.page()
            await page.size(*shot["size"])
            await page.prefers(prefers_color_scheme=shot["scheme"])
            await page.open(url)
            await page.until("document.querySelector('#live').textContent.startsWith('Live')")
            await asyncio.sleep(2)
            picture = await page.picture()
            if page.complaints:
                raise SystemExit(f"the page complains: {page.complaints}")
            path = IMAGES / f"status-{name}.png"
            await asyncio.to_thread(path.write_bytes, picture)
            sizes[path.name] = len(picture)
    return sizes


if __name__ == "__main__":
    sys.exit(main())
