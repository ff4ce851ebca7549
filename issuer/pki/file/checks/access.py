"""Contradictions of logins, policies and the prefix of their names."""

from __future__ import annotations

from collections.abc import Iterator

from issuer.pki.file.accepted import policy_problem
from issuer.pki.file.access import OLD_NAMES, SECRET_FIELDS
from issuer.pki.file.checks.context import CheckedFile
from issuer.pki.file.engine import lifetime
from issuer.pki.file.model import Part
from issuer.pki.file.names import SEPARATORS, as_kept, begins


def login_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with auth methods and their roles, a line each."""
    for path, auth in checked.file.foundation.auth.items():
        yield from checked.lifetime_problems(Part.FOUNDATION, auth.tune, "auth", path, "tune")
        for name in sorted(SECRET_FIELDS[auth.type] & set(auth.config)):
            if not isinstance(auth.config[name], str):  # what it holds is not shown
                where = checked.at(Part.FOUNDATION, "auth", path, "config", name)
                yield f"{where} must be text; put it in quotes, or write ${{VARIABLE}}"
        for name, role in auth.roles.items():
            at = ("auth", path, "roles", name)
            yield from checked.lifetime_problems(Part.FOUNDATION, role, *at)
            for key in sorted(OLD_NAMES.keys() & role.keys()):
                if OLD_NAMES[key] in role:
                    where = checked.at(Part.FOUNDATION, *at, key)
                    yield f"{where} is an older name of {OLD_NAMES[key]}, which is given, too; leave one"
            for key, longest in (("token_ttl", "token_max_ttl"), ("ttl", "max_ttl")):
                ttl, most = lifetime(role.get(key)), lifetime(role.get(longest))
                if ttl and most and ttl > most:
                    yield f"{checked.at(Part.FOUNDATION, *at, key)} is longer than {longest}; shorten it"


def policy_problems(checked: CheckedFile) -> Iterator[str]:
    """Yield what is wrong with policies and the names of what the file owns, a line each."""
    for name, policy in checked.file.foundation.policies.items():
        sentence = policy_problem(policy.text) if policy.text is not None else ""
        if sentence:
            yield f"{checked.at(Part.FOUNDATION, 'policies', name, 'text')} {sentence}"
    yield from _prefixed(checked)


def _prefixed(checked: CheckedFile) -> Iterator[str]:
    prefix, foreign = checked.file.prefix or "", checked.file.foreign_prefixes
    for number, one in enumerate(foreign):
        if not prefix or as_kept(one) == as_kept(prefix) or not begins(one, prefix):
            yield (
                f"{checked.places.told('foreignPrefixes', number)} {one} doesn't go on from the file's "
                f"prefix{f' {prefix}' if prefix else ', as it has none'}: it is left alone without that; "
                "take it out"
            )
    names: list[tuple[str, ...]] = [("policies", name) for name in checked.file.foundation.policies]
    for mount, auth in checked.file.foundation.auth.items():
        names += [("auth", mount, "roles", name) for name in auth.roles]
    for path in names:
        other = next((one for one in foreign if begins(path[-1], one)), "")
        if prefix and not begins(path[-1], prefix):
            yield (
                f"{checked.at(Part.FOUNDATION, *path)} doesn't begin with the file's prefix {prefix}"
                f"{'' if prefix[-1] in SEPARATORS else ' and a separator (- _ .)'}; "
                "rename it, or remove prefix"
            )
        elif other:
            yield (
                f"{checked.at(Part.FOUNDATION, *path)} has the prefix {other} of another file "
                "(foreignPrefixes); rename it, or take that out"
            )
