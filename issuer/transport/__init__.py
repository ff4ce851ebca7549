"""Calls over HTTP to the servers of CAs, for any backend: one connection, bounded answers, allowed addresses.

Every failure is raised as an `errors.CallError`, never as an exception of aiohttp or ssl. Mock at
`sender.Sender`, not below. Modules, from the bottom up:

- `errors`, `words`: failures that say nothing of what was asked, and a product's words for messages.
- `answers`, `sending`: bounds of what comes back, and the moment before a call is sent.
- `client_certificate`, `connection`: one server with its TLS.
- `peers`: servers that may be dialled, and those that have shown a CA chain.
- `failures`: answers, and exceptions translated. `shown_names`: the names of a server's certificate.
- `sender`: the session that sends. `clocks`: the difference between a server's clock and ours.

Kept out: any CA's API, Kubernetes, policies.
"""
