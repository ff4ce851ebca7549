"""Credentials for the API server: a pod's token, or a kubeconfig with its token, certificate or plugin.

Bottom-up: `exec_plugin` runs a kubeconfig's login helper, `kubeconfig` reads such files, and `credentials`
chooses between them and a pod's own files and turns either into an `Access`.
"""
