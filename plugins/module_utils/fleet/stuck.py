# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something that is being deleted is still there: who holds it, since when, and what a person can do. Pure; nothing
is ever stripped of a finalizer here.

Sources: the finalizers that the operators of kof's charts, kcm, Flux and Kubernetes itself set; a Namespace's own
conditions (k8s.io/api/core/v1, NamespaceConditionType).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import IS_READY, Readiness, progressing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup, Related, Target

_OPENTELEMETRY = ("the OpenTelemetry operator", "kof-operators-opentelemetry-operator")
#: By the finalizer, or the domain it begins with: who takes it off, and that as a Deployment in kof's namespace.
_HOLDERS = {
    "apps.victoriametrics.com": ("the VictoriaMetrics operator", "kof-mothership-victoria-metrics-operator"),
    "operator.grafana.com": ("Grafana's operator", "kof-mothership-grafana-operator"),
    "opentelemetryoperator.opentelemetry.io": _OPENTELEMETRY,
    "opentelemetrycollector.opentelemetry.io": _OPENTELEMETRY,
    "k0rdent.mirantis.com": ("kcm (Deployment kcm-controller-manager in its namespace)", ""),
    "finalizers.fluxcd.io": ("Flux (source-controller in kcm's namespace)", ""),
    "kubernetes.io/pvc-protection": ("Kubernetes, when no pod uses it any more,", ""),
    "foregroundDeletion": ("Kubernetes' garbage collector, when what it owns is gone,", ""),
    "customresourcecleanup.apiextensions.k8s.io": ("Kubernetes, when the last object of the kind is gone,", ""),
}
#: Of a Namespace that is being deleted, what its controller says of what is still in it.
_OF_NAMESPACE = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
)


def gone(ref: Ref) -> Target:
    """Something that is being deleted, and has to be gone."""
    if ref.kind == "Namespace":
        return Target(ref, lambda obj, _lookup: _namespace(obj))
    related = (Related("apps/v1", "Deployment"),) if ref.namespace and ref.kind != "Deployment" else ()
    return Target(ref, lambda obj, lookup: _judge(ref, obj, lookup), related)


def _judge(ref: Ref, obj: Mapping[str, Any] | None, lookup: Lookup) -> Readiness:
    if obj is None:
        return IS_READY
    metadata = obj["metadata"]
    when = metadata.get("deletionTimestamp")
    if not when:
        return progressing("isn't being deleted", code="not-being-deleted")
    finalizers = [str(each) for each in metadata.get("finalizers") or ()]
    why = f"is being deleted since {when}, held by {', '.join(finalizers) or 'nothing'}"
    who, name = next((holder for each in finalizers if (holder := _holder(each))), ("", ""))
    if not who:
        return progressing(
            why, "the controller of that finalizer must do its work: see its log", code="being-deleted", since=when
        )
    why += f", which {who} takes off"
    if name and ref.namespace:
        found = lookup.named("Deployment", ref.namespace, name)
        if found is None:
            return progressing(
                f"{why}; but there is no Deployment {ref.namespace}/{name}",
                "have it work again (k0rdent.kof.mothership), then run this again; or, if what it would clean up may "
                f"stay, take the finalizer off by hand: kubectl edit {ref.kind.lower()} {ref.name} -n {ref.namespace}",
                code="deletion-held",
                since=when,
            )
        if not (found.get("status") or {}).get("availableReplicas"):
            why += f"; but its Deployment {name} isn't available"
            advice = f"see its pods: kubectl describe deployment {name} -n {ref.namespace}"
            return progressing(why, advice, code="deletion-held", since=when)
        advice = f"see its log: kubectl logs deployment/{name} -n {ref.namespace}"
        return progressing(why, advice, code="being-deleted", since=when)
    return progressing(why, "see its log", code="being-deleted", since=when)


def _holder(finalizer: str) -> tuple[str, str] | None:
    domain = finalizer.partition("/")[0]
    return _HOLDERS.get(finalizer) or _HOLDERS.get(domain)


def _namespace(obj: Mapping[str, Any] | None) -> Readiness:
    if obj is None:
        return IS_READY
    when = obj["metadata"].get("deletionTimestamp")
    if not when:
        return progressing("isn't being deleted", code="not-being-deleted")
    said = [
        str(each.get("message"))
        for kind in _OF_NAMESPACE
        for each in (obj.get("status") or {}).get("conditions") or ()
        if each.get("type") == kind and each.get("status") == "True"
    ]
    advice = "see what is named there: whose finalizer it is has to do its work (docs/uninstall.md)" if said else ""
    why = f"is being deleted since {when}" + (f": {'; '.join(said)}" if said else "")
    return progressing(why, advice, code="deletion-held" if said else "being-deleted", since=when)
