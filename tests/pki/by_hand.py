"""A PKI that somebody set up by hand, by calls of Vault's API: every kind of thing that `pki.yaml` knows."""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.pki.cas import FileCA, root
from tests.pki.support import Vault

SECRET_JWT: Final = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJieS1oYW5kIn0.c2lnbmF0dXJl"


def set_up(vault: Vault) -> None:
    """Set all of it up below the test's prefix."""
    _roots(vault)
    _intermediates(vault)
    _engine(vault)
    _roles(vault)
    _policies(vault)
    _auth(vault)


def _mount(vault: Vault, name: str, description: str = "", **config: Any) -> str:
    path = f"{vault.name}-{name}"
    vault.bao.call(
        "POST", f"sys/mounts/{path}", {"type": "pki", "description": description, "config": config}
    )
    return path


def _roots(vault: Vault) -> None:
    """A root with a name, one without, and an imported CA below a root that Vault doesn't have the key of."""
    mount = _mount(
        vault, "root", "Root: don't touch", max_lease_ttl="87600h", audit_non_hmac_request_keys=["csr"]
    )
    vault.bao.write(
        f"{mount}/root/generate/internal",
        {
            "common_name": "Hand Root CA",
            "issuer_name": "hand-root",
            "organization": ["Hand", "Made"],
            "country": "CH",
            "ttl": "87600h",
            "key_type": "rsa",
            "key_bits": 2048,
            "permitted_dns_domains": "example.test,lab.example.test",
        },
    )
    nameless = {"common_name": "Nameless Root", "ttl": "40000h", "key_type": "ec"}
    vault.bao.write(f"{mount}/root/generate/internal", nameless)
    mount = _mount(vault, "imported", max_lease_ttl="43800h")
    above = root("Elsewhere Root CA")
    below = above.below("Elsewhere Intermediate CA")
    bundle = {"pem_bundle": below.pem + below.key_pem() + above.pem}
    mapping = vault.bao.write(f"{mount}/issuers/import/bundle", bundle)["mapping"]
    named = next(issuer for issuer, key in mapping.items() if key)
    vault.bao.write(f"{mount}/issuer/{named}", {"issuer_name": "elsewhere"})


def _intermediates(vault: Vault) -> None:
    """Two issuers of one key (cross-signed), one without a name, one that retires, one signed outside."""
    mount, upper = _mount(vault, "int", max_lease_ttl="43800h"), f"{vault.name}-root"
    common = "Hand Intermediate CA"
    request = {"common_name": common, "key_name": "hand-key", "key_type": "ec", "key_bits": 256}
    answer = vault.bao.write(f"{mount}/intermediate/generate/internal", request)
    other = next(one for one, info in vault.issuers(upper).items() if not info["issuer_name"])
    for name, signer in (("hand-int", "hand-root"), ("hand-cross", other)):
        body = {"csr": answer["csr"], "ttl": "26280h", "max_path_length": 0, "common_name": common}
        signed = vault.bao.write(f"{upper}/issuer/{signer}/sign-intermediate", body)
        _installed(vault, mount, signed["certificate"], answer["key_id"], name)
    for name, common in (("", "Nameless Intermediate CA"), ("hand-old", "Retired CA")):
        answer = vault.bao.write(
            f"{mount}/intermediate/generate/internal", {"common_name": common, "key_type": "ec"}
        )
        body = {"csr": answer["csr"], "ttl": "8760h", "format": "pem_bundle", "common_name": common}
        signed = vault.bao.write(f"{upper}/issuer/hand-root/sign-intermediate", body)
        _installed(vault, mount, signed["certificate"], answer["key_id"], name)
    vault.bao.write(
        f"{mount}/issuer/hand-old",
        {
            "issuer_name": "hand-old",
            "usage": "read-only,crl-signing,ocsp-signing",
            "leaf_not_after_behavior": "truncate",
            "crl_distribution_points": "http://old.example.test/crl",
        },
    )
    answer = vault.bao.write(
        f"{mount}/intermediate/generate/internal", {"common_name": "Outside CA", "key_type": "ec"}
    )
    offline: FileCA = root("Offline Root CA")
    _installed(vault, mount, offline.sign(answer["csr"]), answer["key_id"], "hand-offline")
    vault.bao.write(f"{mount}/config/issuers", {"default": "hand-int"})


def _installed(vault: Vault, mount: str, certificate: str, key_id: str, name: str) -> None:
    before = set(vault.issuers(mount))
    vault.bao.write(f"{mount}/intermediate/set-signed", {"certificate": certificate})
    found = vault.issuers(mount)
    new = [one for one, info in found.items() if one not in before and info["key_id"] == key_id]
    if name:
        vault.bao.write(f"{mount}/issuer/{new[0]}", {"issuer_name": name})


def _engine(vault: Vault) -> None:
    """Templated URLs, CRL, tidy and ACME of one mount; open ACME, which a file refuses, of another."""
    mount = f"{vault.name}-int"
    address = f"http://vault.example.test:8200/v1/{mount}"
    vault.bao.write(f"{mount}/config/cluster", {"path": address, "aia_path": address})
    urls = {
        "enable_templating": True,
        "issuing_certificates": "{{cluster_aia_path}}/issuer/{{issuer_id}}/der",
        "crl_distribution_points": ["{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/der"],
        "ocsp_servers": "{{cluster_path}}/ocsp",
    }
    vault.bao.write(f"{mount}/config/urls", urls)
    vault.bao.write(f"{mount}/config/crl", {"expiry": "96h", "auto_rebuild": True, "enable_delta": True})
    tidy = {"enabled": True, "tidy_cert_store": True, "interval_duration": "24h", "safety_buffer": "48h"}
    vault.bao.write(f"{mount}/config/auto-tidy", tidy)
    open_acme = _mount(vault, "open-acme")
    address = f"http://vault.example.test:8200/v1/{open_acme}"
    vault.bao.write(f"{open_acme}/config/cluster", {"path": address})
    vault.bao.write(f"{open_acme}/config/acme", {"enabled": True})


def _roles(vault: Vault) -> None:
    """Roles with odd fields, one of which asks for more than its mount gives."""
    mount = f"{vault.name}-int"
    roles: dict[str, dict[str, Any]] = {
        "plain": {},
        "web": {
            "allowed_domains": "example.test,lab.example.test",
            "allow_subdomains": True,
            "max_ttl": "720h",
        },
        "odd": {
            "allow_any_name": True,
            "enforce_hostnames": False,
            "allowed_uri_sans": ["spiffe://example.test/*"],
            "allowed_other_sans": "1.3.6.1.4.1.311.20.2.3;utf8:*@example.test",
            "allowed_ip_sans_cidr": "10.0.0.0/8",
            "key_type": "any",
            "key_bits": 0,
            "signature_bits": 384,
            "key_usage": [],
            "ext_key_usage": "OCSPSigning",
            "ext_key_usage_oids": "1.3.6.1.5.5.7.3.17",
            "policy_identifiers": ["2.23.140.1.2.1"],
            "not_before_duration": "5m",
            "no_store": True,
            "server_flag": False,
            "client_flag": False,
            "ou": "a,b",
            "issuer_ref": "hand-old",
            "cn_validations": "disabled",
        },
        "cross": {"allowed_domains": "example.test", "issuer_ref": "hand-cross", "key_type": "ed25519"},
        "years": {"allowed_domains": "example.test", "max_ttl": "87600h"},
        "template": {"allowed_domains": "${NAMESPACE}.example.test", "not_after": "2030-01-01T00:00:00Z"},
    }
    for name, fields in roles.items():
        vault.bao.call("POST", f"{mount}/roles/{name}", fields)
    acme = {
        "enabled": True,
        "default_directory_policy": "role:web",
        "allowed_roles": "web",
        "allowed_issuers": ["hand-int"],
        "eab_policy": "always-required",
    }
    vault.bao.write(f"{mount}/config/acme", acme)


def _policies(vault: Vault) -> None:
    name = vault.name
    texts = {
        "sign": f'# Signs ${{NAMESPACE}}\npath "{name}-int/sign/web" {{\n  capabilities = ["update"]\n}}\n',
        "json": f'{{"path":{{"{name}-int/*":{{"capabilities":["read","list"]}}}}}}',
        "other": 'path "kv/*" {\n  capabilities = ["read"]\n}\n',
    }
    for policy, text in texts.items():
        vault.bao.call("PUT", f"sys/policies/acl/{name}-{policy}", {"policy": text})


def _auth(vault: Vault) -> None:
    """All kinds of auth methods, and one that a file doesn't know."""
    name, policy = vault.name, f"{vault.name}-sign"
    for kind in ("kubernetes", "approle", "cert", "jwt", "userpass"):
        body = {"type": kind, "description": f"{kind} by hand", "config": {"max_lease_ttl": "2h"}}
        vault.bao.call("POST", f"sys/auth/{name}-{kind}", body)
    vault.bao.write(
        f"auth/{name}-kubernetes/config",
        {
            "kubernetes_host": "https://kubernetes.example.test:6443",
            "kubernetes_ca_cert": vault.bao.ca_pem,
            "token_reviewer_jwt": SECRET_JWT,
            "disable_local_ca_jwt": True,
        },
    )
    key = root("JWT").key.public_key()
    public_key = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    vault.bao.write(
        f"auth/{name}-jwt/config",
        {"jwt_validation_pubkeys": [public_key.decode()], "bound_issuer": "https://issuer.example.test"},
    )
    roles: dict[str, dict[str, Any]] = {
        "kubernetes/role/cert-manager": {
            "bound_service_account_names": "cert-manager",
            "bound_service_account_namespaces": ["cert-manager"],
            "policies": policy,
            "ttl": "87600h",
            "audience": "vault",
        },
        "approle/role/app": {
            "token_policies": policy,
            "token_period": "1h",
            "token_bound_cidrs": "127.0.0.1/32",
            "secret_id_bound_cidrs": ["127.0.0.1/32", "10.0.0.0/8"],
            "secret_id_ttl": "24h",
            "secret_id_num_uses": 3,
        },
        "approle/role/no-secret": {
            "policies": policy, "bind_secret_id": False, "token_type": "batch",
            "token_bound_cidrs": "127.0.0.0/8",
        },
        "approle/role/other": {"token_policies": f"{name}-other"},
        "cert/certs/machine": {
            "certificate": vault.certificate(f"{name}-root", "hand-root").public_bytes(Encoding.PEM).decode(),
            "allowed_dns_sans": "*.example.test",
            "token_policies": [policy, f"{name}-json"],
            "token_ttl": 600,
        },
        "jwt/role/ci": {
            "role_type": "jwt",
            "bound_audiences": ["vault"],
            "user_claim": "sub",
            "bound_claims": {"repository": ["a/b", "c/d"], "ref": "refs/heads/main"},
            "claim_mappings": {"repository": "repository"},
            "token_policies": policy,
            "token_explicit_max_ttl": "30m",
        },
    }  # fmt: skip
    for path, body in roles.items():
        vault.bao.write(f"auth/{name}-{path}", body)
    vault.bao.write(f"auth/{name}-userpass/users/{name}", {"password": SECRET_JWT, "token_policies": policy})
