"""Certificates by feature, and the issuers and policy they need.

A case is what a user writes in a Certificate's spec. Nothing is expected of a case by hand: `as_asked` holds
the delivered certificate against the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Object
from testbed.samples import (
    EVERYBODY,
    everything_policy,
    policy,
    use_binding,
    vault_cluster_issuer,
)
from testbed.vaultpki import DOMAIN, PkiLayout, setup_role, setup_token
from tests.integration.support.common import secret, token_auth, wait_ready

SIGN, VERBATIM = "sign", "verbatim"
MODES: Final = (SIGN, VERBATIM)
UPN: Final = "1.3.6.1.4.1.311.20.2.3"
ISSUER: Final = {SIGN: "features-sign", VERBATIM: "features-verbatim"}
USAGES_ISSUER: Final = "features-sign-usages"
PATHS: Final = {
    ISSUER[SIGN]: "pki_int/sign/features",
    USAGES_ISSUER: "pki_int/sign/features-usages",
    ISSUER[VERBATIM]: "pki_int/sign-verbatim",
}
AUTHORITY: Final = {"path": "pki/root/sign-intermediate", "maxPathLength": 1}
ROLE: Final[dict[str, Any]] = {
    "allow_any_name": True,
    "enforce_hostnames": False,
    "cn_validations": ["disabled"],
    "require_cn": False,
    "use_csr_common_name": True,
    "use_csr_sans": True,
    "allow_wildcard_certificates": True,
    "allow_ip_sans": True,
    "allowed_uri_sans": ["*"],
    "allowed_other_sans": ["*"],
    "allowed_serial_numbers": ["*"],
    "allowed_user_ids": ["*"],
    "key_type": "any",
    "key_usage": ["DigitalSignature", "KeyEncipherment"],
    "server_flag": False,
    "client_flag": False,
    "ext_key_usage": [],
    "max_ttl": "9000h",
}
"""A role that lets every feature through; docs/features.md shows the same."""
USAGES_OF_ROLE: Final = {
    "key_usage": ["DigitalSignature", "DataEncipherment"],
    "server_flag": True,
    "client_flag": True,
}
LONGEST_LABEL: Final = "l" * 63
LONGEST_NAME: Final = f"{'.'.join('abc'[index] * 63 for index in range(3))}.{'d' * 43}.{DOMAIN}"
RSA_DEFAULT: Final[dict[str, Any]] = {}
EC: Final = {"algorithm": "ECDSA"}
ED25519: Final = {"algorithm": "Ed25519"}


@dataclass(frozen=True, slots=True)
class Case:
    """A Certificate: `spec` without secretName and issuerRef; `modes` where it can be had in full."""

    name: str
    spec: Mapping[str, Any]
    modes: tuple[str, ...] = MODES
    issuers: Mapping[str, str] = field(default_factory=lambda: ISSUER)

    def certificate(self, mode: str, namespace: str) -> Object:
        """The object for one mode, `NAME-MODE`."""
        name = f"{self.name}-{mode}"
        reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": self.issuers[mode]}
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"secretName": f"{name}-tls", "issuerRef": reference, **self.spec},
        }


def case(name: str, key: Mapping[str, Any] = EC, **spec: Any) -> Case:
    """A case for both modes, with that key."""
    return Case(name, {"privateKey": dict(key), **spec} if key else spec)


def host(name: str) -> list[str]:
    """DNS names with one below the lab's domain."""
    return [f"{name}.{DOMAIN}"]


KEYS: Final = (
    case("rsa-default", RSA_DEFAULT, dnsNames=host("rsa")),
    case("rsa-3072", {"algorithm": "RSA", "size": 3072}, dnsNames=host("rsa3072")),
    case("rsa-4096", {"algorithm": "RSA", "size": 4096}, dnsNames=host("rsa4096")),
    case("ecdsa-default", dnsNames=host("ec")),
    case("ecdsa-384", {"algorithm": "ECDSA", "size": 384}, dnsNames=host("ec384")),
    case("ecdsa-521", {"algorithm": "ECDSA", "size": 521}, dnsNames=host("ec521")),
    case("ed25519", ED25519, dnsNames=host("ed")),
)

NAMES: Final = (
    case("common-name-only", RSA_DEFAULT, commonName="test-common-name-rsa"),
    case("common-name-only-ecdsa", commonName="test-common-name-ec"),
    case("common-name-only-ed25519", ED25519, commonName="test-common-name-ed"),
    case("dns-names-only", dnsNames=[*host("one"), *host("two")]),
    case("wildcard", dnsNames=host("*.wild")),
    case("wildcard-and-apex", dnsNames=[*host("*.apex"), *host("apex")]),
    case("ip-v4", ipAddresses=["127.0.0.1"]),
    case("ip-v6", ipAddresses=["2001:db8::1"]),
    case("dns-name-and-ip", ipAddresses=["127.0.0.1"], dnsNames=host("ip")),
    case("common-name-and-ip", ipAddresses=["127.0.0.1"], commonName="test-common-name-ip"),
    case("uri-only", uris=["spiffe://cluster.local/ns/sandbox/sa/foo"]),
    case("uri-with-comma", uris=["https://cn.example.test/a,b", "urn:example:c"]),
    case("common-name-and-uri", uris=["spiffe://cluster.local/x"], commonName="test-common-name-uri"),
    case("email-only", emailAddresses=["alice@example.com", "bob@cert-manager.io"]),
    case(
        "other-names",
        otherNames=[{"oid": UPN, "utf8Value": f"upn@domain{n}.test"} for n in ("", "2")],
        emailAddresses=["email@domain.test"],
        commonName="someCN",
    ),
    case("dns-names-one-as-common-name", commonName=f"cn.{DOMAIN}", dnsNames=[*host("cn"), *host("more")]),
    case("dns-name-and-another-common-name", commonName=f"name.{DOMAIN}", dnsNames=host("other")),
    case("long-label", dnsNames=host(LONGEST_LABEL)),
    case("long-name", dnsNames=[LONGEST_NAME]),
)

SUBJECTS: Final = (
    case(
        "subject-fields",
        commonName=f"subject.{DOMAIN}",
        dnsNames=host("subject"),
        subject={
            "organizations": ["Lab", "Second"],
            "organizationalUnits": ["Unit"],
            "countries": ["CH"],
            "localities": ["Bern"],
            "provinces": ["BE"],
            "streetAddresses": ["Street 1"],
            "postalCodes": ["3000"],
            "serialNumber": "12-34",
        },
    ),
    case(
        "literal-subject",
        literalSubject=f"CN=*.literal.{DOMAIN},OU=FooLong,OU=Bar,OU=Baz,OU=Dept.,O=Corp.",
        dnsNames=host("*.literal"),
    ),
    case(
        "literal-subject-another-order",
        literalSubject="O=Corp.,UID=jdoe,OU=Staff,CN=jdoe,C=CH,DC=lab,DC=test",
        dnsNames=host("jdoe"),
    ),
)

LIVES: Final = (
    case("duration", duration="896h", dnsNames=host("duration")),
    case(
        "duration-with-common-name",
        duration="896h",
        commonName=f"duration-cn.{DOMAIN}",
        dnsNames=host("duration-cn"),
    ),
    case("renew-before", duration="48h", renewBefore="31h", dnsNames=host("renew-before")),
    case("renew-before-percentage", duration="48h", renewBeforePercentage=25, dnsNames=host("renew-percent")),
)

_USAGES: Final = ["signing", "data encipherment", "server auth", "client auth"]
USAGES: Final = (
    case("key-usages", usages=_USAGES, dnsNames=host("usages")),
    case("key-usages-with-common-name", usages=_USAGES, commonName=f"usages-cn.{DOMAIN}"),
    Case(
        "key-usages-rare",
        {"usages": ["content commitment", "code signing", "ipsec user"], "dnsNames": host("rare")},
        modes=(VERBATIM,),
    ),
)
USAGES_CASES: Final = tuple(
    Case(one.name, {"privateKey": EC, **one.spec}, one.modes, {**ISSUER, SIGN: USAGES_ISSUER})
    for one in USAGES
)

AUTHORITIES: Final = (
    case("ca", isCA=True, dnsNames=host("ca")),
    case("ca-long-lived", isCA=True, duration="10000h", commonName="cert-manager-ca"),
)
CASES: Final = {one.name: one for one in (*KEYS, *NAMES, *SUBJECTS, *LIVES, *USAGES_CASES, *AUTHORITIES)}
SUBJECT_CASES: Final = tuple(one.name for one in SUBJECTS)


def setup_features(bed: Testbed, layout: PkiLayout) -> None:
    """Roles that let every feature through, what Vault lets the issuers do, the issuers, and a policy."""
    setup_role(bed.vault, layout.mount, "features", [], **ROLE)
    setup_role(bed.vault, layout.mount, "features-usages", [], **{**ROLE, **USAGES_OF_ROLE})
    paths = [*PATHS.values(), AUTHORITY["path"]]
    rules = "".join(f'path "{one}" {{ capabilities = ["update"] }}\n' for one in paths)
    bed.vault.call("PUT", "sys/policies/acl/features", {"policy": rules})
    bed.kube.apply([features_policy(), *use_binding("features", [EVERYBODY])])
    bed.kube.apply(secret("features-token", SYSTEM_NAMESPACE, token=setup_token(bed.vault, "features")))
    for name, path in PATHS.items():
        issuer = vault_cluster_issuer(bed, name, token_auth("features-token"), path=path)
        issuer["spec"]["certificateAuthority"] = AUTHORITY
        bed.kube.apply(issuer)
    for name in PATHS:
        wait_ready(bed, name)


def features_policy() -> Object:
    """Everything a policy can allow, with otherNames and the subject attributes of the cases."""
    allowed = everything_policy()["spec"]["allowed"]
    others = ("0.9.2342.19200300.100.1.1", "0.9.2342.19200300.100.1.25")  # UID, DC
    allowed["subject"]["otherAttributes"] = [{"oid": oid, "values": ["*"]} for oid in others]
    allowed["otherNames"] = [{"oid": UPN, "values": ["*"]}]
    return policy("features", allowed)
