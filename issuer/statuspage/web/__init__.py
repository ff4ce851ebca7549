"""The status page over HTTP: listener and TLS, who may look (`auth`, `sessions`), live parts, server."""
