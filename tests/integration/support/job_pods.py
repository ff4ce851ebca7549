"""Pods of Jobs on a cluster without nodes: their commands run here, with what they mount."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from issuer.text import rfc3339
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Kube, Object, condition

_PAUSE = 0.1
TOKEN_FILE = "/var/run/secrets/vault-issuer/token"
"""File in which the chart's Job has its ServiceAccount's token."""
_DONE = ("SuccessCriteriaMet", "Complete")
_FAILED = ("FailureTarget", "Failed")


@dataclass(slots=True)
class JobRun:
    """One run of a Job: its name, exit code and output."""

    job: str
    code: int
    output: str


@dataclass(slots=True)
class JobPods:
    """Stands in for kubelet and the Job controller in one namespace; `runs` are the runs so far, in order.

    Every pod talks to the testbed's Vault, whatever address its Job has.
    """

    bed: Testbed
    folder: Path
    runs: list[JobRun] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def run_until(self, ended: threading.Event, kube: Kube) -> None:
        """Run each Job once that isn't done, until the event is set."""
        while not ended.wait(_PAUSE):
            for job in kube.list("batch/v1", "Job", SYSTEM_NAMESPACE):
                uid = job["metadata"]["uid"]
                if uid in self._seen or condition(job, "Complete") or condition(job, "Failed"):
                    continue
                self._seen.add(uid)
                run = self._run(job, kube, self.folder / uid)
                self.runs.append(run)
                _finish(kube, job, run)

    def _run(self, job: Object, kube: Kube, folder: Path) -> JobRun:
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {
            one["mountPath"]: self._mounted(pod, one["name"], kube, folder)
            for one in container["volumeMounts"]
        }

        def here(word: str) -> str:
            for path, place in mounted.items():
                word = word.replace(path, str(place))
            return word

        words = [here(one) for one in container["args"]]
        if any(one.startswith("--kubernetes-role") for one in words):
            words.append(here(f"--token-file={TOKEN_FILE}"))  # the default, in the pod
        given = {one["name"]: here(one["value"]) for one in container["env"]}
        environment = {
            **os.environ,
            **given,
            "VAULT_ADDR": self.bed.vault.addr,
            "VAULT_TOKEN": "",
            "BAO_TOKEN": "",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "issuer", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return JobRun(job["metadata"]["name"], ran.returncode, ran.stdout)

    def _mounted(self, pod: dict[str, Any], name: str, kube: Kube, folder: Path) -> Path:
        """Write a volume's files, and return its folder."""
        (volume,) = [one for one in pod["volumes"] if one["name"] == name]
        place = folder / name
        place.mkdir(parents=True)
        if "configMap" in volume:
            data = kube.get("v1", "ConfigMap", volume["configMap"]["name"], SYSTEM_NAMESPACE)["data"]
        elif "secret" in volume:
            held = kube.get("v1", "Secret", volume["secret"]["secretName"], SYSTEM_NAMESPACE)["data"]
            data = {key: base64.b64decode(text).decode() for key, text in held.items()}
        else:
            (source,) = volume["projected"]["sources"]
            wish = source["serviceAccountToken"]
            account = pod["serviceAccountName"]
            data = {wish["path"]: kube.service_account_token(SYSTEM_NAMESPACE, account, [wish["audience"]])}
        for file, text in data.items():
            (place / file).write_text(text)
        return place


@contextmanager
def job_pods(bed: Testbed, folder: Path) -> Iterator[JobPods]:
    """Run the pods of Jobs meanwhile."""
    kube = Kube(bed.server, bed.ca_file, bed.token)
    ended, pods = threading.Event(), JobPods(bed, folder)
    thread = threading.Thread(target=pods.run_until, args=(ended, kube))
    thread.start()
    try:
        yield pods
    finally:
        ended.set()
        thread.join()
        kube.close()


def _finish(kube: Kube, job: Object, run: JobRun) -> None:
    """Write the status that the Job controller would; a run that failed isn't tried again."""
    now = rfc3339(datetime.now(UTC))
    kinds = _DONE if run.code == 0 else _FAILED
    status: dict[str, Any] = {
        "startTime": now,
        "conditions": [
            {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
            for kind in kinds
        ],
        "uncountedTerminatedPods": {},
    }
    status |= {"succeeded": 1, "completionTime": now} if run.code == 0 else {"failed": 1}
    kube.patch(
        "batch/v1",
        "Job",
        job["metadata"]["name"],
        {"status": status},
        job["metadata"]["namespace"],
        subresource="status",
    )
