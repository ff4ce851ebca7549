"""A real cluster on one machine without containers: etcd, kube-apiserver, OpenBao, cert-manager.

``Testbed`` starts them as processes, ``labca`` makes a CA in OpenBao as `vault-issuer pki apply` does,
``ControllerProcess`` runs the product in front of it; ``python -m testbed up`` keeps one running. For tests,
the demo and the benchmarks; not part of what is installed.
"""
