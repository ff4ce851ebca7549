"""Patterns of allowed values: `wildcard`, and on it `names` and `uris`, where a star is narrower."""
