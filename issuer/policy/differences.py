"""Deliberate differences of these decisions from approver-policy's, as data.

Nearly every one denies, or refuses as a policy, what the peer approves or leaves without an answer. Three may
approve what the peer denies, where it reads one text differently: `uri-as-written`, `function-edges` and
`nanoseconds`. `test` is the test that shows it, as `file::function` under tests/unit/policy. The differential
test against the real approver-policy leaves out exactly these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """A deliberate difference: its name, why it is there, and the test that shows it."""

    name: str
    reason: str
    test: str


_ATTACKS: Final = "test_attacks.py::test_an_attack_is_denied_and_its_benign_twin_approved"

DIFFERENCES: Final = (
    Difference(
        "csr-asks-for-ca",
        "A CSR with basicConstraints CA:TRUE and no spec.isCA is approved there; a CA that copies extensions "
        "would sign a CA.",
        _ATTACKS,
    ),
    Difference(
        "csr-usages-beyond-spec",
        "Key usages and extended key usages in the CSR are not looked at there; a CA that signs verbatim "
        "copies them, over what the request's spec says.",
        _ATTACKS,
    ),
    Difference(
        "csr-other-extensions",
        "Any other extension in the CSR is approved there and copied by sign-verbatim: certificate policies, "
        "name constraints, OCSP no-check, another key's identifier. No field of a policy can allow one; in a "
        "leaf, name constraints say nothing, and for a CA this version issues none.",
        _ATTACKS,
    ),
    Difference(
        "hidden-names",
        "Alternative names whose tag says constructed or another class, and bytes behind an otherName's "
        "value, are skipped by one of the peer's two parsers; here they are names that can't be read.",
        _ATTACKS,
    ),
    Difference(
        "undecodable-is-denied",
        "A CSR that Go can't parse (a non-ASCII DNS name, an address of five octets, characters outside "
        "their string type) is an error there and stays without an answer; here it is denied.",
        "test_attacks.py::test_what_cannot_be_decoded_is_denied",
    ),
    Difference(
        "repeated-extensions",
        "An extension that appears twice, or two requests for extensions, make the CSR unreadable here; "
        "there the second request for extensions counts as well, or the review errs.",
        "test_attacks.py::test_extensions_asked_for_twice_make_the_request_unreadable",
    ),
    Difference(
        "control-characters",
        "NUL and other control characters in names are matched by wildcards there; software that stops at "
        "NUL reads another name.",
        _ATTACKS,
    ),
    Difference(
        "teletex-and-bmp-strings",
        "TeletexString and BMPString are read as Latin-1 and UCS-2 there; other readers decode them "
        "differently, so what was allowed is not what they see. RFC 5280 forbids them in new certificates.",
        _ATTACKS,
    ),
    Difference(
        "other-spellings",
        "Rules are asked about a name as it is written and in its canonical spelling (lower case, no "
        "trailing dot), and both must pass: `!self.startsWith('admin.')` must hold for ADMIN. too.",
        _ATTACKS,
    ),
    Difference(
        "uri-as-written",
        "A URI is judged as its bytes say; the peer judges what Go writes after parsing it (scheme in lower "
        "case, an empty fragment dropped, escapes changed).",
        "test_evaluation.py::test_a_uri_is_judged_as_it_is_written",
    ),
    Difference(
        "uri-by-rfc3986",
        "A URI that RFC 3986 doesn't allow (relative, spaces, quotes, a host with empty labels) is denied; "
        "Go parses some of these and refuses others.",
        _ATTACKS,
    ),
    Difference(
        "uri-hosts",
        "A URI's host must be one for everybody: a host name or an address in its usual spelling, never "
        "empty for http, https, ws, wss, ftp and spiffe, since browsers read https:///a as https://a.",
        _ATTACKS,
    ),
    Difference(
        "uri-dot-segments",
        "A URI with . or .. as a segment of its path is denied, also percent-encoded, over and over, or "
        "behind a backslash, and so are encoded control characters: what normalizes it sees another path.",
        _ATTACKS,
    ),
    Difference(
        "uri-patterns",
        "A star in the host of a URI pattern stands for a part of the host: https://*.lab.test/* allows no "
        "https://bank.test/.lab.test/x, as it does there. A last star that nothing follows is any text.",
        _ATTACKS,
    ),
    Difference(
        "host-names",
        "A DNS name is a host name: labels of 1 to 63 letters, digits and hyphens, 253 characters in all, no "
        "IP address, and `*` alone in front of two labels or more. There a wildcard matches any text, and "
        "bank.com,x.lab.test is two names to whoever splits lists.",
        _ATTACKS,
    ),
    Difference(
        "underscores",
        "A host name with an underscore needs a pattern that has one, such as `_acme-challenge.*`: service "
        "records have them, hosts don't.",
        _ATTACKS,
    ),
    Difference(
        "mail-addresses",
        "An e-mail address has one @, none in quotes, and a host name behind it; mailboxes in quotes hold "
        "spaces and dots at most. Readers disagree where root@bank.com@lab.test ends.",
        _ATTACKS,
    ),
    Difference(
        "account-names",
        "A user principal name, an e-mail address beyond ASCII or a Jabber ID (otherNames) with two @ is "
        "denied, and so is a Jabber ID with a / or a service's name (SRVName) that is none.",
        _ATTACKS,
    ),
    Difference(
        "common-names-as-names",
        "A common name that reads as a host, a URI or an e-mail address must be a proper one, and so must "
        "what a pattern for hosts or addresses (`*.lab.test`, `*@lab.test`) matches. Text stays text: Lab "
        "Shop CA, system:node:web-1.",
        _ATTACKS,
    ),
    Difference(
        "invisible-characters",
        "Characters that nobody sees (Unicode's categories Cf, Zl and Zp, and blank letters) are denied in "
        "every name and attribute; there a wildcard matches them.",
        _ATTACKS,
    ),
    Difference(
        "empty-names",
        "An empty list of alternative names, and an empty DNS name, e-mail address or URI, break RFC 5280 "
        "and are denied; the peer approves the first, and the others where a wildcard matches them.",
        _ATTACKS,
    ),
    Difference(
        "other-keys",
        "Under a privateKey constraint a key that is not RSA, ECDSA on a NIST curve or Ed25519 is denied; "
        "the peer errs and gives no answer.",
        "test_evaluation.py::test_a_key_of_another_kind_satisfies_no_constraint",
    ),
    Difference(
        "weak-keys",
        "Where the CA holds keys against no role (verbatim signing, CA certificates), weak ones are denied "
        "unless a privateKey.minSize allows the size; there a key needs only what a constraint says.",
        "test_weak_keys.py::test_weak_keys_are_denied_where_policy_is_the_only_guard",
    ),
    Difference(
        "expensive-rules",
        "A rule that could take longer than 20 ms for 256 bytes is refused as it is read, and one that "
        "could for the value at hand denies; the peer stops such a rule while it runs, and denies.",
        "cel/test_expressions.py::test_a_rule_that_could_take_long_is_refused_as_it_is_read",
    ),
    Difference(
        "long-values",
        "Rules are asked about values of at most 2,048 bytes, and what one policy asks of a request may take "
        "half a second; beyond that the request is denied.",
        "cel/test_expressions.py::test_what_is_longer_than_rules_may_see_denies",
    ),
    Difference(
        "patterns-from-requesters",
        "matches() takes patterns made of literals, cr.name and cr.namespace alone: a pattern out of the "
        "value itself or the requester's groups could be made to match anything.",
        "cel/test_expressions.py::test_a_pattern_that_the_requester_chooses_is_refused",
    ),
    Difference(
        "objects-in-rules",
        "cr is not a value of its own (`has(cr.name)` and passing cr on don't compile), and a service "
        "account is a map of name and namespace. cr.name, getName() and their like work the same.",
        "cel/test_expressions.py::test_cr_is_no_value_of_its_own",
    ),
    Difference(
        "rule-engine",
        "Google's C++ engine instead of cel-go: it takes 32 levels of nesting, 10,000 turns of all loops, "
        "and rules of at most 4,096 bytes here.",
        "cel/test_expressions.py::test_a_rule_beyond_the_engine_is_refused",
    ),
    Difference(
        "function-edges",
        "Four functions differ at their edges: substring() to the very end and indexOf() from beyond it "
        "fail, ''.split('') is [''] and not empty, and int() takes spaces around the digits.",
        "cel/test_expressions.py::test_functions_have_the_edges_of_this_engine",
    ),
    Difference(
        "nanoseconds",
        "A request's duration counts whole microseconds, and what is beyond them is dropped; the peer counts "
        "nanoseconds. Certificates count seconds.",
        "test_evaluation.py::test_a_duration_counts_whole_microseconds",
    ),
    Difference(
        "plugins",
        "Plugins of approver-policy don't run here, so a policy that names one is never used; there it is "
        "refused unless the plugin is built in.",
        "test_compiled.py::test_plugins_make_a_policy_invalid",
    ),
)
"""Every deliberate difference."""
