"""What went wrong at Vault: for whom it counts, and what people can change.

- `role_fields`: what a role refused. `errors`: the outcome of each error for a request and its issuer.
- `advice`: what to change in a role. `cures`: what to do about an issuer that isn't ready.
"""
