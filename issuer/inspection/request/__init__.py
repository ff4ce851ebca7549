"""One request: what `inspect` and `explain` say of it.

- `alternatives`: issuers that may be meant.
- `details`: gathers all that is about it.
- `contents`, `chains`: decode its CSR, certificate and chain.
- `diagnosis`, `report`: reasons with advice, and everything as JSON.
- `tables`: the same for people.
"""
