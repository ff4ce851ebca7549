"""Permissions of this controller itself, asked of the API server.

`permissions` are those to approve and to sign; `revocation` those that a policy of revocation needs.
"""
