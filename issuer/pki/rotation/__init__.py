"""Rotation of a mount's signing CA, told from the file and from what stands in Vault; no state is kept.

A rotation goes through phases, each one small change: prepare, switch, observe, drain, retire, delete. Which
one it is in follows from issuers, keys and the default issuer of the mount; whether it may go on, from gates:
what was seen, what isn't yet, and what can't be seen from here, which a person accepts or nobody.

- `seen`: what a cluster shows of its issuers, as plain data. Pure.
- `issued`: a mount's list of certificates, counted by the CA that signed them. Pure.
- `facts`: the two CAs, and all that the gates look at, from what was read. Pure.
- `endings`: until when a certificate of the old CA may be valid. Pure.
- `gates`: the gates and their verdicts. Pure.
- `phases`: facts and gates become a phase. Pure.
- `steps`: the step that ends a phase, and the way back. Pure.
- `gathering`: reads it all.
- `scope`: the part of a file that a rotation is about. Pure.
- `state`: phase, gates and the next plan, as JSON values. `show`: as lines for people.

Kept out: Kubernetes; `seen` is filled by the command. Mock at `server.calls.VaultCalls`.
"""
