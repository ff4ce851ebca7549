"""Certificates and CA chains kept fresh on a machine without Kubernetes.

Folders, bottom-up; each one's docstring maps its modules:

- `errors`: failures that people read.
- `files/`: a certificate's files: what each holds, and how all of them change at once.
- `config/`: `agent.yaml` as models with file and line.
- `login/`: ways to get a token, and the last token kept for a restart.
- `renewal/`: one set: when it is due, the signing, the answer's verification; CA chains without a token.
- `hooks/`: programs told that their files have changed, and proved to serve them.
- `inprocess/`: the Python API: contexts of `ssl` that renew themselves, for other programs.
- `process/`: all sets of one file, once or for ever, and their records.
- `reporting/`: status, metrics and a report for inventories.

Answers are verified by `x509`, the controller's own code. Kept out: Kubernetes, rich, and everything of the
controller. Mock at `renewal.signing.CertificateCalls`.
"""
