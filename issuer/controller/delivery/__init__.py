"""Signed certificates, until it is written to its request or discarded.

Contract: a certificate is kept from the moment it is verified; it is written, or revoked, or its serial is in
the log. Final answers are published to an `AnswerLog`, whoever listens.

Bottom-up:

- `approval_pace`, `status_writer`: one PUT an answer, paced where it approves or denies.
- `answer_log`: who hears of final answers.
- `refused_writes`: certificates whose write the API server's rules refuse. Pure but for the clock.
- `unanswered_writes`: writes of which nobody knows if they arrived. Pure.
- `discarding`: certificates revoked, or their serials put on record.
- `held`: certificates that wait to be written, by request and issuer.
- `delivering`: writes what is held, or discards it.
- `undelivered`: signing calls that brought nothing to hold.
"""
