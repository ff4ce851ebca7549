"""Objects that a migration starts from.

- `inventory`: documents sorted by their role, from files or a cluster; pure.
- `cluster`: lists them in a cluster, as the user of the kubeconfig, and notes what may not be read.
"""
