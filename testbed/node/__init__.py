"""A real node without Docker: containerd, kubelet and what runs beside them, in namespaces of their own.

The whole of it (servers, pods and the tests) lives below one process in a mount, a network and a process
namespace. When that process ends, however it ends, the kernel ends every process, mount, bridge and rule in
them; only cgroups and files have to be removed (`testbed.node.cgroups`, `testbed.cache`).
"""
