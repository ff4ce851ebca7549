"""Thresholds of the checks, in the names and the JSON of `bao pki health-check -health-config`.

Source: https://openbao.org/docs/commands/pki/health-check/ ; the defaults of its 14 checks are those of
OpenBao 2.7.2. Checks below `OURS` have no counterpart there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from issuer.duration import parse_duration
from issuer.manifests.documents import read_source
from issuer.manifests.errors import BadInput
from issuer.pki.file.durations import seconds
from issuer.pki.health.finding import Gravity
from issuer.text import parse_json

BAO: Final[Mapping[str, Mapping[str, Any]]] = {
    "ca_validity_period": {
        "root_expiry_critical": "180d",
        "intermediate_expiry_critical": "30d",
        "root_expiry_warning": "365d",
        "intermediate_expiry_warning": "60d",
        "root_expiry_informational": "730d",
        "intermediate_expiry_informational": "180d",
    },
    "crl_validity_period": {"crl_expiry_pct_critical": 95, "delta_crl_expiry_pct_critical": 95},
    "hardware_backed_root": {"enabled": False},
    "root_issued_leaves": {"certs_to_fetch": 100},
    "role_allows_localhost": {},
    "role_allows_glob_wildcards": {},
    "role_no_store_false": {"allowed_roles": []},
    "audit_visibility": {"ignored_parameters": []},
    "allow_if_modified_since": {},
    "enable_auto_tidy": {
        "interval_duration_critical": "7d",
        "interval_duration_warning": "2d",
        "pause_duration_critical": "1s",
        "pause_duration_warning": "200ms",
    },
    "tidy_last_run": {"last_run_critical": "7d", "last_run_warning": "2d"},
    "too_many_certs": {"count_critical": 250_000, "count_warning": 50_000},
    "enable_acme_issuance": {},
    "allow_acme_headers": {},
}
OURS: Final[Mapping[str, Mapping[str, Any]]] = {
    "aia_url": {},
    "crl_url": {},
    "ocsp_url": {},
    "offline_crl": {"next_update_critical": "3d", "next_update_warning": "14d"},
    "missing_pointers": {},
    "default_issuer": {},
    "issuer_names": {},
    "role_any_name": {},
    "role_names_outside_ca": {},
    "open_acme": {},
    "role_lifetime": {},
    "issuer_lifetime": {},
    "auth_role_lifetime": {"ttl_critical": "768h", "ttl_warning": "24h"},
    "auth_role_binding": {},
    "policy_grants": {},
    "pki_mounts": {},
    "clock_skew": {"skew_critical": "5m", "skew_warning": "30s"},
}
CHECKS: Final[tuple[str, ...]] = (*BAO, *OURS)


@dataclass(frozen=True, slots=True)
class HealthParameters:
    """The parameters of all checks, each at its default unless given."""

    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def is_enabled(self, check: str) -> bool:
        """Return True if a check runs."""
        return bool(self._value(check, "enabled", True))

    def duration(self, check: str, name: str) -> timedelta:
        """Return a parameter that is a time span."""
        return _span(self._value(check, name))

    def gravity(self, check: str, name: str, is_past: Callable[[timedelta], bool]) -> Gravity:
        """Return the gravest of WARNING and CRITICAL whose bound, of the parameter `NAME_warning` or
        `NAME_critical`, is past; OK if none is."""
        grades = (Gravity.CRITICAL, Gravity.WARNING)
        past = (one for one in grades if is_past(self.duration(check, f"{name}_{one.value}")))
        return next(past, Gravity.OK)

    def number(self, check: str, name: str) -> int:
        """Return a parameter that is a number."""
        return int(self._value(check, name))

    def names(self, check: str, name: str) -> frozenset[str]:
        """Return a parameter that is a list of names."""
        return frozenset(map(str, self._value(check, name)))

    def _value(self, check: str, name: str, default: Any = None) -> Any:
        known = {**BAO, **OURS}[check]
        return self.given.get(check, {}).get(name, known.get(name, default))


def read_parameters(path: Path | None) -> HealthParameters:
    """Read parameters from a JSON file; defaults without one. Raises BadInput."""
    if path is None:
        return HealthParameters()
    source, content = read_source(str(path))
    try:
        given = parse_json(content)
    except ValueError as error:
        raise BadInput(f"{source} is not JSON: {error}") from error
    problems = list(_problems(given))
    if problems:
        raise BadInput("\n".join(f"{source}: {one}" for one in problems))
    return HealthParameters(given)


def _problems(given: Any) -> list[str]:
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        return ["must be an object of checks, each with an object of parameters"]
    found = []
    for check, values in given.items():
        known = {**BAO, **OURS}.get(check)
        if known is None:
            found.append(f"no check is called {check}; they are {', '.join(CHECKS)}")
            continue
        for name, value in values.items():
            found += _problem(check, name, value, {"enabled": True, **known})
    return found


def _problem(check: str, name: str, value: Any, known: Mapping[str, Any]) -> list[str]:
    if name not in known:
        return [f"{check} has no parameter {name}; it has {', '.join(known)}"]
    default = known[name]
    try:
        if isinstance(default, bool):
            fits = isinstance(value, bool)
        elif isinstance(default, list):
            fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        elif isinstance(default, int):
            fits = int(value) >= 1
        else:
            fits = _span(value) >= timedelta()
    except (ValueError, TypeError):
        fits = False
    return [] if fits else [f"{check}.{name} can't be {json.dumps(value)}; its default is {default!r}"]


def _span(value: Any) -> timedelta:
    if isinstance(value, str) and value.endswith("ms"):
        return parse_duration(value)
    return timedelta(seconds=seconds(value))
