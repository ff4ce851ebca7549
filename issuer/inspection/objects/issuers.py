"""Accounts of issuers: what has to be right before they sign, tried where the caller may; and who waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.explain.advice import Advice
from issuer.explain.policies import compiled
from issuer.inspection.commands import CONTROLLER_PODS, describe, edit
from issuer.inspection.objects.account import AccountItem, Mark, ObjectAccount
from issuer.inspection.objects.authority import authority_items
from issuer.inspection.objects.live import IssuerTrial, obstacle, trial_json, trial_settings, try_issuer
from issuer.inspection.objects.parts import is_told, part_items
from issuer.inspection.objects.waiting import waiting_for
from issuer.inspection.overview.leases import controllers
from issuer.inspection.progress import ready_json, trust_json
from issuer.inspection.reading import Reader
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selects
from issuer.requests.issuers import IssuerKey
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES
from issuer.signing.backend import Backend
from issuer.site import docs_page
from issuer.text import first_of

_LONG: Final = 1200
REASONS: Final = f"Every reason is in {docs_page('troubleshooting', 'an-issuer-is-not-ready')}"


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """Options of an issuer's trial: none where `off` says why; `home` has the Secrets of cluster issuers.

    `home` "" takes the namespace of the only controller there is.
    """

    off: str = ""
    home: str = ""


async def issuer_account(
    reader: Reader, key: IssuerKey, obj: Object, options: TrialOptions, now: datetime
) -> ObjectAccount:
    """Return the account of an issuer. Raises KubeError."""
    backend = reader.backends.of(key.kind)
    ready = ready_json(obj)
    at_work = await controllers(reader, None, now)
    spec, problem = _spec(backend, obj)
    trial = IssuerTrial("its spec can't be used")
    if spec is not None:
        trial = await _trial(reader, key, obj, spec, options, at_work)
    home = key.namespace or _home(backend, spec, options, at_work)
    parts = () if spec is None else backend.parts(spec, home)
    waiting = await waiting_for(reader, key, now)
    items = [
        _controller_item(
            key, obj, ready, at_work, is_told_below=bool(parts) and is_told(parts, ready, trial)
        ),
        *([] if spec is None else part_items(parts, ready, trial, home, _correct(key))),
        *([] if spec is None else authority_items(backend.profile(spec), obj, trial, now)),
        *_trust_items(obj),
        *await _policy_items(reader, key, spec),
        waiting.item,
    ]
    good = ready["ready"] is True and not any(one.mark is Mark.BAD for one in items)
    summary = backend.summary(obj.get("spec") or {})
    return ObjectAccount(
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        good=good,
        state=_state(ready, problem, good=good),
        head=[("Server", summary.address), ("Path", summary.path)],
        items=items,
        lists=waiting.lists,
        data={"ready": ready, "live": trial_json(trial), "waiting": waiting.data},
        gaps=tuple(reader.gaps),
    )


async def trial_of(
    reader: Reader, key: IssuerKey, obj: Object, options: TrialOptions, now: datetime
) -> IssuerTrial:
    """Return the trial of an issuer alone, as its account has it. Raises KubeError."""
    spec, problem = _spec(reader.backends.of(key.kind), obj)
    if spec is None:
        return IssuerTrial(f"its spec can't be used: {problem}")
    return await _trial(reader, key, obj, spec, options, await controllers(reader, None, now))


def _spec(backend: Backend, obj: Object) -> tuple[IssuerSpec | None, str]:
    try:
        return backend.parse(obj.get("spec") or {}), ""
    except SpecError as error:
        return None, str(error)


def _state(ready: dict[str, Any], problem: str, *, good: bool) -> str:
    if ready["ready"] is None:
        return f"not known: {ready['message']}"
    if ready["ready"]:
        return "Ready" if good else "Ready at the controller's last check, but see below"
    return f"not Ready ({ready['reason']})" + (f": {problem}" if problem else "")


async def _trial(
    reader: Reader,
    key: IssuerKey,
    obj: Object,
    spec: IssuerSpec,
    options: TrialOptions,
    at_work: Sequence[dict[str, Any]] | None,
) -> IssuerTrial:
    backend = reader.backends.of(key.kind)
    if options.off:
        return IssuerTrial(options.off)
    why = obstacle(obj, backend.parts(spec), backend.summary(obj.get("spec") or {}).address)
    if why:
        return IssuerTrial(why)
    needed = backend.only_in_process(spec)
    if needed:
        return IssuerTrial(f"it needs {shown(needed)} of the controller, which you don't have here")
    home = key.namespace or _home(backend, spec, options, at_work)
    if not home:
        return IssuerTrial(
            "the namespace of its Secrets is not known: give it with --cluster-resource-namespace, as the "
            "controller has it"
        )
    settings = trial_settings(backend.server(obj.get("spec") or {}), home)
    return await try_issuer(reader, backend, key, spec, settings)


def _home(
    backend: Backend,
    spec: IssuerSpec | None,
    options: TrialOptions,
    at_work: Sequence[dict[str, Any]] | None,
) -> str:
    """Return the namespace of the Secrets of cluster issuers; "" where nothing tells it.

    One that the spec names is it wherever the issuer's credentials were ever read. A Lease that nobody holds,
    such as of an installation that is gone, counts only where there is no other.
    """
    there = at_work or ()
    found = {str(one["namespace"]) for one in there if one["leads"]} or {
        str(one["namespace"]) for one in there
    }
    named = "" if spec is None else backend.home(spec)
    return options.home or named or (found.pop() if len(found) == 1 else "")


def _controller_item(
    key: IssuerKey,
    obj: Object,
    ready: dict[str, Any],
    at_work: Sequence[dict[str, Any]] | None,
    *,
    is_told_below: bool,
) -> AccountItem:
    """Return what the controller says in the issuer's status, or that none works.

    The message is left out where the part that failed has it.
    """
    where = obj["metadata"].get("namespace") or ""
    if at_work is not None and not any(one["leads"] for one in at_work):
        return AccountItem(
            "Controller",
            Mark.BAD,
            "none was found at work: none holds a Lease",
            Advice(
                "See whether the controller runs:",
                command=CONTROLLER_PODS,
            ),
        )
    if ready["ready"] is None:
        cure = Advice(
            "See what the controller says of it:", command=describe(key.typed_kind, key.name, where)
        )
        return AccountItem("Controller", Mark.NOT_KNOWN, ready["message"], cure)
    if ready["ready"]:
        return AccountItem("Controller", Mark.GOOD, f"it says: {ready['message'] or 'Ready'}")
    if is_told_below:
        return AccountItem("Controller", Mark.BAD, f"it says {ready['reason']}: see below")
    text = f"it says {ready['reason']}: {shown(ready['message'], _LONG)}"
    return AccountItem("Controller", Mark.BAD, text, _correct(key))


def _trust_items(obj: Object) -> list[AccountItem]:
    """Return what the controller says of `spec.trust`. It signs whatever that is."""
    found = trust_json(obj)
    if found is None:
        return []
    message = shown(found["message"], _LONG)
    if found["distributed"] is None:
        return [AccountItem("Trust", Mark.NOT_KNOWN, message)]
    if found["distributed"]:
        return [AccountItem("Trust", Mark.GOOD, message)]
    cure = Advice(f"What each reason asks for is in {docs_page('trust', 'in-a-cluster')}")
    return [AccountItem("Trust", Mark.LOOK, f"{found['reason']}: {message}", cure)]


def _correct(key: IssuerKey) -> Advice:
    return Advice(
        f"Correct what failed; requests that wait are answered automatically then. {REASONS}. To begin with:",
        command=edit(key.typed_kind, key.name, key.namespace),
    )


async def _policy_items(reader: Reader, key: IssuerKey, spec: IssuerSpec | None) -> list[AccountItem]:
    """Return which policies select the issuer; without one nothing is approved by policy."""
    objects = await reader.all(CERTIFICATE_REQUEST_POLICIES, what="policies are")
    if objects is None:
        return [AccountItem("Policies", Mark.NOT_KNOWN, "they may not be read")]
    found = compiled([(str(one["metadata"]["name"]), one.get("spec") or {}) for one in objects])
    reference = IssuerReference(**reader.backends.kinds.reference(key))
    names = [f'"{shown(one.name)}"' for one in found.policies if selects(one, reference)]
    if names:
        return [AccountItem("Policies", Mark.GOOD, f"selected by {first_of(names, 5)}")]
    if spec is not None and spec.approval == "External":
        text = "none selects it: another approver's word is enough (spec.approval External)"
        return [AccountItem("Policies", Mark.LOOK, text)]
    cure = Advice(
        "Write a CertificateRequestPolicy whose selector names this issuer. "
        f"{docs_page('write-a-policy')} shows how; for a request that waits, explain prints one.",
    )
    return [AccountItem("Policies", Mark.BAD, "none selects it, so no request of it is approved", cure)]
