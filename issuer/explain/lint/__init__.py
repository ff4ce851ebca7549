"""`vault-issuer policy lint`: policies that can't be used, or that are probably not meant so.

- `patterns`: patterns that no name can match, such as a range of addresses. Pure.
- `linting`: findings of policies by themselves. `cluster`: those that only a cluster shows.
"""
