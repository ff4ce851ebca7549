"""The protected paths of a PKI mount are all that a real server's own help lists, but for what only reads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from issuer.pki.file.access import Grants
from issuer.pki.resources.pki_paths import PROTECTED, UNPROTECTED
from issuer.pki.resources.policies import generated
from tests.pki.support import Vault

_GROUP = re.compile(r"\(\?P<\w+>(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")


def listed_paths(help_text: str) -> Iterator[str]:
    """Yield the paths of path-help, each name as `x`, each alternative and optional end by itself."""
    for pattern in re.findall(r"^    \^(.*)\$$", help_text, re.MULTILINE):
        plain = _GROUP.sub("x", pattern)
        yield from alternatives(plain)


def alternatives(pattern: str) -> set[str]:
    """Return what a pattern of groups, `|` and `?` matches."""
    found = re.search(r"\(([^()]*)\)(\??)|(/)\?", pattern)
    if found is None:
        return {pattern}
    choices = [found[3]] if found[3] else found[1].split("|")
    if found[3] or found[2]:
        choices.append("")
    ends = (pattern[: found.start()], pattern[found.end() :])
    return set(itertools.chain.from_iterable(alternatives(f"{ends[0]}{one}{ends[1]}") for one in choices))


def matches(rule: str, path: str) -> bool:
    """Return True if a path of a policy covers `path`: `+` is one segment, `*` at the end anything."""
    whole = re.escape(rule).replace(r"\+", "[^/]+")
    whole = whole.removesuffix(r"\*") + ".*" if rule.endswith("*") else whole
    return re.fullmatch(whole, path) is not None


def test_every_path_of_path_help_is_denied_or_only_reads(vault: Vault) -> None:
    mount = f"{vault.name}-help"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
    told = vault.bao.call("GET", f"{mount}?help=1")["help"]
    paths = {path.rstrip("/") for path in listed_paths(told)}
    assert {"root/generate/x", "issuer/x/sign/x", "cert/x/raw/pem", "ca"} <= paths
    assert len(paths) > 100
    forgotten = {one for one in paths if not any(matches(rule, one) for rule in (*PROTECTED, *UNPROTECTED))}
    assert forgotten == set()


def test_a_policy_that_protects_wins_over_others_and_not_over_itself() -> None:
    text = generated(Grants.model_validate({"protect": ["pki"], "signIntermediate": ["pki"]}))
    assert 'path "pki/root/sign-intermediate" {\n  capabilities = ["update"]' in text
    assert 'path "pki/issue/*" {\n  capabilities = ["deny"]' in text
