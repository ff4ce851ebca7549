"""Uses of certificates in a cluster: what its requests hold, which is the newest, what is withheld."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from issuer.inspection.reading import Reader
from issuer.inventory.certificate import KnownIssuer, KnownIssuers, known
from issuer.inventory.cluster import read_cluster
from issuer.inventory.gaps import Gap, GapKind
from issuer.inventory.uses import UsesFound
from tests.builders import csr_pem
from tests.ca import TestCA
from tests.unit.inspection.scene import encoded
from tests.unit.kube.fake_api import Reply, client_of, listing, refuse, running

CERT_MANAGER = "/apis/cert-manager.io/v1"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NAME = "cert-manager.io/certificate-name"
REVISION = "cert-manager.io/certificate-revision"


def request(name: str, pem: str, **annotations: str) -> dict[str, Any]:
    """A CertificateRequest of team-a with its certificate."""
    meta = {"name": name, "namespace": "team-a", "annotations": annotations}
    return {"metadata": meta, "status": {"certificate": encoded(pem)}}


def of_web(name: str, pem: str, revision: int) -> dict[str, Any]:
    """A request of the Certificate web."""
    return request(name, pem, **{NAME: "web", REVISION: str(revision)})


async def read(
    uses: UsesFound, requests: Reply, certificates: Reply, secrets: Reply | None = None
) -> list[Gap]:
    """Read a cluster that answers so."""
    async with running() as api, client_of(api) as client:
        api.on("GET", f"{CERT_MANAGER}/certificates", certificates)
        api.on("GET", f"{CERT_MANAGER}/certificaterequests", requests)
        api.on("GET", CSRS, listing("1"))
        if secrets is not None:
            api.on("GET", "/api/v1/secrets", secrets)
        return await read_cluster(Reader(client), uses, secrets=secrets is not None)


def used(uses: UsesFound) -> dict[str, list[str]]:
    """What uses each certificate that isn't stored, by its first name."""
    return {row.label: [str(one) for one in uses.of(row)] for row in uses.beyond(())}


def signed(ca: TestCA, name: str) -> str:
    """A certificate for a name."""
    return ca.sign(csr_pem(name).decode()).leaf_pem


def uses_of(ca: TestCA) -> UsesFound:
    """Uses of certificates of one CA, in the mount pki."""
    return UsesFound(KnownIssuers([KnownIssuer.of("pki", "int", ca.intermediate)]))


WEB = {"metadata": {"name": "web", "namespace": "team-a"}, "status": {"revision": 2}}


async def test_only_the_newest_request_of_a_certificate_is_a_use_of_it() -> None:
    ca = TestCA.make()
    uses = uses_of(ca)
    old, now, own, renewing = (signed(ca, f"{one}.test") for one in ("old", "now", "own", "next"))
    requests = [
        of_web("web-1", old, 1),
        of_web("web-2", now, 2),
        of_web("web-3", renewing, 3),
        request("x", own),
    ]
    await read(uses, listing("1", *requests), listing("1", WEB))
    assert used(uses) == {
        "old.test": ["certificate/team-a/web (replaced)"],
        "now.test": ["certificate/team-a/web"],
        "next.test": ["certificate/team-a/web"],
        "own.test": ["request/team-a/x"],
    }


async def test_a_revision_that_is_no_number_keeps_nobody_from_the_rest() -> None:
    """Whoever may create a CertificateRequest writes its annotations."""
    ca = TestCA.make()
    uses = uses_of(ca)
    odd = request("o", signed(ca, "odd.test"), **{NAME: "web", REVISION: "9" * 5000})
    await read(uses, listing("1", odd, of_web("web-1", signed(ca, "now.test"), 2)), listing("1", WEB))
    assert set(used(uses)) == {"odd.test", "now.test"}


async def test_certificates_of_other_cas_and_unreadable_ones_are_counted() -> None:
    uses = uses_of(TestCA.make())
    other = signed(TestCA.make(), "other.test")
    gaps = await read(uses, listing("1", request("o", other), request("bad", "no PEM")), listing("1"))
    assert (used(uses), uses.others) == ({}, 1)
    assert "1 certificate in the cluster can't be read" in [one.text for one in gaps]


async def test_what_is_withheld_is_told_with_the_right_it_takes() -> None:
    ca = TestCA.make()
    uses = uses_of(ca)
    secret = {
        "metadata": {"name": "tls", "namespace": "team-a"},
        "data": {"tls.crt": encoded(signed(ca, "s.test"))},
    }
    forbidden = refuse(403, "Forbidden")
    gaps = await read(uses, forbidden, forbidden, listing("1", secret))
    texts = " ".join(one.text for one in gaps if one.kind is GapKind.CLUSTER)
    assert "list of certificaterequests.cert-manager.io" in texts
    assert used(uses) == {"s.test": ["secret/team-a/tls"]}
    assert GapKind.SECRETS not in {one.kind for one in gaps}


def test_a_short_certificate_expires_in_the_last_third_of_its_life() -> None:
    ca = TestCA.make()
    row = known(ca.intermediate, KnownIssuers(()))
    life = row.ends - row.begins
    assert row.state(row.ends).value == "expired"
    assert row.state(row.ends - life / 2).value == "valid"
    assert row.state(datetime.fromtimestamp(row.ends.timestamp() - 60, UTC)).value == "expiring"
