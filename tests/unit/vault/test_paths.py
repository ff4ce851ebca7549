from __future__ import annotations

import pytest

from issuer.vault.paths import Mode, PathError, SignPath, auth_mount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pki_int/sign/web", SignPath("pki_int", None, Mode.SIGN, "web")),
        ("/pki_int//sign/web/", SignPath("pki_int", None, Mode.SIGN, "web")),
        ("teams/a/pki/sign/web", SignPath("teams/a/pki", None, Mode.SIGN, "web")),
        ("pki/sign-verbatim", SignPath("pki", None, Mode.VERBATIM, None)),
        ("pki/sign-verbatim/web", SignPath("pki", None, Mode.VERBATIM, "web")),
        ("pki/issuer/new/sign/web", SignPath("pki", "new", Mode.SIGN, "web")),
        ("a/pki/issuer/new/sign-verbatim", SignPath("a/pki", "new", Mode.VERBATIM, None)),
        ("team/sign/pki/sign/web", SignPath("team/sign/pki", None, Mode.SIGN, "web")),
        ("issuer/sign/web", SignPath("issuer", None, Mode.SIGN, "web")),
    ],
)
def test_a_signing_path_is_read(text: str, expected: SignPath) -> None:
    assert SignPath.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "pki/sign",
        "sign/web",
        "pki/issue/web",
        "pki/root/sign-intermediate",
        "pki/issuer/new/sign-intermediate",
        "pki/roles/web",
        "pki/../sign/web",
        "pki/sign/web?x=1",
        "pki/sign/we%2fb",
        "pki/sign/a b",
        "pki/sign/\n",
        "v1/pki/sign/web",
        "p" * 600 + "/sign/web",
    ],
)
def test_what_is_no_signing_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        SignPath.parse(text)


def test_a_refused_path_says_which_forms_are_allowed() -> None:
    with pytest.raises(PathError, match="<mount>/sign/<role>, <mount>/sign-verbatim"):
        SignPath.parse("pki/issue/web")


@pytest.mark.parametrize("text", ["pki/sign/web", "pki/issuer/x/sign-verbatim", "a/b/sign-verbatim/r"])
def test_a_path_is_written_as_it_was_read(text: str) -> None:
    assert str(SignPath.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "mount", "issuer_ref"),
    [
        ("pki/root/sign-intermediate", "pki", None),
        ("teams/a/pki/root/sign-intermediate", "teams/a/pki", None),
        ("pki/issuer/new/sign-intermediate", "pki", "new"),
        ("issuer/root/sign-intermediate", "issuer", None),
    ],
)
def test_a_path_that_signs_cas_is_read_and_written(text: str, mount: str, issuer_ref: str | None) -> None:
    found = SignPath.parse_authority(text)
    assert (found.mount, found.issuer_ref, found.mode) == (mount, issuer_ref, Mode.INTERMEDIATE)
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    ["", "pki/sign/web", "pki/sign-intermediate", "root/sign-intermediate", "v1/pki/root/sign-intermediate"],
)
def test_what_does_not_sign_cas_is_refused_with_the_forms_that_do(text: str) -> None:
    with pytest.raises(PathError, match=r"sign-intermediate|empty"):
        SignPath.parse_authority(text)


def test_a_path_that_signs_cas_belongs_elsewhere() -> None:
    with pytest.raises(PathError, match=r"spec\.certificateAuthority\.path"):
        SignPath.parse("pki/root/sign-intermediate")


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("approle", "approle"),
        ("/v1/auth/kubernetes", "kubernetes"),
        ("auth/kubernetes/", "kubernetes"),
        ("/v1/auth/team/k8s", "team/k8s"),
        ("team/k8s", "team/k8s"),
    ],
)
def test_an_auth_mount_is_read_in_every_form(text: str, mount: str) -> None:
    assert auth_mount(text) == mount


@pytest.mark.parametrize("text", ["", "/v1/ns/auth/kubernetes", "/v1/", "../auth/x"])
def test_what_is_no_auth_mount_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        auth_mount(text)
