"""What the testbed raises: one type whose text a person can act on."""

from __future__ import annotations


class TestbedError(RuntimeError):
    """Something of the testbed could not be built, started or reached; the text says what to do."""

    # pytest would otherwise try to collect a class whose name starts with "Test".
    __test__ = False


class PortTakenError(TestbedError):
    """A server found its port taken between our choice and its start; choose another and start again."""


class HTTPError(TestbedError):
    """A server answered with an error status.

    ``status`` is the HTTP status, ``body`` the decoded JSON answer (or its text).
    """

    def __init__(self, method: str, url: str, status: int, body: object) -> None:
        super().__init__(f"{method} {url} answered {status}: {str(body)[:600]}")
        self.status = status
        self.body = body
