"""Permissions of this controller itself, asked of the API server: to approve and to sign."""
