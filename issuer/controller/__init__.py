"""Reconcilers and the manager that wires and runs them.

Deciding what a status should be is pure (``request``, ``conditions``,
``status``); reading and writing it is done at the edges (``credentials``,
``delivery``, the reconcilers).
"""
