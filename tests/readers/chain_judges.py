"""Those who judge a case: we, as the controller does; cryptography's verifier; Go; OpenSSL.

Each says what it objects to, "" for nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from issuer.x509.certificates import decode, decode_leaf
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.chain import Chain, candidate_chains
from issuer.x509.describe import fingerprint
from issuer.x509.errors import ChainError
from issuer.x509.request import read_request
from issuer.x509.usages import EVERY_USAGE
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify
from tests.readers.chain_changes import Case
from tests.readers.chain_plans import HOST, NOW, key

HERE: Final = Path(__file__).resolve().parent
USAGES: Final = frozenset({"server auth"})
"""The usage that is asked for; the others ask as a server's client does."""


def ours(case: Case) -> str:
    """What keeps us from delivering the leaf to those who trust what the case's client trusts."""
    leaf = decode_leaf(case.made.leaf.public_bytes(Encoding.DER))
    pool = [decode(one.public_bytes(Encoding.DER)) for one in (*case.made.sent, *case.made.trusted)]
    anchors = Anchors.from_hex(fingerprint(one) for one in case.made.trusted)
    try:
        chains = candidate_chains(leaf, pool, NOW, anchors)
    except ChainError as error:
        return str(error)
    problems = [_objection(chain, case, anchors) for chain in chains]
    return "" if "" in problems else problems[0]


def _objection(chain: Chain, case: Case, anchors: Anchors) -> str:
    if not anchors.hold(chain.cas):
        return "no CA of it is trusted"
    found = verify(chain, _requested(case.made.leaf), NOW, allowed=EVERY_USAGE)
    return "; ".join(one.message for one in found if one.fatal)


def _requested(leaf: x509.Certificate) -> RequestedCertificate:
    """The request that the leaf would be a faultless answer to."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(leaf.subject)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    builder = builder.add_extension(names.value, names.critical)
    csr = builder.sign(key("leaf"), hashes.SHA256()).public_bytes(Encoding.PEM)
    return RequestedCertificate(read_request(csr), is_ca=False, usages=USAGES, duration=timedelta(days=30))


def cryptographys(case: Case) -> str:
    """What cryptography's verifier for a server's client objects to."""
    verifier = (
        PolicyBuilder()
        .store(Store(list(case.made.trusted)))
        .time(NOW)
        .build_server_verifier(x509.DNSName(HOST))
    )
    try:
        verifier.verify(case.made.leaf, list(case.made.sent))
    except VerificationError as error:
        return str(error)
    return ""


def gos(cases: Sequence[Case], folder: Path) -> list[str]:
    """What crypto/x509 objects to."""
    rows = [
        {"trusted": _pems(one.made.trusted), "sent": _pems(one.made.sent), "leaf": _pem(one.made.leaf)}
        for one in cases
    ]
    file = folder / "cases.json"
    file.write_text(json.dumps({"now": NOW.isoformat(), "host": HOST, "cases": rows}), encoding="utf-8")
    words = ["go", "run", str(HERE / "judge.go"), str(file)]
    found: list[str] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return found


def openssls(cases: Sequence[Case], folder: Path) -> list[str]:
    """What `openssl verify` objects to."""
    return [_openssl(one, folder) for one in cases]


def _openssl(case: Case, folder: Path) -> str:
    for file, some in (("trusted", case.made.trusted), ("sent", case.made.sent), ("leaf", (case.made.leaf,))):
        (folder / f"{file}.pem").write_text("".join(_pems(some)), encoding="ascii")
    words = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-purpose", "sslserver"]
    words += ["-verify_hostname", HOST, "-CAfile", "trusted.pem"]
    words += ["-untrusted", "sent.pem"] if case.made.sent else []
    done = subprocess.run([*words, "leaf.pem"], cwd=folder, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("error")]
    return "" if done.returncode == 0 else said[0] if said else done.stderr


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _pems(certificates: Sequence[x509.Certificate]) -> list[str]:
    return [_pem(one) for one in certificates]


def cryptographys_of(cases: Sequence[Case], folder: Path) -> list[str]:
    """What cryptography's verifier objects to in each case."""
    return [cryptographys(one) for one in cases]


JUDGES: Final[Mapping[str, Callable[[Sequence[Case], Path], list[str]]]] = {
    "Go": gos,
    "OpenSSL": openssls,
    "cryptography": cryptographys_of,
}
"""Each takes cases and an empty folder."""
