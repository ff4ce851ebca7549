"""What the controller tells its operators: logs, metrics and health.

Nothing here decides anything, and nothing here may hold a secret.
"""
