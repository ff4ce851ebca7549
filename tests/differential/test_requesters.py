"""With cert-manager's webhook, which stamps who asks: real ServiceAccounts, with rights and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from testbed.cluster import Testbed
from testbed.kube import Object
from tests.differential.cases import Case
from tests.differential.compare import disagreements
from tests.differential.peer import Peer
from tests.differential.run import Asked

NAMESPACE = "team-a"
ALLOWED, NOBODY = "app", "nobody"
CASES = 100


def _rights(account: str) -> list[Object]:
    group, name = "rbac.authorization.k8s.io", f"asks-{account}"
    rule = {"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}
    meta = {"name": name, "namespace": NAMESPACE}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
        },
    ]


def _unstamped(case: Case) -> dict[str, Any]:
    spec = {key: value for key, value in case.request["spec"].items() if key not in ("username", "groups")}
    meta = {**case.request["metadata"], "name": f"{case.name}-stamped"}
    return {**case.request, "metadata": meta, "spec": spec}


def test_decisions_agree_for_requesters_that_the_webhook_stamps(bed: Testbed, asked: Asked) -> None:
    for account in (ALLOWED, NOBODY):
        bed.kube.apply(_rights(account))
    bed.install_crds()  # the webhook wants to know the resource behind an issuer's kind
    bed.start_webhook()
    clients = {account: bed.kube_as(NAMESPACE, account) for account in (ALLOWED, NOBODY)}
    there = [case for case in asked.cases if case.namespace == NAMESPACE][:CASES]
    stamped = []
    for index, case in enumerate(there):
        account = NOBODY if index % 4 == 0 else ALLOWED
        made = clients[account].create(_unstamped(case))
        assert made["spec"]["username"] == f"system:serviceaccount:{NAMESPACE}:{account}"
        may_use = dict.fromkeys(case.policies, account == ALLOWED)
        stamped.append(replace(case, name=made["metadata"]["name"], request=made, may_use=may_use))
    answers = Peer(bed, first=1000).answers(stamped)
    assert {answer.verdict for answer in answers.values()} == {"Approved", "Denied", "Unprocessed"}
    assert [str(one) for one in disagreements(stamped, answers)] == []
