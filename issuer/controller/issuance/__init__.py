"""The way of one request: decided, signed, verified, written.

Bottom-up: `approval_pace` and `status_writer` (writes), `delivery` (of what was signed),
`signing_step`, `reading`, `answer_log`, `reconciler`.
"""
