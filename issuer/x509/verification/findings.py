"""Differences between a CA's certificate and the request, by code and in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """Kinds of differences, as metrics, events and `vault-issuer inspect` name them."""

    CA_DROPPED = "CADropped"
    CA_NOT_ASKED = "CANotAsked"
    CA_USAGE_NOT_ASKED = "CAUsageNotAsked"
    CHAIN_NOT_VALID = "ChainNotValid"
    CRITICAL_EXTENSION = "CriticalExtension"
    ENDS_WITH_CA = "EndsWithCA"
    EXPIRED = "Expired"
    LIFE_SHORTER = "LifeShorter"
    LIFE_TOO_LONG = "LifeTooLong"
    NAME_CONSTRAINTS = "NameConstraints"
    NAME_CONSTRAINTS_IN_LEAF = "NameConstraintsInLeaf"
    NAME_DROPPED = "NameDropped"
    NAME_NOT_ASKED = "NameNotAsked"
    NO_ROOM_FOR_CA = "NoRoomForCA"
    NOT_YET_VALID = "NotYetValid"
    OUTLIVES_CA = "OutlivesCA"
    PATH_LENGTH_SHORTER = "PathLengthShorter"
    PATH_LENGTH_TOO_LONG = "PathLengthTooLong"
    PUBLIC_KEY_DIFFERS = "PublicKeyDiffers"
    SUBJECT_ADDED = "SubjectAdded"
    SUBJECT_DROPPED = "SubjectDropped"
    SUBJECT_REORDERED = "SubjectReordered"
    TOO_SHORT_TO_RENEW = "TooShortToRenew"
    USAGE_ADDED = "UsageAdded"
    USAGE_BARRED_BY_CA = "UsageBarredByCA"
    USAGE_BEYOND_POLICY = "UsageBeyondPolicy"
    USAGE_DROPPED = "UsageDropped"
    USAGE_NOT_ASKED = "UsageNotAsked"
    VALIDITY_REVERSED = "ValidityReversed"


@dataclass(frozen=True, slots=True)
class VerificationFinding:
    """One difference between certificate and request.

    `code` is a CamelCase word for metrics and events, `message` is for people. `expected`: the approving
    policy allows it, so that it needs no event.
    """

    code: FindingCode
    message: str
    fatal: bool
    expected: bool = False
