"""Targets of a command: `NAME` of a CertificateRequest, or `KIND/NAME` as kubectl takes it, and prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from issuer.inspection.kinds import REQUEST_KIND, SECRET_KIND, TargetKind
from issuer.kube.client import KubeClient
from issuer.kube.wire import Object
from issuer.manifests.cluster import meant_namespace
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.requests.kinds import KINDS
from issuer.requests.request import Request

_REQUESTS: Final[dict[str, type[Request]]] = {kind.kind: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class InspectionTarget:
    """Object by kind and name; `namespace` is "" for kinds that have none."""

    kind: str
    namespace: str
    name: str

    @property
    def quoted(self) -> str:
        """Kind and name as sentences for people hold them."""
        where = f' in namespace "{shown(self.namespace)}"' if self.namespace else ""
        return f'{self.kind} "{shown(self.name)}"{where}'


def parse_target(text: str, namespace: str, kinds: Sequence[TargetKind]) -> InspectionTarget:
    """Parse `NAME`, `KIND/NAME` or `KIND/NAMESPACE/NAME`; without a namespace in it, `namespace` is meant.

    Kinds are read as kubectl reads them: in any case, singular or plural, by short names, with their API
    group. Raises BadInput.
    """
    word, *path = text.split("/") if "/" in text else (REQUEST_KIND.kind, text)
    kind = _kind(word, kinds)
    if kind is None or not all(path) or len(path) > 1 + kind.resource.namespaced:
        forms = ", ".join(one.form for one in kinds)
        raise BadInput(f'"{shown(text)}" names nothing that is known here: write one of {forms}')
    where = (path[0] if len(path) > 1 else namespace) if kind.resource.namespaced else ""
    return InspectionTarget(kind.kind, where, path[-1])


def _kind(word: str, kinds: Sequence[TargetKind]) -> TargetKind | None:
    """Return the kind that a word such as `VaultClusterIssuer` or `vi.vault-issuer.io` names.

    Without a group the first one of that name is meant. Raises BadInput where the API group is another one.
    """
    name, dot, group = word.lower().partition(".")
    named = [one for one in kinds if name in one.words]
    kind = next((one for one in named if not dot or one.in_group(group)), None)
    if kind is None and named:
        kind = named[0]
        own = f'"{kind.resource.plural}.{kind.resource.group}"' if kind.resource.group else f'"{name}"'
        raise BadInput(f'"{shown(word)}" is a kind of another API group: here is only {own}')
    return kind


def chosen_target(
    words: Sequence[str],
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    kinds: Sequence[TargetKind],
) -> InspectionTarget:
    """Parse one word, or kind and name in two; in the kubeconfig's namespace if none is given.

    Raises BadInput.
    """
    where = meant_namespace(namespace, kubeconfig, context)
    found = parse_target("/".join(words), where, kinds)
    if namespace and found.namespace not in ("", namespace):
        raise BadInput(
            f'"{shown("/".join(words))}" names the namespace "{shown(found.namespace)}", and --namespace '
            f'"{shown(namespace)}": leave one out'
        )
    return found


async def names(
    client: KubeClient, incomplete: str, namespace: str, most: int, kinds: Sequence[TargetKind]
) -> list[str]:
    """Return completions of an incomplete target, from the first `most` objects. Raises KubeError.

    Secrets are not listed: a list of them comes with what they hold.
    """
    word, slash, _ = incomplete.rpartition("/")
    kind = _kind(word, kinds) if slash else REQUEST_KIND
    if kind is None or kind is SECRET_KIND:
        return []
    where = namespace if kind.resource.namespaced else None
    page = await client.list_page(kind.resource, namespace=where, limit=most)
    found = [f"{word}{slash}{one['metadata']['name']}" for one in page.items if _is_ours(kind.kind, one)]
    # Kinds that are written with their group are offered to who begins to write one.
    offered = [one for one in kinds if one is not REQUEST_KIND and ("." not in one.kind or "." in incomplete)]
    words = [] if slash else completed_kinds(offered, incomplete)
    return [*(one for one in found if one.startswith(incomplete)), *words]


def completed_kinds(kinds: Iterable[TargetKind], incomplete: str) -> list[str]:
    """Return the kinds that a word begins, each with its "/": in capitals, as manifests have them, for a word
    that begins with one, else in small letters."""
    names = (one.kind if incomplete[:1].isupper() else one.kind.lower() for one in kinds)
    return [f"{name}/" for name in names if f"{name}/".startswith(incomplete)]


def _is_ours(kind: str, one: Object) -> bool:
    request = _REQUESTS.get(kind)
    return request is None or request(one).is_ours
