"""testbed/cache.py: entries that nobody uses any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from testbed.cache import KEPT_DAYS, cached, forget_old, used


def test_what_nobody_used_for_days_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ISSUER_CACHE", str(tmp_path))
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for name in ("python-old", "python-asked-for", "other-old"):
        os.utime(cached(name, lambda folder: (folder / "file").touch()), (long_ago, long_ago))
    used(cached("python-asked-for", lambda _: pytest.fail("it is there")))
    forget_old("python-*")
    assert {one.name for one in tmp_path.iterdir()} == {"python-asked-for", "other-old", "locks"}
