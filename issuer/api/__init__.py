"""What users write: the custom resources as pydantic models, and the CRDs made from them.

Data only. Nothing here reads files, the network or a clock, and nothing above this room is imported.
`group` names the API, `vault` is cert-manager's part of an issuer, `issuers` adds ours, `crd` writes YAML.
"""
