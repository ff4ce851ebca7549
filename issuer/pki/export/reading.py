"""Reads everything that an export tells: tables first, then lists, then each thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from issuer.pki.errors import PkiError
from issuer.pki.export.choice import ExportChoice
from issuer.pki.resources.audit import TABLE as AUDIT
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.mounts import AUTH, SECRETS
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import VaultReading
from issuer.pki.server.tokens import refusal_of
from issuer.text import counted

POLICIES = "sys/policies/acl/"
CONFIGS = ("cluster", "urls", "crl", "auto-tidy", "acme", "issuers")
_UNREAD = frozenset({"default", "root"})

Told = Callable[[str], None]


async def read_for_export(calls: VaultCalls, choice: ExportChoice, told: Told) -> VaultReading:
    """Read all that is chosen; `told` gets a line of progress for each mount.

    Raises PkiError if a chosen mount isn't there, NotPermitted if the mounts may not be listed.
    """
    # In a namespace Vault answers 400 to sys/audit: audit devices are the server's.
    audit = (AUDIT,) if calls.has_whole_server else ()
    reading = VaultReading(await calls.read_all([SECRETS, AUTH, *audit, POLICIES]))
    if SECRETS in reading.refused:
        remedy = "it lists the mounts: give the token a policy with read there"
        raise await refusal_of(calls, SECRETS, reading.refused[SECRETS], remedy)
    _check_chosen(reading, choice)
    for mount in pki_mounts(reading, choice):
        reading = await _mount(calls, reading, mount)
        count = [len(names(reading, f"{mount}/{what}/")) for what in ("issuers", "roles")]
        told(f"{mount}: {count[0]} issuers, {count[1]} roles")
    wanted = [f"{POLICIES}{name}" for name in names(reading, POLICIES) if name not in _UNREAD]
    reading = reading.with_more(await calls.read_all(one for one in wanted if choice.wants_name(_last(one))))
    for path, kind in auth_mounts(reading, choice):
        folder = f"auth/{path}/{ROLE_FOLDER[kind]}/"
        config = () if kind == "approle" else (f"auth/{path}/config",)  # AppRole has none
        reading = reading.with_more(await calls.read_all([folder, *config]))
        roles = [f"{folder}{name}" for name in names(reading, folder) if choice.wants_name(name)]
        reading = reading.with_more(await calls.read_all(roles))
        told(f"auth/{path}: {counted(len(roles), 'role')}")
    return reading


async def _mount(calls: VaultCalls, reading: VaultReading, mount: str) -> VaultReading:
    lists = [f"{mount}/{what}/" for what in ("issuers", "keys", "roles")]
    configs = [f"{mount}/config/{name}" for name in CONFIGS]
    reading = reading.with_more(await calls.read_all([*lists, *configs]))
    issuers = [f"{mount}/issuer/{one}" for one in names(reading, lists[0])]
    roles = [f"{mount}/roles/{one}" for one in names(reading, lists[2])]
    return reading.with_more(await calls.read_all([*issuers, *roles]))


def pki_mounts(reading: VaultReading, choice: ExportChoice) -> list[str]:
    """Return the paths of the PKI mounts that are chosen."""
    return [one for one, kind in _mounted(reading, SECRETS) if kind == "pki" and choice.wants_mount(one)]


def auth_mounts(reading: VaultReading, choice: ExportChoice) -> list[tuple[str, str]]:
    """Return path and type of the auth methods that are chosen and that a file can describe."""
    return [(p, kind) for p, kind in _mounted(reading, AUTH) if kind in ROLE_FOLDER and choice.wants_auth(p)]


def other_auth_mounts(reading: VaultReading, choice: ExportChoice) -> list[tuple[str, str]]:
    """Return path and type of the chosen auth methods that no file can describe."""
    return [
        (path, kind)
        for path, kind in _mounted(reading, AUTH)
        if kind not in ROLE_FOLDER and path in choice.auth
    ]


def names(reading: VaultReading, path: str) -> list[str]:
    """Return the names in a list, sorted."""
    return sorted(map(str, (reading.data(path) or {}).get("keys") or ()))


def _mounted(reading: VaultReading, table: str) -> Iterable[tuple[str, str]]:
    for path, entry in sorted((reading.data(table) or {}).items()):
        if isinstance(entry, dict):
            yield path.rstrip("/"), str(entry.get("type", ""))


def _check_chosen(reading: VaultReading, choice: ExportChoice) -> None:
    for flag, table, wanted in (("--mount", SECRETS, choice.mounts), ("--auth", AUTH, choice.auth)):
        there = dict(_mounted(reading, table))
        missing = [one for one in wanted if one not in there]
        if missing:
            raise PkiError(f"{flag} {missing[0]}: Vault has no such mount; it has {', '.join(there)}")
    wrong = [one for one in choice.mounts if dict(_mounted(reading, SECRETS))[one] != "pki"]
    if wrong:
        raise PkiError(f"--mount {wrong[0]} is no PKI mount")


def _last(path: str) -> str:
    return path.rpartition("/")[2]
