"""`pki.yaml`: overlays, variables, and every problem with file and line before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.file.model import Part
from issuer.pki.file.reading import LoadedFile, load
from tests.pki.files import TWO_TIER

ENVIRONMENT = {"T": "t"}
Load = Callable[..., LoadedFile]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def read(*texts: str, **environment: str) -> LoadedFile:
        paths = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}.yaml"
            path.write_text(text)
            paths.append(str(path))
        return load(paths, {**ENVIRONMENT, **environment})

    return read


def refusal(loaded: Load, *texts: str) -> str:
    with pytest.raises(BadInput) as caught:
        loaded(*texts)
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert old in TWO_TIER
    return TWO_TIER.replace(old, new)


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def test_a_file_is_read_with_places(loaded: Load) -> None:
    read = loaded(TWO_TIER)
    assert set(read.file.mounts) == {"t-int"}
    place = read.places.of("mounts", "t-int", "roles", "web", "max_ttl")
    assert place.line == line_of(TWO_TIER, "max_ttl: 30d")


def test_overlays_merge_maps_replace_lists_and_remove_by_null(loaded: Load) -> None:
    over = "mounts:\n  ${T}-int:\n    acme: null\n    autoTidy: null\n    crl: {expiry: 24h}\n"
    read = loaded(TWO_TIER, over)
    mount = read.file.mounts["t-int"]
    assert mount.auto_tidy is None
    assert mount.crl == {"auto_rebuild": True, "enable_delta": True, "expiry": "24h"}
    assert read.places.of("mounts", "t-int", "crl", "expiry").source.endswith("1.yaml")


def test_a_variable_that_is_not_set_is_refused_with_its_line(loaded: Load) -> None:
    text = changed("commonName: Example Root CA", "commonName: '${NAME_OF_ROOT}'")
    said = refusal(loaded, text)
    assert f"0.yaml:{line_of(text, 'NAME_OF_ROOT')} " in said
    assert "NAME_OF_ROOT is not set" in said


def test_two_dollars_stand_for_one(loaded: Load) -> None:
    text = changed("description: Root CA", "description: '$${NAME}'")
    assert loaded(text).file.foundation.mounts["t-root"].description == "${NAME}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("exclusive: true", "exclusiv: true", "exclusiv: is not a known key"),
        ("signedBy: ${T}-root-2026", "signedBy: nobody", "no authority nobody is in the file"),
        ("    lifetime: 1825d\n", "    lifetime: 87601h\n", "outlives t-root-2026"),
        ("    maxPathLength: 1\n", "    maxPathLength: 0\n", "so no CA may follow below it"),
        ("    maxPathLength: 0\n", "", "give t-int-2026 maxPathLength 0 or less"),
        ("max_ttl: 30d", "max_ttl: 2000d", "longer than the mount's max_lease_ttl"),
        ("ttl: 24h\n", "ttl: 40d\n", "longer than the role's max_ttl"),
        ("tune: {max_lease_ttl: 87600h}", "tune: {}", "longer than mount t-root signs (768h)"),
        ("mount: ${T}-root\n", "mount: elsewhere\n", "no mount elsewhere is in the file"),
        ("defaultIssuer: ${T}-int-2026", "defaultIssuer: other", "no authority other with mount: t-int"),
        ("      path: http://vault.example.test:8200/v1/${T}-int\n", "", "templated URLs need cluster.path"),
        ("    signedBy: ${T}-root-2026\n", "", "belongs below foundation"),
        ("lifetime: 87600h", "lifetime: soon", "is not a lifetime"),
        ("lifetime: 87600h", "lifetime: 10y", "write for example 720h or 30d (a year is 8760h)"),
        ("lifetime: 87600h", "lifetime: 9999999d", "is longer than Vault can count, about 292 years"),
        ("lifetime: 87600h", "lifetime: 99999999999999999999", "is longer than Vault can count"),
        ("version: 1", "version: 2", "version: is no version that this vault-issuer reads; write version: 1"),
        ("version: 1", "version: 1\nversion: 1", "given twice"),
        ("ttl: 24h\n", "issuer_ref: gone\n", "no authority gone with mount: t-int"),
        ("version: 1", "version: 1\nprefix: zz-", "doesn't begin with the file's prefix zz-"),
    ],
)
def test_a_contradiction_is_refused_with_file_and_line(loaded: Load, old: str, new: str, said: str) -> None:
    message = refusal(loaded, changed(old, new))
    assert said in message
    assert all("0.yaml:" in line or "line " in line for line in message.splitlines()), message


CRL, TIDY = "crl: {auto_rebuild: true, enable_delta: true, expiry: 3d}", "autoTidy: {enabled: true, "
CERTS = "tidy_cert_store: true, tidy_revoked_certs: true, interval_duration: 12h}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (CRL, "crl: {enable_delta: true}", "crl.enable_delta: delta CRLs need auto_rebuild"),
        (
            CRL,
            "crl: {auto_rebuild: true, expiry: 12h}",
            "crl.expiry: auto_rebuild_grace_period must be shorter",
        ),
        (CRL, CRL.replace("}", ", delta_rebuild_interval: 72h}"), "crl.delta_rebuild_interval: delta_"),
        (CRL, "crl: {expiry: soon}", "crl.expiry: is not a lifetime"),
        (CRL, "crl: {expiry: 2700000h}", "crl.expiry: is longer than Vault can count"),
        (CERTS, "tidy_revocation_list: true}", "tidy_revocation_list: Vault takes and ignores it"),
        (TIDY + CERTS, TIDY + "tidy_cert_store: false}", "autoTidy: is enabled and tidies nothing"),
        (TIDY + CERTS, TIDY + CERTS.replace("12h", "often"), "autoTidy.interval_duration: is not a lifetime"),
        (
            "max_lease_ttl: 1825d\n",
            "max_lease_ttl: 1825d\n      default_lease_ttl: 1826d\n",
            "is longer than max_",
        ),
        (
            "token_ttl: 20m",
            "token_ttl: 20m, token_max_ttl: 10m",
            "roles.web.token_ttl: is longer than token_max",
        ),
        ("token_ttl: 20m", "token_ttl: 20m, ttl: 10m", "roles.web.ttl: is an older name of token_ttl, which"),
        ("secret_id_ttl: 24h", "secret_id_ttl: daily", "roles.web.secret_id_ttl: is not a lifetime"),
        ("secret_id_ttl: 24h", "secret_id_ttl: -24h", "roles.web.secret_id_ttl: must not be negative"),
        ("max_ttl: 30d", "max_ttl: -5", "roles.web.max_ttl: must not be negative; write for example 720h"),
        ("max_ttl: 30d", "not_before_duration: -30s", "roles.web.not_before_duration: must not be negative"),
        (CERTS, CERTS.replace("12h", "-12h"), "autoTidy.interval_duration: must not be negative"),
        (
            "max_ttl: 30d",
            "not_after: '2030-01-31'",
            "roles.web.not_after: is no date that Vault reads; write",
        ),
        ("max_ttl: 30d", "not_after: '2030-02-30T00:00:00Z'", "roles.web.not_after: is no date that Vault"),
        ("max_ttl: 30d", "not_before: soon", "roles.web.not_before: is no date that Vault reads; write for"),
        (
            "    maxPathLength: 1\n",
            "    maxPathLength: 1\n      settings: {enable_aia_url_templating: true}\n",
            "t-root-2026.settings: templated URLs need cluster.path and cluster.aia_path of mount t-root",
        ),
        (
            "    maxPathLength: 0\n",
            "    maxPathLength: 0\n    settings: {usage: 'read-only, crl-signing'}\n",
            "defaultIssuer: t-int-2026 may not sign, as its settings.usage lacks issuing-certificates",
        ),
    ],
)
def test_what_vault_would_refuse_half_way_is_refused_before(
    loaded: Load, old: str, new: str, said: str
) -> None:
    message = refusal(loaded, changed(old, new))
    assert said in message
    assert message.startswith(f"{message.partition('0.yaml:')[0]}0.yaml:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "key: {type: ec, bits: 256}",
            "key: {type: ec, bits: 100}",
            "key.bits: a key of type ec has 224",
        ),
        (
            "key: {type: ec, bits: 256}",
            "key: {type: rsa, bits: 1024}",
            "key.bits: a key of type rsa has 20",
        ),
        ("key_type: ec", "key_type: foo", "roles.web.key_type: is no type of key; write one of rsa, ec, ed"),
        ("key_type: ec", "key_type: ec\n        key_bits: 77", "roles.web.key_bits: a key of type ec has"),
        ("key_type: ec", "key_bits: '1024'", "roles.web.key_bits: a key of type rsa has 2048"),
        ("key_type: ec", "key_type: ec\n        key_bits: -256", "roles.web.key_bits: a key of type ec has"),
    ],
)
def test_a_key_that_no_server_has_is_refused_with_its_line(
    loaded: Load, old: str, new: str, said: str
) -> None:
    text = changed(old, new)
    message = refusal(loaded, text)
    assert said in message
    assert f"0.yaml:{line_of(text, new.splitlines()[-1].strip())} " in message


@pytest.mark.parametrize(
    "fields",
    [
        *("key_type: any, key_bits: 77", "key_type: ed25519, key_bits: 256", "key_type: ec, key_bits: 0"),
        *("key_bits: '2048'", "key_type: rsa, key_bits: 8192", "key_type: ec, key_bits: 224", ""),
    ],
)
def test_keys_that_a_server_has_are_taken(loaded: Load, fields: str) -> None:
    assert loaded(f"mounts: {{m: {{roles: {{r: {{{fields}}}}}}}}}\n").file.mounts["m"].roles["r"] is not None


def test_the_key_of_a_ca_that_is_there_may_have_any_size(loaded: Load) -> None:
    text = "mounts: {m: {}}\nauthorities: {a: {mount: m, existing: true, key: {type: rsa, bits: 5120}}}\n"
    assert loaded(text).file.authorities["a"].key.bits == 5120


def with_policy(rules: str) -> str:
    return f"foundation:\n  policies:\n    p:\n      text: {json.dumps(rules)}\n"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("path {{{", "{ in line 1 of the text is never closed; add }"),
        ('path "a" {\n  capabilities = ["read"]\n}\n}', "} in line 4 of the text closes nothing"),
        ('path "a" {\n  capabilities = ["read"\n}', "} in line 3 of the text closes nothing"),
        ('path "a {\n  capabilities = ["read"]\n}', "a quotation in line 1 of the text doesn't end there"),
        ('path "a" {}\n# }\npath "b', "a quotation in line 3 of the text doesn't end there"),
        ('{"path": {"a": {"capabilities": ["read"]}}', "{ in line 1 of the text is never closed"),
        ('path "a\\" {}', "a quotation in line 1"),
        (" \n", "is empty; write the rules"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(loaded: Load, rules: str, said: str) -> None:
    message = refusal(loaded, with_policy(rules))
    assert "0.yaml:4 foundation.policies.p.text: " in message
    assert said in message


@pytest.mark.parametrize(
    "rules",
    [
        'path "a{b" { capabilities = ["read"] } # "}{',
        '// it\'s {\n/* " { */ path "secret/\\"x" { capabilities = ["read"] }\n',
        'path "{{identity.entity.id}}/*" {\n  allowed_parameters = { "a" = ["1"] }\n}',
        '{"path": {"a/*": {"capabilities": ["read"]}}}',
        'path "a" { comment = <<EOF\n{ "\nEOF\n}',
        'path "$${f("x{")}" { capabilities = ["read"] }',
        "# nothing yet",
    ],
)
def test_what_may_be_a_policy_is_left_to_the_server(loaded: Load, rules: str) -> None:
    assert loaded(with_policy(rules)).file.foundation.policies["p"].text


@pytest.mark.parametrize(
    "crl",
    [
        "{auto_rebuild: true, expiry: 13h}",
        "{expiry: 6h}",
        "{auto_rebuild: true, enable_delta: 'false', expiry: '90000'}",
        "{auto_rebuild: true, auto_rebuild_grace_period: 1h, expiry: 2h, ocsp_expiry: ''}",
    ],
)
def test_crls_that_vault_takes_are_taken(loaded: Load, crl: str) -> None:
    assert loaded(changed(CRL, f"crl: {crl}")).file.mounts["t-int"].crl


@pytest.mark.parametrize(
    "on", ["true", "'true'", "'True'", "'TRUE'", "1", "'1'", "'t'", "'T'", "' true'", "on"]
)
def test_acme_is_refused_unless_it_is_closed(loaded: Load, on: str) -> None:
    message = refusal(loaded, changed("    crl: {auto", f"    acme: {{enabled: {on}}}\n    crl: {{auto"))
    for said in ("role:NAME or forbid", "always-required", "allowed_roles", "allowed_issuers"):
        assert said in message


@pytest.mark.parametrize("off", ["false", "'false'", "'False'", "0", "'f'", "null"])
def test_acme_that_is_off_needs_nothing_more(loaded: Load, off: str) -> None:
    text = changed("    crl: {auto", f"    acme: {{enabled: {off}}}\n    crl: {{auto")
    assert loaded(text).file.mounts


def test_acme_needs_the_name_of_a_role(loaded: Load) -> None:
    more = "    acme: {enabled: true, default_directory_policy: 'role:'}\n    crl: {auto"
    assert "role:NAME or forbid" in refusal(loaded, changed("    crl: {auto", more))


CLOSED = (
    "acme: {enabled: true, default_directory_policy: 'role:web', allowed_roles: 'web, api',"
    " allowed_issuers: ['${T}-int-2026'], eab_policy: always-required}"
)


def with_acme(acme: str) -> str:
    return changed("    crl: {auto", f"    {acme}\n    crl: {{auto")


def test_closed_acme_is_taken(loaded: Load) -> None:
    assert loaded(with_acme(CLOSED)).file.mounts["t-int"].acme
    assert loaded(with_acme(CLOSED.replace("'role:web'", "forbid"))).file.mounts["t-int"].acme


def test_the_default_role_of_acme_is_allowed(loaded: Load) -> None:
    said = refusal(loaded, with_acme(CLOSED.replace("'web, api'", "[api]")))
    assert "acme.default_directory_policy: allowed_roles doesn't have web; add it there" in said


def test_a_role_of_acme_stores_its_certificates(loaded: Load) -> None:
    text = with_acme(CLOSED).replace("        ttl: 24h\n", "        ttl: 24h\n        no_store: true\n")
    said = refusal(loaded, text)
    assert f"0.yaml:{line_of(text, 'no_store')} mounts.t-int.roles.web.no_store: ACME uses the role" in said


def test_names_outside_of_the_signers_are_refused(loaded: Load) -> None:
    text = changed(
        "      maxPathLength: 1\n", "      maxPathLength: 1\n      permittedDNSDomains: [a.test]\n"
    )
    text = text.replace("    maxPathLength: 0\n", "    maxPathLength: 0\n    permittedDNSDomains: [b.test]\n")
    said = refusal(loaded, text)
    assert f"0.yaml:{line_of(text, 'b.test')} authorities.t-int-2026.permittedDNSDomains:" in said
    assert "b.test is outside of what t-root-2026, its signer, permits" in said


@pytest.mark.parametrize(
    ("kind", "field"), [("kubernetes", "token_reviewer_jwt"), ("jwt", "oidc_client_secret")]
)
@pytest.mark.parametrize("value", ["[hvs.SECRET]", "{a: hvs.SECRET}", "17293", "true"])
def test_a_secret_that_is_no_text_is_refused_and_not_shown(
    loaded: Load, kind: str, field: str, value: str
) -> None:
    text = f"foundation:\n  auth:\n    a:\n      type: {kind}\n      config:\n        {field}: {value}\n"
    said = refusal(loaded, text)
    assert f"0.yaml:6 foundation.auth.a.config.{field}: must be text" in said
    assert "SECRET" not in said
    assert "17293" not in said


def test_a_passphrase_that_is_no_text_is_refused_and_not_shown(loaded: Load) -> None:
    bundle = "import: {bundle: b.pem, passphrase: [SECRET]}"
    said = refusal(loaded, f"foundation: {{authorities: {{a: {{mount: m, {bundle}}}}}}}\n")
    assert "foundation.authorities.a.import.passphrase: must be text" in said
    assert "SECRET" not in said


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n{}\n"])
def test_an_empty_file_is_refused(loaded: Load, text: str) -> None:
    assert "0.yaml is empty; write what Vault is to hold" in refusal(loaded, text)
    assert loaded(TWO_TIER, text).file.mounts


def test_aliases_of_aliases_are_bounded(loaded: Load) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 8)]
    assert "more than" in refusal(loaded, "\n".join(lines))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mounts:\n  m: &a\n    urls: {b: *a}\n", "0.yaml:3 an alias stands inside of what it names"),
        ("mounts:\n- &a\n  - *a\n", "0.yaml:2 an alias stands inside of what it names"),
        ("mounts: {}\n\0", "0.yaml:2 is no text in UTF-8; name a YAML file"),
    ],
)
def test_what_is_no_yaml_of_ours_is_told_with_its_line(loaded: Load, text: str, said: str) -> None:
    assert said in refusal(loaded, text)


def test_a_binary_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.p12").write_bytes(b"0\x82\n\x01")
    with pytest.raises(BadInput, match=r"ca\.p12:1 is no text in UTF-8"):
        load([str(tmp_path / "ca.p12")], {})


def test_variables_of_a_foundation_that_is_not_applied_may_be_unset(tmp_path: Path) -> None:
    file = tmp_path / "pki.yaml"
    file.write_text(
        "foundation: {policies: {p: {text: 'path \"${FOUNDATION}\" {}'}}}\n"
        "mounts: {m: {description: '${AUTOMATION}'}}\n"
    )
    with pytest.raises(BadInput, match="AUTOMATION is not set"):
        load([str(file)], {}, {Part.AUTOMATION})
    with pytest.raises(BadInput, match="FOUNDATION is not set"):
        load([str(file)], {"AUTOMATION": "a"})
    loaded = load([str(file)], {"AUTOMATION": "a"}, {Part.AUTOMATION})
    assert loaded.file.mounts["m"].description == "a"


@pytest.mark.parametrize("kind", ["sign", "issue", "revoke", "read", "signIntermediate", "protect"])
@pytest.mark.parametrize("role", ['web" { capabilities = ["sudo"] } path "*', "*", "+", "../x", "a\\nb"])
def test_a_grant_brings_no_rules_of_its_own(loaded: Load, kind: str, role: str) -> None:
    text = f"foundation: {{policies: {{p: {{generate: {{{kind}: ['${{WHERE}}']}}}}}}}}\n"
    with pytest.raises(BadInput) as refused:
        loaded(text, WHERE=f"pki_int/{role}")
    assert "0.yaml:1 foundation.policies.p.generate" in str(refused.value)


def test_a_grant_of_a_role_names_it(loaded: Load) -> None:
    with pytest.raises(BadInput, match="is not MOUNT/ROLE, such as pki_int/web"):
        loaded("foundation: {policies: {p: {generate: {sign: [pki_int]}}}}\n")


def test_a_part_of_the_file_is_written_with_its_variables(loaded: Load) -> None:
    text = "mounts: {'pki_${E}': {tune: {}, roles: {'${E}-web': {max_ttl: 1h}, plain: {}}}}\n"
    places = loaded(text, E="test").places
    fix = {"mounts": {"pki_test": {"roles": {"test-web": {"ttl": "5m"}, "plain": {}, "new": {}}}}}
    roles = {"${E}-web": {"ttl": "5m"}, "plain": {}, "new": {}}
    assert places.as_written(fix) == {"mounts": {"pki_${E}": {"roles": roles}}}
