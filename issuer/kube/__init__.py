"""A Kubernetes client, and the machinery that controllers stand on.

Contract of this package:

- Objects are plain JSON dicts, exactly as the API server sent them. No models are built here; the watch path
  parses each line once with orjson and hands the dict on.
- Every failure leaves this package as a `KubeError` (`errors`). Nothing of aiohttp or kubernetes.aio leaks.
- Everything that comes from outside is bounded: answers, watch lines, queues, event budgets.
- Nothing here knows certificates, Vault or policy (an import-linter contract proves it). Names of the product
  (user agent, field manager, component of events) are passed in; `issuer.cluster` has them.

Modules, from the bottom up:

- `errors`, `resources`, `wire`: failures as types, URL paths of resources, and answers read within bounds.
- `auth`: kubeconfig, in-cluster files and exec plugins, turned into the credentials of a request.
- `session`: the pool of connections, and the credentials of each call, loaded again as they age.
- `client`: get, list, watch, create, replace, patch, apply, delete.
- `identity`, `access`, `single_flight`: TokenReview, SubjectAccessReview, and a cache for their answers.
- `watching`: keeps a handler in step with a resource, by list and watch.
- `queues`: keys to reconcile, in fair order, with back-off; `workqueue` is what controllers use.
- `leases`: Leases among replicas, and leader election on one.
- `events`: Kubernetes Events, within a budget.

Mock at the API server: the tests run a scripted HTTP server on loopback instead of replacing classes here.
"""
