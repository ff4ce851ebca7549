"""Contract suite: tests that every backend must pass, in process, against fakes of the servers it talks to.

The author of a backend derives a test class from `BackendContract`, and gives it a fixture `case` that
returns a `ContractCase`: the backend, specs, and the ways in which the CA can be made to fail.
`SigningContract` is the part of it that needs a CA: for a second one, such as a real server. Needs the extra
`[testing]` (pytest, pytest-asyncio with `asyncio_mode = "auto"`, hypothesis). docs/write-a-backend.md has an
example.

Modules, bottom-up: `kubernetes` (an API server that holds objects), `case` (what an author gives), `opened`
(its signers), then the tests: `description`, `signers`, `controllers` and `suite`, which is all of them.
Nothing but tests imports this package.
"""

from __future__ import annotations

import pytest

for _module in ("description", "signers", "controllers"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from issuer.signing.contract.case import ContractCase, Fault  # noqa: E402 - behind the line that rewrites
from issuer.signing.contract.kubernetes import FakeKubernetes  # noqa: E402
from issuer.signing.contract.suite import BackendContract, SigningContract  # noqa: E402

__all__ = ["BackendContract", "ContractCase", "FakeKubernetes", "Fault", "SigningContract"]
