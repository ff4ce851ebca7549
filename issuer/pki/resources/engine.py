"""Config paths of a PKI mount: cluster, urls, crl, auto-tidy, acme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from issuer.pki.file.model import Part, PkiMount, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources import defaults
from issuer.pki.resources.resource import Order, VaultResource

_CONFIGS: Final[tuple[tuple[str, str, str, Order, Mapping[str, Any]], ...]] = (
    ("cluster", "cluster", "cluster address", Order.CLUSTER, defaults.CLUSTER),
    ("urls", "urls", "URLs", Order.URLS, defaults.URLS),
    ("crl", "crl", "CRL", Order.CRL, defaults.CRL),
    ("autoTidy", "auto-tidy", "auto-tidy", Order.CRL, defaults.AUTO_TIDY),
    ("acme", "acme", "ACME", Order.ACME, defaults.ACME),
)


def engine_configs(part: Part, path: str, mount: PkiMount, places: Places) -> Iterator[VaultResource]:
    """Yield the config paths that the file describes for one mount."""
    given = {
        "cluster": mount.cluster,
        "urls": mount.urls,
        "crl": mount.crl,
        "autoTidy": mount.auto_tidy,
        "acme": mount.acme,
    }
    for key, name, kind, order, default in _CONFIGS:
        fields = given[key]
        if fields is not None:
            where = path_in_file(part, "mounts", path, key)
            yield VaultResource(
                kind=kind,
                order=order,
                path=f"{path}/config/{name}",
                place=places.of(*where),
                part=part,
                wanted=fields,
                defaults=default,
                inside=path,
                fields_of=f"pki/config/{name}",
                at=where,
            )
