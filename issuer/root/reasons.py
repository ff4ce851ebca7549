"""Reasons for which a command of the offline root refuses."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Reasons for which a command of the root does nothing, as `-o json` and tests name them."""

    ALREADY_A_ROOT = "AlreadyARoot"
    CLOCK = "Clock"
    CRL_GOES_BACK = "CRLGoesBack"
    CRL_NUMBER_TOO_LARGE = "CRLNumberTooLarge"
    DAMAGED = "Damaged"
    EXPIRED = "Expired"
    FILE_EXISTS = "FileExists"
    IN_USE = "InUse"
    KEY_DIFFERS = "KeyDiffers"
    KEY_REUSED = "KeyReused"
    KEY_WEAK = "KeyWeak"
    LINT = "Lint"
    NO_ROOT = "NoRoot"
    NOT_CONFIRMED = "NotConfirmed"
    NOT_WRITTEN = "NotWritten"
    OUTLIVES_ROOT = "OutlivesRoot"
    OUTSIDE_CONSTRAINTS = "OutsideConstraints"
    PATH_LENGTH = "PathLength"
    REQUEST = "Request"
    REVOKED = "Revoked"
    SIGNED_OTHERWISE = "SignedOtherwise"
    UNKNOWN_CERTIFICATE = "UnknownCertificate"
    UNREADABLE = "Unreadable"
    UNSAFE_MODE = "UnsafeMode"
    WRONG_KEY = "WrongKey"
    WRONG_PASSPHRASE = "WrongPassphrase"
