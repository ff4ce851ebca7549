"""A catalogue of faults: what is done to a healthy Vault, and the check that then says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from issuer.pki.health.finding import Gravity
from tests.unit.pki.health_facts import FakeVault, Maker, made

INFO, WARNING, CRITICAL = Gravity.INFORMATIONAL, Gravity.WARNING, Gravity.CRITICAL
UNKNOWN: Final = Gravity.NOT_CHECKED
OFFLINE: Final = made("offline", 3650)
"""A root that is not in this Vault."""
Fault = Callable[[FakeVault], None]


class Faults(dict[str, tuple[str, Gravity, Fault]]):
    """By the name of the function that makes a fault: the check that finds it, how grave, the function."""

    def add(self, check: str, severity: Gravity) -> Callable[[Fault], Fault]:
        """Add the decorated function, which does something to a healthy Vault."""

        def added(function: Fault) -> Fault:
            self[function.__name__] = (check, severity, function)
            return function

        return added


def replaced(vault: FakeVault, mount: str, maker: Maker, *above: Maker, name: str = "int-1") -> None:
    """Give a mount one other issuer."""
    vault.paths[f"{mount}/issuers/"]["key_info"].clear()
    vault.paths[f"{mount}/config/issuers"]["default"] = ""
    vault.issuer(mount, maker, *above, name=name)


def leaf(vault: FakeVault, mount: str, maker: Maker) -> None:
    """Store a leaf that a CA signed."""
    signed = made("leaf", 1, maker, ca=False)
    vault.paths[f"{mount}/certs/"]["keys"].append("aa:bb")
    vault.paths[f"{mount}/cert/aa:bb"] = {"certificate": signed.pem}
