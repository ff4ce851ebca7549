"""Logins to Vault and the life of the tokens they give.

`methods` has the ways to log in; `aws`, `sts` and `ambient` belong to AWS IAM, `client_certificate` to TLS;
`audiences` are those of ServiceAccount tokens; `tokens` keeps one token alive.
"""
