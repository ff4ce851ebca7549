"""Logins to Vault, and the life of the tokens they give.

Modules, from the bottom up: `audiences` (of ServiceAccount tokens), `client_certificate` (TLS), `aws`, `sts`
and `ambient` (AWS IAM), `methods` (token, AppRole, Kubernetes, certificate), `tokens` (one token, shared and
renewed).
"""
