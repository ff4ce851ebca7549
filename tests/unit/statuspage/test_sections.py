"""The page's text: the worst first, all escaped, nothing that its Content-Security-Policy forbids."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from issuer.statuspage.html import span, tag
from issuer.statuspage.model import PAGE, EndingCertificate, PageReplica, Query, WorkFigures
from issuer.statuspage.page import document, login
from issuer.statuspage.requests import requests
from issuer.statuspage.sections import MOST_ISSUERS, build_in_steps, sections
from issuer.statuspage.verdict import notices
from tests.unit.statuspage.facts import (
    DAY,
    NOW,
    Facts,
    answer,
    expiring,
    issuer,
    opened,
    run,
    snapshot_of,
)

ATTACK = '<img src=x onerror="alert(1)">&\'"'


class Text(HTMLParser):
    """The text of HTML, its tags and its attributes; tags that aren't closed are noticed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.texts).split())


async def page(facts: Facts, query: Query | None = None) -> str:
    query = query or Query()
    snapshot = await snapshot_of(facts, query)
    return document({**sections(snapshot), "requests": requests(snapshot, query)}, query, NOW, "jane")


def full(text: str = "text") -> Facts:
    """Something of everything, with the same text in every place that others write."""
    return Facts(
        open=[opened(f"{text}{n}", reason=f"waits: {text}", by=text) for n in range(PAGE + 1)],
        known=[
            issuer(text, ready=False, reason=text, message=text, warnings=(text,), path=text, server=text),
            issuer("well", canary=(run(), run("issuer"))),
        ],
        answered=[answer("b", "denied", text)],
        ends=expiring(
            late=(0,) * 55 + (1,),
            overdue=1,
            ended=1,
            soonest=(
                EndingCertificate(NOW + DAY, text, text, NOW, late=True),
                EndingCertificate(NOW + DAY, text, text, None, late=False),
            ),
        ),
        numbers=WorkFigures(open=51, in_line=3, held_back=2, unwritten=1, oldest=7.0, per_second=(1,) * 60),
    )


async def test_what_others_write_is_text_and_nothing_else() -> None:
    for query in (Query(), Query("denied"), Query("line", ATTACK), Query("waiting", ATTACK)):
        html = await page(full(ATTACK), query)
        assert "<img" not in html
        assert not [one for one in Text(html).attributes if one[1].startswith("on")]
    assert ATTACK in str(Text(await page(full(ATTACK))))


async def test_nothing_needs_what_the_content_security_policy_forbids() -> None:
    found = Text(await page(full()))
    for name, attribute, value in found.attributes:
        assert attribute != "style"
        if attribute in ("src", "href", "action"):
            assert value is not None
            assert not re.match(r"(?i)[a-z]+:|//", value), f"{name} {attribute} leads elsewhere: {value}"
    names = {name for name, _, _ in found.attributes}
    assert "style" not in names
    assert "".join(found.texts).count("function") == 0


async def test_what_looks_like_a_credential_is_blanked() -> None:
    token = "hvs." + "A" * 24
    html = await page(full(f"refused {token}"))
    assert token not in html
    assert "[redacted]" in html


async def test_every_part_that_changes_has_its_id() -> None:
    snapshot = await snapshot_of(full())
    parts = {**sections(snapshot), "requests": requests(snapshot, Query())}
    assert set(parts) == {"verdict", "now", "issuers", "expiring", "about", "requests"}
    for name, html in parts.items():
        assert re.match(rf'<\w+ [^>]*\bid="{name}"', html)
        Text(html)


async def test_all_is_well_when_it_is() -> None:
    (only,) = notices(await snapshot_of(Facts(ends=expiring())))
    assert (only.level, only.headline) == ("good", "All is well")
    assert "The issuer is Ready" in only.detail


@pytest.mark.parametrize(
    ("facts", "level", "headline"),
    [
        (Facts(known=[issuer(), issuer("b", ready=False)]), "bad", "1 issuer of 2 is not Ready"),
        (Facts(known=[issuer(canary=(run("issuer"),))]), "bad", "A canary broke"),
        (Facts(known=[issuer(canary=(run("issuer"), run()))]), "good", "All is well"),
        (Facts(known=[issuer(ca_ends=NOW + 20 * DAY)]), "warn", "A CA expires soon"),
        (Facts(known=[issuer(ca_ends=NOW + 2 * DAY)]), "bad", "A CA expires soon"),
        (Facts(known=[issuer(ca_ends=NOW)]), "bad", "A CA has expired"),
        (Facts(known=[issuer(warnings=("look",))]), "warn", "1 issuer with a warning"),
        (Facts(ends=expiring(ended=2)), "bad", "Certificates have expired without a renewal"),
        (Facts(ends=expiring(overdue=2)), "warn", "Renewals are overdue"),
        (Facts(open=[opened("a")]), "warn", "Requests wait"),
        (Facts(open=[opened("a", "line")]), "good", "All is well"),
        (Facts(known=[]), "good", "All is well"),
        (
            Facts(me=PageReplica("0.1.0", "pod-1_a", "leads", late=("VaultIssuer",))),
            "warn",
            "Not everything has been listed yet",
        ),
    ],
)
async def test_the_headline_is_the_worst_there_is(facts: Facts, level: str, headline: str) -> None:
    first = notices(await snapshot_of(facts))[0]
    assert (first.level, first.headline) == (level, headline)


async def test_the_worst_comes_first_and_the_others_are_not_forgotten() -> None:
    facts = Facts(known=[issuer("b", ready=False)], open=[opened("a")], ends=expiring(overdue=1))
    assert [one.level for one in notices(await snapshot_of(facts))] == ["bad", "warn", "warn"]


async def test_a_replica_that_stands_by_says_who_leads_and_judges_nothing() -> None:
    facts = Facts(
        me=PageReplica("0.1.0", "pod-2_b", "stands by", "vault-issuer-5f7_a1b2"), known=[], open=[opened("a")]
    )
    (only,) = notices(await snapshot_of(facts))
    assert only.level == "quiet"
    assert "kubectl port-forward pod/vault-issuer-5f7)" in only.detail


async def test_many_issuers_and_many_requests_are_cut_and_the_rest_counted() -> None:
    facts = Facts(
        known=[issuer(f"i{n}") for n in range(MOST_ISSUERS + 20)],
        open=[opened(f"r{n}") for n in range(20_000)],
        slice=1000,
    )
    snapshot = await snapshot_of(facts)
    assert "20 more issuers" in sections(snapshot)["issuers"]
    html = requests(snapshot, Query())
    assert html.count("<tr") == PAGE + 1
    assert "1 to 50 of 20,000" in html
    assert len(html) + len(str(sections(snapshot))) < 200_000


async def test_others_have_their_turn_between_two_issuers() -> None:
    runs = tuple(run() for _ in range(24))
    snapshot = await snapshot_of(Facts(known=[issuer(f"i{n}", canary=runs) for n in range(50)]))
    assert len(list(build_in_steps(snapshot))) > 50


async def test_pages_lead_to_each_other_and_keep_the_search() -> None:
    facts = Facts(open=[opened(f"r{n}") for n in range(PAGE * 2 + 1)])
    query = Query(text="r", page=2)
    links = [
        value
        for _, name, value in Text(requests(await snapshot_of(facts, query), query)).attributes
        if name == "href"
    ]
    assert "?state=waiting&q=r" in links
    assert "?state=waiting&q=r&page=3" in links
    assert "?state=denied&q=r" in links


async def test_a_search_without_a_find_says_of_how_many() -> None:
    query = Query(text="zzz")
    facts = Facts(open=[opened("a"), opened("b")])
    assert "None of 2 matches “zzz”." in requests(await snapshot_of(facts, query), query)


async def test_why_requests_wait_is_summed_up_only_where_several_wait_for_the_same() -> None:
    alone = await snapshot_of(Facts(open=[opened("a", reason="one"), opened("b", reason="two")]))
    assert "Why they wait" not in requests(alone, Query())
    many = await snapshot_of(Facts(open=[opened("a", reason="one"), opened("b", reason="one")]))
    assert "Why they wait" in requests(many, Query())


async def test_certificates_that_are_not_watched_are_not_called_none() -> None:
    assert "aren&#x27;t watched" in sections(await snapshot_of(Facts()))["expiring"]


async def test_what_is_not_listed_yet_is_being_counted_and_not_called_none() -> None:
    late = PageReplica("0.1.0", "pod-1_a", "leads", late=("VaultIssuer", "CertificateRequest"))
    snapshot = await snapshot_of(Facts(me=late, known=[], ends="counting"))
    parts = {**sections(snapshot), "requests": requests(snapshot, Query())}
    for name in ("issuers", "expiring", "requests"):
        assert "Counting…" in parts[name]
        assert "There is no" not in parts[name]
    assert "Nothing waits" not in parts["requests"]
    listed = await snapshot_of(Facts(known=[], ends=expiring(total=0)))
    assert "There is no Certificate of our issuers yet" in sections(listed)["expiring"]


def cell(html: str, label: str) -> str:
    """Return the text of the first cell of a column."""
    (found, *_) = re.findall(rf'<td data-label="{label}".*?</td>', html)
    return str(Text(found))


async def test_a_canarys_error_stands_in_its_column_shortened_and_opens_in_full() -> None:
    long = "Vault is sealed: unseal it. " * 10
    known = [issuer("a", canary=(run("issuer", message=long),)), issuer("b", canary=(run("api"),))]
    html = sections(await snapshot_of(Facts(known=known)))["issuers"]
    assert "Vault is sealed" not in cell(html, "State")
    assert f"<summary>{long[:69]}…</summary><p>{long}</p>" in html
    assert "<p>look at Vault</p>" in html  # short enough
    assert html.count("<details") == 1


async def test_the_ca_of_a_broken_issuer_is_told_as_last_known() -> None:
    broken = sections(await snapshot_of(Facts(known=[issuer(ready=False)])))["issuers"]
    assert "5.0 years left until 2031-11-24, CN=Lab Intermediate as last known" in cell(broken, "CA")
    never = sections(await snapshot_of(Facts(known=[issuer(ready=False, ca_ends=None)])))["issuers"]
    assert cell(never, "CA") == "not known"
    new = sections(await snapshot_of(Facts(known=[issuer(ready=None, ca_ends=None)])))["issuers"]
    assert cell(new, "CA") == "not read yet"
    well = sections(await snapshot_of(Facts()))["issuers"]
    assert "last known" not in well


async def test_a_requester_is_named_at_a_request_only_where_it_differs() -> None:
    facts = Facts(open=[opened("a"), opened("b"), opened("c", by="bob")])
    html = requests(await snapshot_of(facts), Query())
    assert "Asked by alice, unless a request names another." in html
    assert html.count("alice") == 1
    assert "asked by bob" in html
    same = requests(await snapshot_of(Facts(open=[opened("a")])), Query())
    assert "Asked by alice.</p>" in same
    nobody = requests(await snapshot_of(Facts(open=[opened("a", by="")])), Query())
    assert "sked by" not in nobody


async def test_each_row_has_a_command_to_copy() -> None:
    facts = Facts(open=[opened("a")], answered=[answer("b", "denied", "no")])
    snapshot = await snapshot_of(facts, Query(), Query("denied"))
    commands = [
        found
        for html in (
            sections(snapshot)["issuers"],
            requests(snapshot, Query()),
            requests(snapshot, Query("denied")),
        )
        for found in re.findall(r"<code>(kubectl[^<]*)</code><button", html)
    ]
    assert commands == [
        "kubectl vault-issuer explain vaultclusterissuer/vault",
        "kubectl vault-issuer explain team-a/a",
        "kubectl vault-issuer explain team-a/b",
    ]


async def test_retries_of_one_certificate_are_one_row_with_their_number() -> None:
    first = NOW - timedelta(hours=7)
    facts = Facts(answered=[answer("web-1", "failed", "no", tries=3, first=first), answer("x", "failed")])
    html = requests(await snapshot_of(facts, Query("failed")), Query("failed"))
    assert "3 times, first" in cell(html, "Since")
    assert html.count("times, first") == 1


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "no time"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=729), "729 days"),
        (timedelta(days=3653), "10.0 years"),
        (timedelta(days=-1), "no time"),
    ],
)
def test_lengths_of_time_are_told_in_one_unit(length: timedelta, text: str) -> None:
    assert span(length) == text


def test_the_form_for_a_token_never_shows_one_and_runs_no_script() -> None:
    html = login("No.")
    assert "<script" not in html
    assert 'type="password"' in html
    assert 'method="post"' in html
    Text(html)


def test_an_element_leaves_out_what_is_none_or_false() -> None:
    assert (
        tag("a", "x", href=None, hidden=False, data_live=True, class_="b") == '<a data-live class="b">x</a>'
    )


async def test_a_replica_that_stands_by_shows_no_empty_tables_as_if_there_were_nothing() -> None:
    snapshot = await snapshot_of(Facts(me=PageReplica("0.1.0", "pod-2_b", "stands by", "pod-1_a"), known=[]))
    parts = {**sections(snapshot), "requests": requests(snapshot, Query())}
    assert set(parts) == {"verdict", "now", "issuers", "expiring", "about", "requests"}
    assert "There is no issuer" not in "".join(parts.values())
    assert parts["issuers"] == '<section id="issuers" hidden></section>'


async def test_a_reason_that_stands_above_in_full_is_told_in_brief_at_each_request() -> None:
    reason = "VaultClusterIssuer vault is not Ready (Sealed): Vault is sealed: unseal it"
    alone = "no policy applies: write one"
    facts = Facts(open=[opened("a", reason=reason), opened("b", reason=reason), opened("c", reason=alone)])
    html = requests(await snapshot_of(facts), Query())
    assert html.count("unseal it") == 1
    assert html.count("is not Ready (Sealed)…") == 2
    searched = Query(text="team-a")
    assert requests(await snapshot_of(facts, searched), searched).count("unseal it") == 2
