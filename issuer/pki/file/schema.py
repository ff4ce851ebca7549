"""JSON schema of `pki.yaml`, for editors."""

from __future__ import annotations

from typing import Any, Final

from issuer.pki.file.model import PkiFile

ID: Final = "https://vault-issuer.io/schema/pki.json"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a file, or of an overlay with all that it needs."""
    schema = PkiFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, **schema}
