"""Kubernetes as this product uses it: one bare HTTP client and the machinery a controller stands on.

Contract of this room:

- Objects are plain JSON dicts, exactly as the API server sent them. No models are built here; the watch path
  parses each line once with orjson and hands the dict on.
- Every failure leaves this room as a `KubeError` (`errors`). Nothing of aiohttp or kubernetes.aio leaks out.
- Everything that comes from outside is bounded: answers, watch lines, queues, event budgets.
- Nothing here knows certificates, Vault or policy.

Modules, from the bottom up:

- `errors`, `resources`, `wire`: what can go wrong, where objects live, and answers read within bounds.
- `credentials`, `kubeconfig`, `exec_plugin`: kubeconfig, in-cluster files and exec plugins, turned into
  something a request can use.
- `session`: the pool of connections, and which credentials go with a call.
- `client`: get, list, watch, create, replace, delete.
- `access`, `identity`, `answers`: who may do what, whose token it is, and answers believed for seconds.
- `reflector`: keeps a handler in step with a resource, over list and watch.
- `line`, `parts`, `workqueue`: keys waiting to be reconciled, whose turn it is, and who never waits for whom.
- `lease`, `election`: who holds what among replicas, and who leads.
- `events`: what people see in `kubectl describe`, within a budget.

Mock at the API server: the tests run a scripted HTTP server on loopback instead of replacing classes here.
"""
