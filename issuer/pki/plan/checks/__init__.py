"""What stops a plan that the file alone doesn't show: steps against what stands in Vault. Pure.

- `context`: what the checks look at.
- `signers`: what real certificates of signers don't allow.
- `certificates`: certificates that CAs would get and couldn't serve with.
- `role_dates`: ends that roles give, by which nothing could be signed.
- `acme`: roles and issuers that ACME names and nobody has.
- `granted`: mounts and roles that policies grant and nobody has.
"""
