"""One look at the facts: counts, lists, and time for others in between."""

from __future__ import annotations

import pytest

from issuer.statuspage.model import LONGEST_TEXT, PAGE, Query
from issuer.statuspage.snapshot import REASONS, SLICE
from tests.unit.statuspage.facts import CLUSTER, Facts, answer, issuer, opened, run, snapshot_of
from tests.unit.turns import counted_turns


async def test_open_requests_are_counted_by_what_they_do_by_issuer_and_by_reason() -> None:
    other = "VaultIssuer team-a/own"
    facts = Facts(
        open=[
            opened("a", reason="no policy"),
            opened("b", reason="no policy"),
            opened("c", reason="not Ready", of=other),
            opened("d", "line"),
            opened("e", "work"),
        ]
    )
    seen = await snapshot_of(facts)
    assert (seen.waiting, seen.in_line) == (3, 2)
    assert seen.waiting_by_issuer == {CLUSTER: 2, other: 1}
    assert [(one.count, one.issuer, one.reason) for one in seen.why] == [
        (2, CLUSTER, "no policy"),
        (1, other, "not Ready"),
    ]


async def test_of_many_reasons_the_most_frequent_are_named_and_the_others_counted() -> None:
    facts = Facts(open=[opened(f"r{n}", reason=f"reason {n}") for n in range(REASONS + 5)])
    seen = await snapshot_of(facts)
    assert len(seen.why) == REASONS
    assert seen.other_reasons == 5


async def test_others_work_between_two_slices() -> None:
    facts = Facts(open=[opened(f"r{n}") for n in range(10)], slice=1)
    async with counted_turns() as turns:
        await snapshot_of(facts)
    assert turns.count >= 10


@pytest.mark.parametrize("lists", [1, 50])
async def test_the_more_lists_the_more_often_others_work(lists: int) -> None:
    facts = Facts(open=[opened(f"r{n}") for n in range(SLICE * 2)], slice=SLICE)
    async with counted_turns() as turns:
        await snapshot_of(facts, *(Query(text=str(n)) for n in range(lists)))
    assert lists * 2 <= turns.count - lists <= lists * 2 + 10  # each list's rows are a turn, too


async def test_each_query_gets_its_page_from_one_pass() -> None:
    facts = Facts(open=[opened(f"r{n:03}") for n in range(PAGE + 7)] + [opened("x", "line")], slice=50)
    first, second, line = Query(), Query(page=2), Query("line")
    seen = await snapshot_of(facts, first, second, line)
    assert facts.looks == 1
    assert len(seen.listed[first].rows) == PAGE
    assert [one.request for one in seen.listed[second].rows][:1] == [f"team-a/r{PAGE:03}"]
    assert (len(seen.listed[second].rows), seen.listed[second].total) == (7, PAGE + 7)
    assert [one.request for one in seen.listed[line].rows] == ["team-a/x"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web", {"team-a/web"}),
        ("WEB", {"team-a/web"}),
        ("policy team-a", {"team-a/db"}),
        ("bob", {"team-a/db"}),
        ("vaultclusterissuer", {"team-a/web", "team-a/db"}),
        ("nothing like it", set()),
        ("web bob", set()),
    ],
)
async def test_a_search_wants_all_its_words_in_name_issuer_requester_or_reason(
    text: str, found: set[str]
) -> None:
    facts = Facts(open=[opened("web"), opened("db", reason="No Policy applies", by="bob")])
    query = Query(text=text)
    listed = (await snapshot_of(facts, query)).listed[query]
    assert {one.request for one in listed.rows} == found
    assert (listed.total, listed.of) == (len(found), 2)


async def test_answers_are_listed_by_outcome_and_searched_too() -> None:
    facts = Facts(answered=[answer("a", "denied", "spec.request: no"), answer("b", "denied"), answer("c")])
    query, issued = Query("denied", "spec.request"), Query("issued")
    seen = await snapshot_of(facts, query, issued)
    assert [one.request for one in seen.listed[query].rows] == ["team-a/a"]
    assert [one.request for one in seen.listed[issued].rows] == ["team-a/c"]
    assert facts.looks == 1  # for the counts


async def test_issuers_in_trouble_come_first() -> None:
    facts = Facts(
        known=[
            issuer("a"),
            issuer("new", ready=None),
            issuer("warned", warnings=("two methods",)),
            issuer("sick", canary=(run(), run("issuer"))),
            issuer("broken", ready=False),
        ]
    )
    seen = await snapshot_of(facts)
    assert [one.name for one in seen.issuers] == ["broken", "sick", "warned", "a", "new"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, Query()),
        ({"state": "denied", "q": " a   b ", "page": "3"}, Query("denied", "a b", 3)),
        ({"state": "nonsense", "page": "0"}, Query()),
        ({"page": "-1"}, Query()),
        ({"page": "9999999999"}, Query()),
        ({"page": "٣"}, Query()),
        ({"q": "x" * 1000}, Query(text="x" * LONGEST_TEXT)),
    ],
)
def test_a_query_is_read_from_the_address_and_nothing_in_it_breaks_it(
    values: dict[str, str], wanted: Query
) -> None:
    assert Query.of(values) == wanted
