"""One run of all checks on one Vault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from issuer.pki.authorities.parts import UNDECODABLE, spki_sha256
from issuer.pki.file.model import PkiFile
from issuer.pki.file.place import Places
from issuer.pki.health.checks import authorities, endpoints, lifetimes, mounts, names, roles
from issuer.pki.health.checks.access import ACCESS_CHECKS, access_findings, clock_finding
from issuer.pki.health.checks.check import LET_IT_READ, CheckFunction, MountCheck
from issuer.pki.health.facts import AccessFacts, MountFacts, NotReadable, VaultFacts
from issuer.pki.health.fetching import URLReader
from issuer.pki.health.finding import Expiry, Gravity, HealthFinding, HealthReport
from issuer.pki.health.fixes import in_file
from issuer.pki.health.gathering import check_types, gather_access, gather_mount, pki_mounts_of
from issuer.pki.health.ocsp import ocsp_request
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.health.pointers import FetchedAnswer, Pointer, PointerKind, pointers_of
from issuer.pki.server.calls import VaultCalls

MOUNT_CHECKS: Final[Mapping[str, CheckFunction]] = {
    "ca_validity_period": authorities.ca_validity_period,
    "crl_validity_period": authorities.crl_validity_period,
    "hardware_backed_root": authorities.hardware_backed_root,
    "root_issued_leaves": authorities.root_issued_leaves,
    "role_allows_localhost": roles.role_allows_localhost,
    "role_allows_glob_wildcards": roles.role_allows_glob_wildcards,
    "role_no_store_false": roles.role_no_store_false,
    "audit_visibility": mounts.audit_visibility,
    "allow_if_modified_since": mounts.allow_if_modified_since,
    "enable_auto_tidy": mounts.enable_auto_tidy,
    "tidy_last_run": mounts.tidy_last_run,
    "too_many_certs": authorities.too_many_certs,
    "enable_acme_issuance": mounts.enable_acme_issuance,
    "allow_acme_headers": mounts.allow_acme_headers,
    "missing_pointers": endpoints.missing_pointers,
    "default_issuer": names.default_issuer,
    "issuer_names": names.issuer_names,
    "role_any_name": names.role_any_name,
    "role_names_outside_ca": names.role_names_outside_ca,
    "open_acme": names.open_acme,
    "role_lifetime": lifetimes.role_lifetime,
    "issuer_lifetime": lifetimes.issuer_lifetime,
}
_URL_SCHEMES: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class HealthInput:
    """Subject of a run: the file, if there is one, and the mounts that were named."""

    parameters: HealthParameters
    file: PkiFile | None = None
    places: Places = field(default_factory=Places)
    mounts: tuple[str, ...] = ()


class HealthRun:
    """Reads one Vault and runs all checks that are on. `progress` is called with what is read next."""

    def __init__(
        self,
        calls: VaultCalls,
        given: HealthInput,
        progress: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._calls = calls
        self._given = given
        self._progress = progress
        self._now = now

    async def run(self, skew: float | None, reader: URLReader | None) -> HealthReport:
        """Return the report. Without a reader the URLs are not fetched. Raises PkiError."""
        facts = VaultFacts(await self._mounts(), await self._access(), skew)
        now = self._now()
        findings = [one for mount in facts.mounts for one in self._of_mount(mount, facts, now)]
        answers = await self._pointers(facts, reader)
        for pointer, answer in answers:
            findings += self._of_pointer(pointer, answer, now)
        findings += access_findings(facts.access, facts.mounts, self._given.parameters)
        clock = clock_finding(skew, self._given.parameters)
        findings += [clock] if clock is not None else []
        if self._given.parameters.is_enabled("pki_mounts"):
            findings.append(mounts.pki_mounts(facts, self._given.file))
        return HealthReport(
            findings=tuple(self._placed(one) for one in findings),
            mounts=tuple(one.path for one in facts.mounts),
            finished=now.timestamp(),
            skew=skew,
            expiries=tuple(_expiries(facts, answers)),
            certificates=_stored(facts),
        )

    async def _mounts(self) -> tuple[MountFacts, ...]:
        paths: Sequence[str] = [one.strip("/") for one in self._given.mounts]
        if not paths and self._given.file is not None:
            paths = [path for _, path, _ in self._given.file.all_mounts()]
        elif not paths:
            paths = await pki_mounts_of(self._calls)
        if self._given.mounts:
            await check_types(self._calls, paths)
        most = self._given.parameters.number("root_issued_leaves", "certs_to_fetch")
        found = []
        for path in paths:
            self._progress(f"reading mount {path}")
            found.append(await gather_mount(self._calls, path, most))
        return tuple(found)

    async def _access(self) -> AccessFacts:
        file = self._given.file
        if file is None and self._given.mounts:
            return AccessFacts()  # a mount is looked at alone
        if not any(self._given.parameters.is_enabled(one) for one in ACCESS_CHECKS):
            return AccessFacts()
        self._progress("reading auth methods and policies")
        if file is None:
            return await gather_access(self._calls, lambda _: True, ())
        methods: Collection[str] = file.foundation.auth
        return await gather_access(self._calls, lambda path: path in methods, file.foundation.policies)

    def _of_mount(self, mount: MountFacts, facts: VaultFacts, now: datetime) -> Iterator[HealthFinding]:
        for name, function in MOUNT_CHECKS.items():
            if not self._given.parameters.is_enabled(name):
                continue
            check = MountCheck(name, mount, facts, self._given.parameters, now)
            try:
                yield from list(function(check))
            except NotReadable as error:
                yield check.finding(Gravity.NOT_CHECKED, error.path, str(error), instead=LET_IT_READ)
            except UNDECODABLE as error:  # certificates are decoded as they are looked at
                message = f"A certificate of the mount can't be decoded: {error}"
                instead = "Look at the mount's certificates by hand, such as by openssl x509 -text"
                yield check.finding(Gravity.NOT_CHECKED, mount.path, message, instead=instead)

    async def _pointers(
        self, facts: VaultFacts, reader: URLReader | None
    ) -> list[tuple[Pointer, FetchedAnswer | None]]:
        online = frozenset(
            spki_sha256(one.certificate) for mount in facts.mounts for one in mount.issuers if one.key_id
        )
        found: list[tuple[Pointer, FetchedAnswer | None]] = []
        for mount in facts.mounts:
            for pointer in _pointers(mount, online):
                if not self._given.parameters.is_enabled(pointer.kind.value):
                    continue
                if reader is None or not pointer.url.startswith(_URL_SCHEMES):
                    found.append((pointer, None))
                    continue
                self._progress(f"fetching {pointer.url}")
                found.append((pointer, await _fetched(reader, mount, pointer)))
        return found

    def _of_pointer(
        self, pointer: Pointer, answer: FetchedAnswer | None, now: datetime
    ) -> Iterator[HealthFinding]:
        if answer is not None:
            yield from endpoints.pointer_findings(pointer, answer, self._given.parameters, now)
        elif pointer.url.startswith(_URL_SCHEMES):
            yield endpoints.skipped_finding(pointer, Gravity.NOT_APPLICABLE, "it isn't fetched (--no-urls)")
        else:
            message = "only http and https are fetched"
            yield endpoints.skipped_finding(pointer, Gravity.NOT_CHECKED, message)

    def _placed(self, finding: HealthFinding) -> HealthFinding:
        """Return a finding with its line in the file, and its fix in the right part of it."""
        file = self._given.file
        fix = in_file(finding.fix, file)
        if file is None:
            return replace(finding, fix=fix)
        path: tuple[str, ...] = ()
        if finding.mount in file.foundation.mounts:
            path = ("foundation", "mounts", finding.mount)
        elif finding.mount in file.mounts:
            path = ("mounts", finding.mount)
        elif fix:
            path = _path_of(fix)
        fix = self._given.places.as_written(fix)
        return replace(finding, fix=fix, place=str(self._given.places.of(*path)) if path else "")


def _path_of(fix: Mapping[str, object]) -> tuple[str, ...]:
    """Return the path of the first value in a fix: part, kind and name."""
    path: list[str] = []
    value: object = fix
    while isinstance(value, Mapping) and value and len(path) < 5:
        key = next(iter(value))
        path.append(str(key))
        value = value[key]
    return tuple(path)


def _pointers(mount: MountFacts, online: frozenset[str]) -> list[Pointer]:
    try:
        return list(pointers_of(mount, online))
    except NotReadable:
        return []  # `missing_pointers` tells it


async def _fetched(reader: URLReader, mount: MountFacts, pointer: Pointer) -> FetchedAnswer:
    if pointer.kind is PointerKind.OCSP:
        serial = endpoints.serial_for(mount, pointer)
        return await reader.post_ocsp(pointer.url, ocsp_request(pointer.authority, serial))
    return await reader.get(pointer.url)


def _expiries(facts: VaultFacts, answers: Sequence[tuple[Pointer, FetchedAnswer | None]]) -> Iterator[Expiry]:
    for mount in facts.mounts:
        for issuer in mount.issuers:
            end = issuer.certificate.not_valid_after_utc.timestamp()
            yield Expiry("ca", mount.path, issuer.label, end)
            if issuer.crl is not None and issuer.crl.next_update_utc is not None:
                yield Expiry("crl", mount.path, issuer.label, issuer.crl.next_update_utc.timestamp())
    for pointer, answer in answers:
        if pointer.kind is PointerKind.REVOCATIONS and answer is not None:
            next_update = endpoints.crl_end(answer.body)
            if next_update is not None:
                yield Expiry("published_crl", pointer.mount, pointer.url, next_update.timestamp())


def _stored(facts: VaultFacts) -> dict[str, int]:
    stored = {}
    for mount in facts.mounts:
        try:
            stored[mount.path] = len(mount.serials())
        except NotReadable:
            continue
    return stored
