"""Wishes for a root, from the options of `vault-issuer root` over its ceremony file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from issuer.manifests.errors import BadInput
from issuer.root.ceremony.file import (
    CRLWish,
    RootWish,
    SignWish,
    checked_wish,
    overlaid,
    read_ceremony,
    read_sign_wishes,
)
from issuer.root.certificates.constraints import NameBounds, name_bounds


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, without those left out."""
    return {name: value for name, value in values.items() if value not in (None, {})}


def ca_fields(
    lifetime: str | None,
    path_length: int | None,
    names: tuple[list[str] | None, list[str] | None],
    crl_url: list[str] | None,
    issuer_url: list[str] | None,
) -> dict[str, Any]:
    """Return the fields that a root and a CA below it have in common; `names`: permitted and excluded."""
    return {
        "lifetime": lifetime,
        "maxPathLength": path_length,
        "nameConstraints": _bounds(*names),
        "crlURLs": crl_url,
        "issuerURLs": issuer_url,
    }


def _bounds(permit: Sequence[str] | None, exclude: Sequence[str] | None) -> NameBounds | None:
    if not permit and not exclude:
        return None
    try:
        return name_bounds(permit or (), exclude or ())
    except ValueError as error:
        raise BadInput(f"--permit or --exclude: {_plain_problem(error)}") from None


def _plain_problem(error: ValueError) -> str:
    """Return the first problem of a model's error in its own words."""
    problems = getattr(error, "errors", None)
    text = problems()[0]["msg"] if callable(problems) else str(error)
    return str(text).removeprefix("Value error, ")


def root_wish(file: str | None, options: dict[str, Any]) -> RootWish:
    """Return the wish for a root. Raises BadInput."""
    base = None if file is None else read_ceremony(file).root
    return overlaid(base, checked_wish(RootWish, options))


def crl_wish(file: str | None, options: dict[str, Any]) -> CRLWish:
    """Return the wish for a CRL. Raises BadInput."""
    base = None if file is None else read_ceremony(file).crl
    return overlaid(base, checked_wish(CRLWish, options))


def sign_wishes(file: str | None, options: dict[str, Any]) -> list[SignWish]:
    """Return the wishes to sign: the file's, or that of the one CSR that is named. Raises BadInput."""
    of_file = [] if file is None else read_sign_wishes(file)
    if "request" not in options:
        if not of_file:
            raise BadInput("Name a CSR, or a ceremony file with sign.")
        if options:
            raise BadInput("These options are of one CSR; name it, too.")
        return of_file
    wish = checked_wish(SignWish, options)
    here = Path(wish.request).absolute()
    return [overlaid(next((one for one in of_file if Path(one.request).absolute() == here), None), wish)]
