"""Fixtures of the tests of `issuer.kube`."""

from __future__ import annotations

import pytest

from issuer.kube.client import KubeClient
from tests.unit.kube.fake_api import FakeApi
from tests.unit.kube.watching.running_reflector import Running, Start


@pytest.fixture
def start(api: FakeApi, client: KubeClient) -> Start:
    return lambda **options: Running(api, client, **options)
