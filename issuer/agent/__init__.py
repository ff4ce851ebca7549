"""Certificates and CA chains kept fresh on a machine without Kubernetes.

Folders, bottom-up; each one's docstring maps its modules:

- `errors`: failures that people read.
- `files/`: a certificate's files: what each holds, and how all of them change at once.

Kept out: Kubernetes, rich, and everything of the controller.
"""
