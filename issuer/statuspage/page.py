"""The whole document around the parts, complete without a script; and the login form. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from issuer.statuspage.html import Html, Part, join, moment, tag
from issuer.statuspage.model import LONGEST_TEXT, Query
from issuer.statuspage.sections import Sections

TITLE: Final = "vault-issuer: status"


def document(parts: Sections, query: Query, at: datetime, user: str | None) -> Html:
    """Return the page; `user` is who logged in, None if there is no login."""
    return _html(
        tag("a", "Skip to what there is", href="#main", class_="skip"),
        tag("header", _brand(), _controls(at, user), class_="top"),
        tag(
            "main",
            parts["verdict"],
            parts["now"],
            parts["issuers"],
            parts["expiring"],
            tag(
                "section",
                tag("h2", "Requests", id="requests-title"),
                _search(query),
                parts["requests"],
                aria_labelledby="requests-title",
                class_="asked",
            ),
            id="main",
            tabindex="-1",
        ),
        tag("footer", parts["about"]),
        script=True,
    )


def login(problem: str = "") -> Html:
    """Return the form that takes a token."""
    alert = tag("p", problem, role="alert", class_="problem") if problem else None
    return _html(
        tag("header", _brand(), class_="top"),
        tag(
            "main",
            tag(
                "form",
                tag("h1", "Log in"),
                alert,
                tag("label", "A token of the cluster", for_="token"),
                tag(
                    "input",
                    id="token",
                    name="token",
                    type="password",
                    required=True,
                    autocomplete="off",
                    spellcheck="false",
                    autofocus=True,
                ),
                tag("button", "Look"),
                tag(
                    "p",
                    "For example one for ten minutes: ",
                    tag("code", "kubectl create token NAME --namespace NAMESPACE --duration 10m"),
                    ". It is shown to the API server once and not kept.",
                ),
                method="post",
                action="login",
            ),
            id="main",
            class_="login",
        ),
        script=False,
    )


def _html(*body: Part, script: bool) -> Html:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", TITLE),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("link", rel="icon", href="static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="static/status.css"),
        tag("script", src="static/status.js", defer=True) if script else None,
    )
    return Html(f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n")


def _brand() -> Html:
    return tag("p", tag("b", "vault-issuer"), " status", class_="brand")


def _controls(at: datetime, user: str | None) -> Html:
    leave = None
    if user is not None:
        leave = tag("form", tag("button", "Log out", title=f"You are {user}"), method="post", action="logout")
    return tag(
        "div",
        tag("p", join("As of ", moment(at, at)), id="live"),
        # The script shows it: without one there is nothing to pause.
        tag("button", "Pause", id="pause", type="button", hidden=True),
        leave,
        class_="controls",
    )


def _search(query: Query) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name="state", value=query.state),
        tag("label", "Search", for_="q"),
        tag(
            "input",
            id="q",
            name="q",
            type="search",
            value=query.text,
            maxlength=LONGEST_TEXT,
            placeholder="name, issuer, requester or reason",
            autocomplete="off",
            spellcheck="false",
        ),
        tag("button", "Search"),
        method="get",
        action="./",
        role="search",
        id="search",
    )
