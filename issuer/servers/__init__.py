"""Servers that an issuer may name: host names judged, and addresses as they are dialled, for any backend.

Bottom-up: `hosts`, `addresses`, `lookup`, `allowed`.
"""
