"""Where we judge a chain otherwise than Go, OpenSSL or cryptography's verifier, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tests.readers.chain_changes import Case


class Difference(NamedTuple):
    """Changes for which these judges say the contrary of what we say. `taken`: we deliver such a chain."""

    changes: tuple[str, ...]
    taken: bool
    judges: tuple[str, ...]
    why: str


SEED: Final = 21
PAIRS: Final = 300
"""Cases with two or three changes, beside those with one."""

DIFFERENCES: Final = (
    Difference(
        ("the leaf is for clients alone",),
        True,
        ("Go", "OpenSSL", "cryptography"),
        "they are asked for a server; we compare with the request, and report a usage that is "
        "missing (`verification: Strict` refuses it)",
    ),
    Difference(
        ("a self-issued CA that path lengths don't count",),
        True,
        ("Go", "cryptography"),
        "RFC 5280 doesn't count it; they count every CA. Such a CA comes of a new key under the old one, "
        "which Vault doesn't do",
    ),
    Difference(
        ("a policy is required below, and none is there",),
        True,
        ("Go", "cryptography"),
        "we don't process certificate policies; cryptography refuses the extension in any CA, OpenSSL looks "
        "at it only if it is asked to",
    ),
    Difference(
        ("permitted directory CN=leaf", "permitted directory CN=LEAF", "excluded directory CN=other"),
        True,
        ("Go", "cryptography"),
        "they know no constraints of directory names, and refuse every chain that has some; we and OpenSSL "
        "compare",
    ),
    Difference(
        ("excluded mail lab.test, of ann@a.lab.test",),
        True,
        ("Go",),
        "to RFC 5280 a host is that host alone; to Go it is a domain with all below it",
    ),
    Difference(
        ("permitted mail lab.test, of ann@a.lab.test",),
        False,
        ("Go",),
        "to RFC 5280 a host is that host alone; to Go it is a domain with all below it",
    ),
    Difference(
        ("the leaf is a CA", "the leaf is for any use"),
        False,
        ("Go",),
        "neither was asked for; Go doesn't know what was",
    ),
    Difference(
        ("name constraints in the leaf",),
        False,
        ("Go", "OpenSSL"),
        "RFC 5280 has them in CAs alone, and some clients refuse such a leaf",
    ),
    Difference(
        ("excluded DNS a.lab.test, of *.lab.test",),
        False,
        ("OpenSSL",),
        "OpenSSL compares the wildcard as it stands; it is good for the excluded host",
    ),
    Difference(
        ("its issuer's name in another string type", "its issuer's name in capitals"),
        False,
        ("OpenSSL",),
        "OpenSSL compares names as people read them; Go and we by their bytes",
    ),
    Difference(
        ("without basicConstraints",),
        False,
        ("OpenSSL",),
        "OpenSSL takes a root without them for a CA if its key usage says so",
    ),
    Difference(
        ("a CA below the root is trusted alone",),
        True,
        ("OpenSSL",),
        "`openssl verify` wants a root unless it has `-partial_chain`; `spec.trustedCA` may name any CA",
    ),
    Difference(
        ("a CA for any use",),
        True,
        ("OpenSSL",),
        "OpenSSL wants the use itself among those of a CA; anyExtendedKeyUsage stands for all to the others",
    ),
    Difference(
        ("names another key as its signer's",),
        True,
        ("OpenSSL",),
        "to RFC 5280 the key's identifier helps to find the signer; OpenSSL takes no other",
    ),
    Difference(
        (
            "cross-signed: one by a root nobody trusts is sent first",
            "cross-signed: one for other names is sent first",
            "cross-signed: one that is no CA is sent first",
        ),
        True,
        ("OpenSSL",),
        "OpenSSL 3.0 tries one way up; we deliver the one that holds alone, so it is not asked this",
    ),
    Difference(
        (
            "a CA without a name",
            "basicConstraints not critical",
            "without key identifiers",
            "without keyUsage",
        ),
        True,
        ("cryptography",),
        "it asks for what the CA/Browser Forum asks of public CAs",
    ),
    Difference(
        (
            "permitted URI lab.test, of spiffe://lab.test/web",
            "permitted URI .lab.test, of https://a.lab.test/",
            "excluded URI other.test, of spiffe://lab.test/web",
        ),
        True,
        ("cryptography",),
        "it knows no constraints of URIs, and refuses every chain that has some and a URI",
    ),
    Difference(
        ("permitted DNS .lab.test", "permitted every DNS name"),
        True,
        ("cryptography",),
        "it takes no DNS constraint with a dot before it, and none that is empty (RFC 5280 has no "
        "dot, many CAs do)",
    ),
)


def unexplained(case: Case, said: str, judge: str, theirs: str) -> bool:
    """Return True if a judge differs from what we say, and none of the case's changes is named for that."""
    if (not said) is (not theirs):
        return False
    return not any(
        judge in one.judges and one.taken is (not said) and set(one.changes) & set(case.changes)
        for one in DIFFERENCES
    )


def occurring(
    cases: Sequence[Case], said: Sequence[str], judged: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, bool, str]]:
    """The change, whether we take it, and the judge, of each case of one change where a judge differs."""
    for judge, all_theirs in judged.items():
        for case, ours, theirs in zip(cases, said, all_theirs, strict=True):
            if len(case.changes) == 1 and (not ours) is not (not theirs):
                yield case.changes[0], not ours, judge


def rows() -> list[str]:
    """The table of docs/chain-verification.md."""
    return [
        "| {} | {} | {} | {} |".format(
            "; ".join(one.changes), "take" if one.taken else "refuse", ", ".join(one.judges), one.why
        )
        for one in DIFFERENCES
    ]
