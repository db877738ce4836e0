# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that helm needs for a release, by the objects of its chart as rendered. Pure: facts.py asks who has them.

What helm 3 asks the API server for is read in its pkg/action and pkg/kube: it gets every object, creates what isn't
there, patches what differs, deletes what the new revision doesn't hold, and deletes a hook's object before it makes it.
What may be put into roles and bindings is Kubernetes' pkg/registry/rbac: what one holds oneself, or what the verbs
escalate and bind allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen, hook_events
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of

RBAC = "rbac.authorization.k8s.io"
#: Revisions that helm keeps by default; it deletes the oldest of more.
_KEPT = 10
#: Kinds of hooks whose end helm waits for.
_WATCHED = ("Job", "Pod")
#: By the verb that allows it whatever one holds.
_GRANTING = {"Role": "escalate", "ClusterRole": "escalate", "RoleBinding": "bind", "ClusterRoleBinding": "bind"}
_ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}

#: The attributes of one right, as an access review takes them.
Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grant:
    """A role or binding that helm writes, and what allows to.

    :ivar verb: escalate or bind; `resource`, `name`: of the role that it is about; `namespace`: None for the cluster.
    :ivar rights: that the role has; None where they aren't known.
    """

    what: Ref
    verb: str
    resource: str
    name: str
    namespace: str | None
    rights: tuple[Attributes, ...] | None


def of_release(foreseen: Foreseen, namespace: str) -> Iterator[tuple[str, Ref]]:
    """(verb, object) of everything that helm does for a release. The namespace is None where the chart names none."""
    if foreseen.step is None:
        return
    release = Ref("v1", "Secret", namespace, "")
    for verb in ("get", "list", "create", "update", *(["delete"] if foreseen.revisions >= _KEPT else [])):
        yield verb, release
    for document, writes in _written(foreseen, namespace):
        for verb in ("get", *writes):
            yield verb, ref_of(document)
    for ref in foreseen.removed:
        yield "get", ref
        yield "delete", ref


def _written(foreseen: Foreseen, namespace: str) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """The documents that helm handles now, with the verbs by which it writes them."""
    now = "-install" if foreseen.step in ("install", "reinstall") else "-upgrade"
    held = {ref_of(document).identity(namespace): document for document in foreseen.held}
    absent = {ref.identity(namespace) for ref in foreseen.absent}
    for document in foreseen.rendered:
        events, identity = hook_events(document), ref_of(document).identity(namespace)
        if events:
            if any(event in (f"pre{now}", f"post{now}") for event in events):
                watched = ("list", "watch") if document["kind"] in _WATCHED else ()
                yield document, ("create", "delete", *watched)
        elif foreseen.failed:
            yield document, ("create", "patch")
        elif identity not in held or identity in absent:
            yield document, ("create",)
        else:
            yield document, () if document == held[identity] else ("patch",)


def grants(foreseen: Sequence[Foreseen], namespace: str) -> Iterator[Grant]:
    """The roles and bindings that helm writes."""
    roles = {
        (document["kind"], _place(document, namespace), document["metadata"]["name"]): rights_of(document)
        for each in foreseen
        for document in (*each.held, *each.rendered)
        if document["kind"] in ("Role", "ClusterRole")
    }
    for each in foreseen:
        for document, writes in _written(each, namespace) if each.step else ():
            kind, verb = str(document["kind"]), _GRANTING.get(str(document["kind"]))
            if verb is None or not str(document["apiVersion"]).startswith(f"{RBAC}/") or not writes:
                continue
            place = _place(document, namespace)
            if verb == "escalate":
                # The server asks for it without the name where the role is created.
                name = "" if "create" in writes else str(document["metadata"]["name"])
                yield Grant(ref_of(document), verb, f"{kind.lower()}s", name, place, rights_of(document))
            else:
                role = document.get("roleRef") or {}
                of, name = str(role.get("kind")), str(role.get("name"))
                rights = roles.get((of, None if of == "ClusterRole" else place, name))
                yield Grant(ref_of(document), verb, f"{of.lower()}s", name, place, rights)


def _place(document: Mapping[str, Any], namespace: str) -> str | None:
    if str(document["kind"]).startswith("Cluster"):
        return None
    return (document.get("metadata") or {}).get("namespace") or namespace


def rights_of(role: Mapping[str, Any]) -> tuple[Attributes, ...]:
    """Every single right that a role has."""
    rules = role.get("rules") or []
    if (role.get("aggregationRule") or {}).get("clusterRoleSelectors"):  # may come to hold anything
        rules = [_ALL, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    return tuple(dict.fromkeys(right for rule in rules for right in _rights(rule)))


def _rights(rule: Mapping[str, Any]) -> Iterator[Attributes]:
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield ("path", path), ("verb", verb)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                plural, _slash, sub = resource.partition("/")
                for name in rule.get("resourceNames") or ("",):
                    given = {"verb": verb, "group": group, "resource": plural, "subresource": sub, "name": name}
                    yield tuple((key, value) for key, value in given.items() if value or key == "group")


def of_definitions(documents: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, bool]]:
    """The kinds that CRDs bring, by group and kind: plural, and whether they are namespaced."""
    found = {}
    for document in documents:
        if document["kind"] == "CustomResourceDefinition":
            spec = document["spec"]
            found[spec["group"], spec["names"]["kind"]] = (spec["names"]["plural"], spec.get("scope") == "Namespaced")
    return found


def served_by(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The API versions, and the kinds in them, that CRDs bring, as helm's capabilities name them."""
    found: dict[str, None] = {}
    for document in documents:
        if document["kind"] == "CustomResourceDefinition":
            spec = document["spec"]
            for version in spec.get("versions") or ():
                api = f"{spec['group']}/{version['name']}"
                found[api] = found[f"{api}/{spec['names']['kind']}"] = None
    return list(found)
