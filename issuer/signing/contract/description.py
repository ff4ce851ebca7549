"""Tests of how a backend describes its issuers: pure, and total on whatever somebody wrote."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.signing.backend import STATUS_FIELDS, Backend, Backends, Summary
from issuer.signing.contract.case import ContractCase
from issuer.signing.contract.opened import OpenedCase

_CAMEL_CASE = re.compile("[A-Z][A-Za-z0-9]*")
_EXAMPLES = settings(max_examples=100, deadline=None, database=None, derandomize=True)

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def garbage(spec: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return specs that nobody checked: some fields of a good one, each as it was or of any type."""
    changed = {name: _changed(value) for name, value in spec.items()}
    return st.fixed_dictionaries({}, optional=changed).flatmap(
        lambda some: st.dictionaries(st.text(max_size=8), _values, max_size=2).map(
            lambda more: {**more, **some}
        )
    )


def _changed(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, Mapping):
        return st.just(value) | _values | garbage(value)
    return st.just(value) | _values


class DescriptionContract:
    """Tests of kinds, specs, profile, reasons and summary."""

    def test_kinds_are_api_resources_that_no_other_backend_has(self, case: ContractCase) -> None:
        kinds = case.backend.kinds
        assert kinds
        assert case.backend.name.isascii()
        for kind in kinds:
            assert _CAMEL_CASE.fullmatch(kind.api_kind)
            assert kind.signer_domain == f"{kind.resource.plural}.{kind.group}"
            assert "." in kind.group
            assert kind.resource.version
        assert len(list(Backends([case.backend]).kinds)) == len(kinds)

    def test_the_crd_has_only_fields_that_are_filled(self, case: ContractCase) -> None:
        assert case.backend.status_fields <= STATUS_FIELDS

    def test_reasons_are_single_words_in_camel_case(self, case: ContractCase) -> None:
        reasons = case.backend.reasons
        every = reasons.failures | reasons.retries | reasons.issuer
        assert [one for one in every if not _CAMEL_CASE.fullmatch(one)] == []
        assert case.backend.unreachable in reasons.issuer

    def test_a_valid_spec_is_read_and_left_as_it_was(self, case: ContractCase) -> None:
        before = copy.deepcopy(case.spec)
        assert isinstance(case.backend.parse(case.spec), IssuerSpec)
        assert case.spec == before

    def test_unknown_fields_change_nothing(self, case: ContractCase) -> None:
        more = {**case.spec, "aFieldThatNobodyKnows": {"x": 1}}
        assert case.backend.parse(more) == case.backend.parse(case.spec)

    def test_bad_specs_are_refused_with_what_is_wrong(self, case: ContractCase) -> None:
        assert case.bad_specs
        for what, spec in case.bad_specs.items():
            with pytest.raises(SpecError) as raised:
                case.backend.parse(spec)
            assert "spec" in str(raised.value), f"{what}: the message names no field: {raised.value}"

    def test_garbage_is_refused_in_no_other_way(self, case: ContractCase) -> None:
        backend = case.backend

        @_EXAMPLES
        @given(garbage(case.spec))
        def is_total(spec: dict[str, Any]) -> None:
            try:
                read = backend.parse(spec)
            except SpecError:
                return
            _describe(backend, read)

        is_total()

    def test_summary_and_server_read_whatever_is_written(self, case: ContractCase) -> None:
        backend = case.backend

        @_EXAMPLES
        @given(garbage(case.spec))
        def is_total(spec: dict[str, Any]) -> None:
            assert isinstance(backend.server(spec), str)
            assert isinstance(backend.summary(spec), Summary)

        is_total()
        assert isinstance(backend.summary(case.spec), Summary)

    def test_a_spec_is_described_without_any_call(self, case: ContractCase) -> None:
        _describe(case.backend, case.backend.parse(case.spec))

    def test_parts_share_no_reason_and_have_names(self, case: ContractCase) -> None:
        parts = case.backend.parts(case.backend.parse(case.spec), "somewhere")
        reasons = [reason for part in parts for reason in part.reasons]
        assert len(reasons) == len(set(reasons))
        assert all(part.name and part.text for part in parts)
        assert all(set(part.cures) <= part.reasons for part in parts)

    def test_a_description_holds_nothing_secret(self, opened_case: OpenedCase) -> None:
        case, backend = opened_case.case, opened_case.case.backend
        spec = backend.parse(case.spec)
        texts = (
            *backend.warnings(spec),
            backend.ready_message(spec),
            repr(spec),
            repr(backend.profile(spec)),
            repr(backend.parts(spec)),
        )
        opened_case.check_shown(*texts, repr(backend.summary(case.spec)), backend.server(case.spec))


def _describe(backend: Backend, spec: IssuerSpec) -> None:
    profile = backend.profile(spec)
    assert profile.leaf.name, "a path has a name, for messages"
    assert profile.path(is_ca=False) is profile.leaf
    assert all(isinstance(text, str) and text for text in backend.warnings(spec))
    assert backend.ready_message(spec)
    assert all(isinstance(name, str) and name for name in backend.secrets(spec))
