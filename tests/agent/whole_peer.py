"""consul-template in the agent's place, its figures printed: `make test-agent-soak`. They are not judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from issuer.endpoint.address import parse_endpoint
from testbed.builds import CONSUL_TEMPLATE, build
from testbed.web_servers import find_web_server
from tests.agent.handshakes import Handshaking, PairReading
from tests.agent.servers import nginx
from tests.agent.soak import HANG, NAME
from tests.agent.support import Machine

_TEMPLATE = """
{{{{ with secret "{path}" "common_name={name}" "ttl=20s" }}}}{{{{ .Data.{field} }}}}
{{{{ end }}}}
"""
RENEWALS = 10


def test_consul_template_beside_it(machine: Machine) -> None:
    program = build(CONSUL_TEMPLATE) / CONSUL_TEMPLATE.program
    folder = machine.folder / "peer"
    folder.mkdir()
    server_folder = machine.folder / "server"
    reload = [
        str(find_web_server("nginx").program),
        *("-c", str(server_folder / "nginx.conf"), "-e", str(server_folder / "nginx.log"), "-s", "reload"),
    ]
    machine.once()  # for the root
    role = {"allowed_domains": ["example.com"], "allow_subdomains": True, "key_type": "ec", "key_bits": 256}
    machine.bao.write(f"{machine.name}/roles/peer", role)
    once, ever = configuration(machine, folder, []), configuration(machine, folder, reload)
    environment = {**os.environ, **find_web_server("nginx").environment, "HOME": str(machine.folder)}
    subprocess.run([program, "-once", "-config", once], check=True, env=environment, timeout=HANG)
    with nginx(server_folder, folder / "tls.crt", key=folder / "tls.key") as server:
        with (machine.folder / "peer.log").open("wb") as log:
            process = subprocess.Popen([program, "-config", ever], env=environment, stdout=log, stderr=log)
        try:
            (folder / "combined.pem").symlink_to("tls.crt")  # it has none; not judged
            root = machine.folder / "web" / "ca.crt"
            with (
                PairReading([folder]) as reading,
                Handshaking({"nginx": parse_endpoint(server.address)}, root, NAME) as shaking,
            ):
                began = time.monotonic()
                tally = shaking.tallies["nginx"]
                while len(tally.serials) <= RENEWALS and time.monotonic() - began < HANG:
                    time.sleep(0.1)
                    assert process.poll() is None, (machine.folder / "peer.log").read_text()[-2000:]
        finally:
            process.send_signal(signal.SIGINT)  # at SIGTERM it goes on
            process.wait(HANG)
    print(
        f"consul-template: {tally.handshakes} handshakes, {len(tally.serials)} certificates seen, failed: "
        f"{dict(tally.failures) or 0}; two files read: {reading.straddled} of {reading.pairs} pairs don't "
        "fit "
        f"({reading.straddled / max(reading.pairs, 1):.5%})"
    )


def configuration(machine: Machine, folder: Path, command: list[str]) -> Path:
    """Write its configuration: key and certificate of one answer, in two files."""
    templates = [
        {
            "contents": _TEMPLATE.format(path=f"{machine.name}/issue/peer", name=NAME, field=field),
            "destination": str(folder / name),
            "perms": "0600",
            **({"exec": [{"command": command}]} if command else {}),
        }
        for field, name in (("private_key", "tls.key"), ("certificate", "tls.crt"))
    ]
    vault = {
        "address": machine.bao.addr,
        "token": machine.bao.token,
        "renew_token": False,
        # Answers of `issue` have no lease: it asks again by this, whatever the certificate's end.
        "default_lease_duration": "4s",
        "ssl": {"ca_cert": str(machine.bao.ca_file)},
    }
    path = folder / f"{len(command)}.json"
    path.write_text(json.dumps({"vault": [vault], "template": templates}))
    return path
