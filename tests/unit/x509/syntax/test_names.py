"""Names that all software reads alike pass; those that it takes apart differently don't."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.x509.syntax.common_names import common_name_problem
from issuer.x509.syntax.hosts import host_problem
from issuer.x509.syntax.mail import mail_problem
from issuer.x509.syntax.text import text_problem
from issuer.x509.syntax.uris import uri_problem
from tests.examples import examples

LONG = ".".join(["a" * 63] * 3 + ["b" * 61])

GOOD_HOSTS = [
    *(
        "web",
        "a.b",
        "web.lab.test",
        "WEB.Lab.Test",
        "web.lab.test.",
        "*.lab.test",
        "*.a.b.",
        "1",
        "42.lab.test",
    ),
    *("xn--bcher-kva.test", "xn--fiq228c.xn--fiqs8s", "a--b.test", "kubernetes.default.svc.cluster.local"),
    *("web.shop.svc", "1-2-3-4.shop.pod.cluster.local", "4.3.2.1.in-addr.arpa", "_acme-challenge.lab.test"),
    *("my_pod.lab.test", "e5c3f3a1-0b0f-4a0c-9f5d-2b1f3c4d5e6f.lab.test", "a.0", "a" * 63, LONG, LONG + "."),
]
BAD_HOSTS = [
    *(
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a..",
        "*",
        "*.",
        "*.test",
        "*.test.",
        "*.*.lab.test",
        "a.*.test",
        "w*.lab.test",
    ),
    *(
        "bank.com,x.lab.test",
        "bank.com x.lab.test",
        "bank.com', DNS:b.com, .lab.test",
        'a"b.test',
        "a/b.test",
    ),
    *(
        "https://bank.com/.lab.test",
        "a:80.test",
        "a@b.test",
        "a\\b.test",
        "a;b.test",
        "a%2eb.test",
        "a+b",
        "a(b",
    ),
    *(
        "-a.test",
        "a-.test",
        "a.-",
        "*.-a.test",
        "bücher.test",
        "a\u3002b.test",
        "a\u200bb.test",
        "\u212a.test",
    ),
    *(
        "10.0.0.1",
        "10.0.0.1.",
        "*.10.0.0.1",
        "010.0.0.1",
        "0x7f.0.0.1",
        "127.1",
        "1.2.3",
        "::1",
        "[::1]",
        "fe80::",
    ),
    *("a" * 64, "a" * 64 + ".test", "*." + "a" * 64 + ".test", LONG + "c", "*." + LONG + "c", "a" * 300),
]
GOOD_MAIL = [
    *(
        "ann@example.test",
        "a+b@example.test",
        "Ann.O'Neil@Example.test",
        "_x@a",
        "1@1.test",
        '"ann lee"@a.test',
    ),
    *("x@xn--bcher-kva.test", "!#$%&'*+-/=?^_`{|}~@a.test", "a" * 64 + "@a.test"),
]
BAD_MAIL = [
    *(
        "",
        "@",
        "ann",
        "ann@",
        "@a.test",
        "root@bank.com@a.test",
        '"root@bank.com"@a.test',
        "<root@bank.com>@a.test",
    ),
    *(
        "Ann <ann@a.test>",
        "ann@a.test>",
        "ann @a.test",
        "ann@a .test",
        "a..b@a.test",
        ".a@a.test",
        "a.@a.test",
    ),
    *("ann@a.test,ben@a.test", "a,b@a.test", '"a,b"@a.test', '"a"b"@a.test', '"a\\"@a.test', 'a"b@a.test'),
    *(
        "ann@[10.0.0.1]",
        "ann@10.0.0.1",
        "ann@a.test.",
        "ann@*.a.test",
        "ann@a..test",
        "ann@-a.test",
        "ann@a_b.test",
    ),
    *("mailto:ann@a.test", "é@a.test", "ann@bücher.test", "a" * 65 + "@a.test", "a@" + LONG, '""@a.test'),
]
GOOD_URIS = [
    *(
        "spiffe://td/ns/a",
        "spiffe://td",
        "spiffe://td_1.example/v1.2/..a/b../...",
        "spiffe://10/x",
        "urn:uuid:1",
    ),
    *(
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "https://u:p@h:1/p?q#f",
        "http://[::1]:80",
        "mailto:a@b",
    ),
    *(
        "https://a/%20",
        *("file:///x", "file:/x", "file://h/x", "ldap:///c=x"),
        "https://a.test/a.b/.well-known/x",
        "https://a.test?x=../..",
        "tag:a,2:b",
    ),
    *(
        "https://10.0.0.1:8443/",
        "HTTPS://A.test/X",
        "ldap://h/c=x",
        "https://a.test/%E2%82%AC",
        "https://a.test:/",
    ),
    *(
        "spiffe://cluster.local/ns/shop/sa/web",
        "sip:ann@a.test",
        "https://a.test/a;v=1/b",
        "http://[2001:db8::1]/",
    ),
    *("https://a.test/100%25", "https://a.test//x", "urn:a:b/c", "https://a.test/#a/../b"),
]
DOTS = [
    *(
        "/../x",
        "/a/..",
        "/./x",
        "/a/.",
        "/%2e%2e/x",
        "/.%2E/x",
        "/%2e/x",
        "/..%2fx",
        "/a%2f..%2fb",
        "/..%5cx",
    ),
    *("/%252e%252e/x", "/%25252e%25252e/x", "/..;/x", "/..;a=b/x", "/%2e%2e%3b/x", "/a%5c%2e%2e%5cb"),
    *("/%25uff0e%25uff0e/x", "/x%25u2025/%25U2025", "/x%25u200b", "/x%25ud800"),
    *("/%u002e%u002e/x", "/%25u002e%25u002e/x", "/%ef%bc%8e%ef%bc%8e/x", "/..%ef%bc%8fx", "/%e2%80%a5/x"),
    *("/%c0%ae%c0%ae/x", "/..%c0%afx", "/%2525252e%2525252e/x", "/..\\x"),
]
BAD_URIS = [
    *(
        "",
        "a",
        "/relative",
        "//a.test/x",
        "a b:c",
        "1:x",
        ":x",
        "https://a b/",
        "https://a./x",
        "https://a..b/",
    ),
    *(
        "https://a\\@b/",
        "https://evil.test\\.a.test/x",
        "http://[::1",
        "http://[::g]/",
        "http://[::1]x/",
        'x:"',
    ),
    *(
        "https://a/%2",
        "https://a/%zz",
        "https:///evil.test/x",
        "https:/evil.test",
        "https:evil.test",
        "https://",
    ),
    *(
        "spiffe:///ns/a",
        "https://@/x",
        "https://:80/x",
        "https://u@/x",
        "https://a@b@c/",
        "https://a.test:99999/",
    ),
    *(
        *("http://443/", "https://10.0.0a.1/", "http://u:@443/", "file://u@h/x", "file://h:80/x", "file:x"),
        *("file:,//a", "ldap://", "x://?q", "x:", "x:#f", "x:?q", "x://@", "x://:80/a"),
        "https://a.test:8o/",
        "https://bank.com,x.a.test/",
        "https://*.a.test/",
        "https://127.1/",
        "https://010.0.0.1/",
    ),
    *(
        "https://1.2.3.256/",
        "https://a%2etest/",
        "https://-a.test/",
        "https://" + "a" * 64 + "/",
        "https://a.test/<b>",
    ),
    *(
        "https://a.test/%00",
        "https://a.test/%0a",
        "https://a.test/?%0d%0aX",
        "https://a.test/#%250a",
        "urn:..:/../x",
    ),
    *(
        "https://a.test/%e2%80%8b",
        "https://a.test/%ff",
        "spiffe://td/ns/a\u200b",
        "https://bücher.test/",
        "x:a/../b",
    ),
    *("https://a.test/a#b#c", "https://a.test/[x]", "https://a.test/%250\u0660"),
    *(f"https://a.test{path}" for path in DOTS),
    *(f"spiffe://td/ns/shop{path}" for path in DOTS),
]
GOOD_COMMON_NAMES = [
    *(
        "web",
        "web.lab.test",
        "Web.Lab.Test.",
        "*.lab.test",
        "Lab Shop CA",
        "Acme, Inc.",
        "Inc.",
        "Straße 1",
        "a*b",
    ),
    *(
        "system:node:web-1",
        "system:node:ip-10-0-0-1.ec2.internal",
        "system:kube-scheduler",
        "10.0.0.1",
        "::1",
    ),
    *(
        "ann@example.test",
        "HTTP/web:80@REALM",
        "Ann Lee (dev.)",
        "*",
        "v1.2.3",
        "1.2.840.113549",
        "O'Neil",
        "a" * 300,
    ),
    *(
        "R3",
        "etcd-0.etcd.kube-system.svc",
        "front-proxy-client",
        "my_app.lab.test",
        "spiffe://td/ns/a",
        "a/b.c",
    ),
]
BAD_COMMON_NAMES = [
    *(
        "a..lab.test",
        "*.test",
        "w*.lab.test",
        "*.*.lab.test",
        "a.*",
        "-a.lab.test",
        "a" * 64 + ".test",
        LONG + "c",
    ),
    *("root@bank.com@lab.test", "spiffe://td/../x", "https://evil.test\\.lab.test", ".lab.test", "a.test.."),
]


@pytest.mark.parametrize("text", GOOD_HOSTS)
def test_host_names_pass(text: str) -> None:
    assert host_problem(text) is None


@pytest.mark.parametrize("text", BAD_HOSTS)
def test_what_is_no_host_name_does_not(text: str) -> None:
    assert host_problem(text)


@pytest.mark.parametrize("text", GOOD_MAIL)
def test_mail_addresses_pass(text: str) -> None:
    assert mail_problem(text) is None


@pytest.mark.parametrize("text", BAD_MAIL)
def test_what_is_no_mail_address_does_not(text: str) -> None:
    assert mail_problem(text)


@pytest.mark.parametrize("text", GOOD_URIS)
def test_uris_pass(text: str) -> None:
    assert uri_problem(text) is None


@pytest.mark.parametrize("text", BAD_URIS)
def test_what_is_no_uri_for_everybody_does_not(text: str) -> None:
    assert uri_problem(text)


@pytest.mark.parametrize("text", GOOD_COMMON_NAMES)
def test_common_names_pass(text: str) -> None:
    assert common_name_problem(text) is None


@pytest.mark.parametrize("text", BAD_COMMON_NAMES)
def test_common_names_that_stand_for_a_bad_name_do_not(text: str) -> None:
    assert common_name_problem(text)


@pytest.mark.parametrize(
    "text", ["Zürich 日本", "Straße 1", "", "\u00a0x", "葛\U000e0100城", "x\ufe0f", "\u3000"]
)
def test_text_that_people_see_passes(text: str) -> None:
    assert text_problem(text) is None


def test_no_invisible_character_of_this_pythons_unicode_passes() -> None:
    """Whichever it has: the table here is the newest one, so an older one lies inside it."""
    chars = map(chr, range(0x110000))
    hidden = [char for char in chars if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}]
    assert [f"U+{ord(char):04X}" for char in hidden if not text_problem(f"a{char}b")] == []
    assert text_problem("sys\u200btem:masters") == "has the invisible character U+200B in it"
    assert text_problem("a\u3164")
    assert text_problem("\U000e0041")


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="ab.*-_@:/%2eE5c\\#?[]\"' ,;0", max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    for problem in (host_problem, mail_problem, uri_problem, common_name_problem, text_problem):
        answer = problem(text)
        assert answer is None or 0 < len(answer) < 200


@settings(max_examples=examples(300), deadline=None)
@given(st.text(alphabet="ab.-*@:/%2eE5c;[]?#", max_size=60))
def test_what_passes_has_no_second_reading(text: str) -> None:
    if host_problem(text) is None:
        labels = text.removeprefix("*.").removesuffix(".").split(".")
        assert all(0 < len(label) < 64 and label.strip("-") == label and "*" not in label for label in labels)
    if mail_problem(text) is None:
        assert text.count("@") == 1
    if uri_problem(text) is None and "://" in text:
        from yarl import URL

        assert ".." not in URL(text, encoded=False).path.split("/")


@pytest.mark.parametrize("text", ["%" * 60_000, "%25" * 20_000, "a." * 30_000, "@" * 60_000, "/.." * 20_000])
def test_long_texts_are_judged_at_once(text: str) -> None:
    """Each is looked at a few times at most; a search that goes back over it would not end."""
    for problem in (host_problem, mail_problem, common_name_problem):
        assert problem(f"{text}!.a@") or problem is common_name_problem
    assert uri_problem(f"https://a.test/{text}^")
    assert uri_problem(f"https://{text}^")
