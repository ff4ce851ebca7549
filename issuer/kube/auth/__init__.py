"""Credentials for the API server: a pod's token, or a kubeconfig with its token, certificate or plugin.

Bottom-up: `exec_plugin`, `kubeconfig`, `credentials`.
"""
