"""Judges what an endpoint serves, or why nothing is seen, as the endpoint's clients would. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from issuer.endpoint.address import EndpointAddress
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.endpoint.served import Served
from issuer.terminal.ages import span_text
from issuer.text import first_of, rfc3339
from issuer.verifying.findings import EndpointCode, EndpointFinding
from issuer.verifying.names import covers, names_of
from issuer.verifying.trust import EndpointTrust
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.chains.links import is_root, signed_by
from issuer.x509.describe import fingerprint, issuer_text, serial_hex, subject_text
from issuer.x509.keys.public import read_key

SOON: Final = timedelta(days=30)
"""Time before its end from which a certificate is told to end soon, where nobody says another; a third of its
life if that is less, as renewal comes there."""
_LIFE: Final = 3
_SHOWN: Final = 200
_NAMED: Final = 8
"""Names that a message lists."""
_NO_CA: Final = frozenset({2, 7, 18, 19, 20, 21})
"""X509_V_ERR_: UNABLE_TO_GET_ISSUER_CERT, CERT_SIGNATURE_FAILURE (by a namesake's key),
DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
UNABLE_TO_VERIFY_LEAF_SIGNATURE."""
_TIMES: Final = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""
_LISTENS: Final = "see whether it runs and listens there, and whether a firewall is between"
_CURES: Final[Mapping[DialCode, str]] = {
    DialCode.UNRESOLVED: "correct the name, or look at DNS",
    DialCode.UNREACHABLE: _LISTENS,
    DialCode.TIMEOUT: _LISTENS,
    DialCode.STARTTLS: "see whether this is the port of that protocol, and whether TLS is on in the server",
    DialCode.NOT_TLS: (
        "see whether TLS is spoken there (--starttls for mail, LDAP and databases), whether the "
        "server knows the name (--server-name), and its log"
    ),
    DialCode.UNREADABLE: "look at the file that the server reads",
}
_OLD_TLS: Final = "the server speaks TLS 1.1 or older alone: turn TLS 1.2 or 1.3 on in it"
_NO_CIPHER: Final = (
    "see whether the server knows the name (--server-name), and whether its ciphers go with its key: with an "
    "EC key it can use none of RSA's"
)
_HANDSHAKE_CURES: Final[Mapping[str, str]] = {
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NO_CIPHER,
    "DH_KEY_TOO_SMALL": "give the server Diffie-Hellman parameters of 2048 bits, or ciphers with ECDHE",
}
"""By OpenSSL's reason, where the general cure of DialCode.NOT_TLS would mislead."""
_NOT_CA: Final = "a certificate signed another without being a CA's: see which file the server sends"
_NOT_PERMITTED: Final = "a CA above it may not sign for that name (nameConstraints): take another CA, or name"
_REFUSED_CURES: Final[Mapping[int, str]] = {
    24: _NOT_CA,
    25: "a CA above it may have fewer CAs below it (pathLenConstraint): make it anew, or sign by a higher CA",
    26: (
        "it, or a CA above it, isn't for servers: give the role server_flag, or the Certificate the usage "
        "`server auth`, and ask for another"
    ),
    34: "a critical extension isn't known to clients: have it issued again without, or not critical",
    47: _NOT_PERMITTED,
    48: _NOT_PERMITTED,
    66: "make a longer key, RSA of 2048 bits or more or EC, and ask for another certificate",
    67: "a CA's key is too short, RSA of 2048 bits or more or EC: replace that CA",
    68: "a certificate is signed by SHA-1 or MD5: have it signed again by SHA-256",
    79: _NOT_CA,
}
"""By OpenSSL's number for why a chain is refused: INVALID_CA of 1.1, PATH_LENGTH_EXCEEDED, INVALID_PURPOSE,
UNHANDLED_CRITICAL_EXTENSION, PERMITTED_VIOLATION, EXCLUDED_VIOLATION, EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL,
CA_MD_TOO_WEAK, INVALID_CA of 3 (x509_vfy.h)."""
_SAID: Final[Mapping[DialCode, str]] = {
    DialCode.UNRESOLVED: "the name doesn't resolve",
    DialCode.UNREACHABLE: "it can't be connected to",
    DialCode.TIMEOUT: "it doesn't answer",
    DialCode.STARTTLS: "it doesn't begin TLS",
    DialCode.NOT_TLS: "the handshake isn't finished",
    DialCode.UNREADABLE: "its certificate can't be read",
}


@dataclass(frozen=True, slots=True)
class ExpectedCertificate:
    """The certificate that should be served, and where it is from."""

    where: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """Rules that must hold at an endpoint.

    Attributes:
        server_name: the name that clients ask for, the host if it is empty.
        trust: the CAs that they trust.
        expected: the certificate that must be served, None for any.
        within: it must not end within this time; None tells what ends soon, and is no problem.
    """

    server_name: str = ""
    trust: EndpointTrust = field(default_factory=EndpointTrust)
    expected: ExpectedCertificate | None = None
    within: timedelta | None = None

    def name(self, endpoint: EndpointAddress) -> str:
        """Return the name that clients ask an endpoint for."""
        return self.server_name or endpoint.host


def failure_finding(failed: DialFailed, *, is_problem: bool = True) -> EndpointFinding:
    """Return the finding for an address at which no certificate is seen."""
    text = f"{_SAID[failed.code]} ({_words(failed)})"
    cure = _HANDSHAKE_CURES.get(failed.detail, _CURES[failed.code])
    return EndpointFinding(EndpointCode(failed.code.value), text, cure, is_problem)


def _words(failed: DialFailed) -> str:
    """Return the detail; OpenSSL's constants as words."""
    return failed.detail.replace("_", " ").lower() if failed.code is DialCode.NOT_TLS else failed.detail


def judged(
    served: Served, failed: DialFailed | None, name: str, rules: EndpointRules, now: datetime
) -> Iterator[EndpointFinding]:
    """Yield what is wrong with what is served; `failed` is why it doesn't verify, if it doesn't."""
    yield from _name(served.leaf, name)
    times = list(_times(served, rules, now))
    yield from times
    if failed is None:
        yield from _unsent(served)
    elif failed.verify_code in _NO_CA:
        yield _no_ca(served.chain, rules.trust)
    elif failed.verify_code not in _TIMES or not any(one.code in _ENDED for one in times):
        cure = _REFUSED_CURES.get(failed.verify_code, _LOOK_ABOVE)
        yield EndpointFinding(EndpointCode.NOT_VERIFIED, f"it doesn't verify: {failed.detail}", cure)
    yield from _expected(served.leaf, rules.expected)
    yield from _sent(served)
    yield from _key(served.leaf)


def _name(leaf: Certificate, name: str) -> Iterator[EndpointFinding]:
    if covers(leaf, name):
        return
    names = names_of(leaf)
    told = f"for {first_of(names, _NAMED)}" if names else "for no DNS name or address"
    yield EndpointFinding(
        EndpointCode.NAME_MISSING,
        f"it is not for {name}: it is {told}",
        "ask for a certificate with that name, see whether the server knows it (SNI), or give the name that "
        "clients use by --server-name",
    )


def _times(served: Served, rules: EndpointRules, now: datetime) -> Iterator[EndpointFinding]:
    within = rules.within
    way = served.verified or linked((*served.chain, *(rules.trust.roots or ())))
    for number, one in enumerate(way):
        begin, end = one.not_valid_before_utc, one.not_valid_after_utc
        what = f"the CA {subject_text(one)[:_SHOWN]}" if number else "it"
        renew = "replace that CA, and have the server send its successor" if number else _RELOAD
        if end <= now:
            text = f"{what} ended at {rfc3339(end)}, {span_text(now - end)} ago"
            yield EndpointFinding(EndpointCode.EXPIRED, text, renew)
        elif begin > now:
            text = f"{what} is valid only from {rfc3339(begin)} on"
            yield EndpointFinding(EndpointCode.NOT_YET_VALID, text, "compare the clocks")
        elif end - now <= (min(SOON, (end - begin) / _LIFE) if within is None else within):
            text = f"{what} ends in {span_text(end - now)}, at {rfc3339(end)}"
            yield EndpointFinding(EndpointCode.EXPIRING, text, renew, within is not None)


_RELOAD: Final = (
    "renew it, and have the server read it again; --secret or --file tells whether it was renewed already"
)


_ENDED: Final = frozenset({EndpointCode.EXPIRED, EndpointCode.NOT_YET_VALID})
_LOOK_ABOVE: Final = "look at the CAs that this machine trusts, too: one of them may have ended"


def not_pinned(pins: frozenset[str]) -> EndpointFinding:
    """Return the finding for a server that sends none of the certificates that are trusted."""
    return EndpointFinding(
        EndpointCode.NOT_PINNED,
        f"no certificate with the SHA-256 {', '.join(sorted(pins))} is sent",
        "servers don't send their root: bring it by --ca-file, --mount or --issuer, beside --sha256",
    )


def linked(chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """Return the way up from the first certificate through those that were sent, in whatever order."""
    way = [chain[0]]
    while not is_root(way[-1]):
        above = next((one for one in chain if one not in way and signed_by(way[-1], one)), None)
        if above is None:
            break
        way.append(above)
    return tuple(way)


def _no_ca(chain: tuple[Certificate, ...], trust: EndpointTrust) -> EndpointFinding:
    """Say at which CA the way up ends that was sent."""
    way = linked(chain)
    top = way[-1]
    if is_root(top) and len(way) == 1:
        return EndpointFinding(
            EndpointCode.SELF_SIGNED,
            f"it is signed by its own key ({subject_text(top)[:_SHOWN]}), and no CA stands behind it",
            "many servers have such a one until theirs is there: see whether the server knows this name, and "
            "whether its Secret or file exists",
        )
    if is_root(top):
        return EndpointFinding(
            EndpointCode.UNKNOWN_CA,
            f"its root {subject_text(top)[:_SHOWN]} (SHA-256 {fingerprint(top)}) isn't among those of "
            f"{trust.where}",
            "if that is your root, say so by --ca-file, --mount or --issuer; else see who answers there",
        )
    unsent = next((one for one in trust.known if signed_by(top, one)), None)
    if unsent is not None:
        return _missing(unsent)
    alone = "only the certificate itself is sent, and " if len(chain) == 1 else ""
    name = issuer_text(top)[:_SHOWN]
    return EndpointFinding(
        EndpointCode.UNKNOWN_CA,
        f"{alone}the CA above it, {name}, is neither sent nor among those of {trust.where}",
        f"{_SEND_ALL}; if it does, give the root by --ca-file, --mount or --issuer",
    )


def _missing(unsent: Certificate) -> EndpointFinding:
    return EndpointFinding(
        EndpointCode.MISSING_CA,
        f"the CA {subject_text(unsent)[:_SHOWN]} isn't sent: clients that have the root alone can't verify",
        _SEND_ALL,
    )


_SEND_ALL: Final = "have the server send the whole chain (a Secret's tls.crt, a file of kind fullchain)"


def _unsent(served: Served) -> Iterator[EndpointFinding]:
    """Yield the CAs below the root that this machine has, and other clients may not."""
    for one in served.verified[1:-1]:
        if one not in served.chain:
            yield _missing(one)


def _expected(leaf: Certificate, expected: ExpectedCertificate | None) -> Iterator[EndpointFinding]:
    if expected is None or fingerprint(leaf) == fingerprint(expected.certificate):
        return
    wanted = expected.certificate
    is_older = leaf.not_valid_before_utc <= wanted.not_valid_before_utc
    cure = (
        "it was renewed, and the server hasn't read it: reload or restart it"
        if is_older
        else f"it is younger than {expected.where}: see whether that is what the server reads"
    )
    yield EndpointFinding(
        EndpointCode.OTHER_CERTIFICATE,
        f"it is not that of {expected.where}: serial {serial_hex(leaf)}, until "
        f"{rfc3339(leaf.not_valid_after_utc)}, is served, and {serial_hex(wanted)}, until "
        f"{rfc3339(wanted.not_valid_after_utc)}, is there",
        cure,
    )


def _sent(served: Served) -> Iterator[EndpointFinding]:
    order = served.order_problem()
    if order:
        text = f"the chain is out of order, which some clients refuse: {order}"
        yield EndpointFinding(EndpointCode.WRONG_ORDER, text, is_problem=False)
    roots = [one for one in served.chain[1:] if is_root(one)]
    if roots:
        text = f"the root {subject_text(roots[0])[:_SHOWN]} is sent, which clients have or don't trust anyway"
        yield EndpointFinding(EndpointCode.ROOT_SENT, text, "leave it out", is_problem=False)


def _key(leaf: Certificate) -> Iterator[EndpointFinding]:
    known = decoded(leaf)
    flaw = "" if known is None else read_key(known.public_key()).flaw
    if flaw:
        cure = "make another key, and ask for another certificate"
        yield EndpointFinding(EndpointCode.WEAK_KEY, f"its key {flaw}", cure)
