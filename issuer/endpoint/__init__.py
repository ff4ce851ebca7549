"""TLS endpoints as a client sees them: dialled, and what they serve read. No Kubernetes, no Vault.

Modules, bottom-up:

- `errors`: ways for a dial to fail, each with a code.
- `address`: host, port, server name and protocol, from text. Pure.
- `served`: the certificates that came, their order, and the time that is left. Pure.
- `starttls`: what is said before TLS: SMTP, IMAP, LDAP, PostgreSQL.
- `dialing`: one handshake, with each address of a name; bounded in time and bytes.

Nothing is sent over the connection after the handshake. Mock a server, not this: tests listen on loopback.
"""
