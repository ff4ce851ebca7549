"""The Job that applies pki.yaml: named by what it does, without rights, and with a login of its own."""

from __future__ import annotations

import pytest

from testbed.chart import ChartError, is_hook, render
from tests.chart.conftest import Object, of_kind

VALUES: Object = {
    "enabled": True,
    "file": "mounts:\n  pki_int: {description: 'a: b'}\n",
    "server": "https://vault.example.com:8200",
}


def made(**values: object) -> tuple[Object, Object]:
    """The Job and its ConfigMap under these values."""
    objects = render({"pki": {**VALUES, **values}})
    (job,) = [one for one in of_kind(objects, "Job") if not is_hook(one)]
    (file,) = [one for one in of_kind(objects, "ConfigMap") if "pki.yaml" in one["data"]]
    return job, file


def test_there_is_no_job_by_default() -> None:
    assert [one for one in of_kind(render(), "Job") if not is_hook(one)] == []


def test_the_file_is_the_values_and_another_one_is_another_job() -> None:
    job, file = made()
    assert file["data"]["pki.yaml"].strip() == str(VALUES["file"]).strip()
    assert file["immutable"] is True
    assert job["metadata"]["name"] == file["metadata"]["name"]
    assert made()[0]["metadata"]["name"] == job["metadata"]["name"]
    assert "ttlSecondsAfterFinished" not in job["spec"]  # one that is gone would be made, and run, again
    login = {"role": "other"}
    for change in ({"file": "mounts: {}\n"}, {"wait": 1}, {"login": login}, {"env": [{"name": "A"}]}):
        other, config = made(**change)
        assert other["metadata"]["name"] == config["metadata"]["name"] != job["metadata"]["name"]


def test_another_label_of_its_pod_is_another_job() -> None:
    """A Job's pod can't be changed, not even its labels: an upgrade would fail."""

    def job(**values: object) -> Object:
        (found,) = [one for one in of_kind(render({"pki": VALUES, **values}), "Job") if not is_hook(one)]
        return found

    changes: list[Object] = [
        {"commonLabels": {"team": "pki"}},
        {"commonAnnotations": {"example.com/owner": "pki"}},
        {"hooks": {"podLabels": {"sidecar.istio.io/inject": "false"}}},
        {"hooks": {"podAnnotations": {"linkerd.io/inject": "disabled"}}},
        {"hooks": {"resources": {"requests": {"cpu": "1m"}}}},
        {"tolerations": [{"operator": "Exists"}]},
    ]
    made = [job(), *(job(**change) for change in changes)]
    assert len({one["metadata"]["name"] for one in made}) == len(made)


def test_it_has_a_token_for_vault_and_none_for_kubernetes() -> None:
    job, _ = made()
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (token,) = [one["projected"]["sources"] for one in pod["volumes"] if "projected" in one]
    assert token == [
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}
    ]
    objects = render({"pki": VALUES})
    subjects = [
        subject["name"]
        for one in of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        for subject in one["subjects"]
    ]
    assert pod["serviceAccountName"] == "vault-issuer-pki" not in subjects
    (container,) = pod["containers"]
    assert "--part=automation" in container["args"]


def test_a_wrapped_token_is_instead_of_the_role() -> None:
    job, _ = made(login={"wrappedTokenSecret": "pki-token"}, caSecret="")
    pod = job["spec"]["template"]["spec"]
    assert [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one] == ["pki-token"]
    args = pod["containers"][0]["args"]
    assert not any(one.startswith("--kubernetes") for one in args)
    assert "--wrapped-token=/var/run/secrets/vault-issuer/token" in args


def test_argo_cds_hook_is_an_annotation() -> None:
    job, _ = made(annotations={"argocd.argoproj.io/hook": "Sync"})
    assert job["metadata"]["annotations"] == {"argocd.argoproj.io/hook": "Sync"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"file": ""}, "--set-file pki.file"),
        ({"server": ""}, "pki.server is empty"),
        ({"server": "http://vault.example.com"}, "pki/server"),
        ({"typo": 1}, "typo"),
    ],
)
def test_what_can_not_work_is_refused(values: Object, said: str) -> None:
    with pytest.raises(ChartError) as refused:
        made(**values)
    assert said in str(refused.value).replace(".server'", "/server'")
