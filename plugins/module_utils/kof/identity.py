# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a live object is recognised: whose it is, and which regional cluster's domain an address is of. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP

#: The first label of the host name under which a regional cluster's vmauth is reached.
VMAUTH = "vmauth."
MANAGED_BY = "app.kubernetes.io/managed-by"
#: Two inventories on one management cluster never take each other's clusters for their own.
PART_OF = "app.kubernetes.io/part-of"
#: What `MANAGED_BY` says on an object of this collection.
OURS = "k0rdent.kof"

#: Whose dashboards a GrafanaDashboard is among: a region, or the mothership by the name of its own metrics.
DASHBOARDS_OF = "k0rdent.kof/dashboards-of"
#: An annotation of what a module for one object has made, on purpose and beside any inventory. A run that makes the
#: same object takes it off.
MADE_BY = "k0rdent.kof/made-by"

#: kof 0.2 and later install kof's services where a ClusterDeployment has it, and take them away where it is gone.
ROLE_LABEL = f"{KCM_GROUP}/kof-cluster-role"
#: By these a child of kof 0.2 and later names its regional cluster; without them kof's operator chooses one.
REGIONAL_LABEL = f"{KCM_GROUP}/kof-regional-cluster-name"
REGIONAL_NAMESPACE_LABEL = f"{KCM_GROUP}/kof-regional-cluster-namespace"


def vmauth_of(domain: str) -> str:
    """The host name under which a regional cluster's vmauth is reached."""
    return VMAUTH + domain


def fleet_of(item: Mapping[str, Any]) -> str | None:
    """The fleet of an object that this collection made; None for anybody else's object."""
    labels = item["metadata"].get("labels") or {}
    return labels.get(PART_OF) if labels.get(MANAGED_BY) == OURS else None


def of_config(item: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """`spec.config` of a live ClusterDeployment, or the map at a path in it. The API server takes any JSON there, from
    anybody in any namespace: what is no map says nothing."""
    found: Any = item
    for key in ("spec", "config", *path):
        found = found.get(key)
        if not isinstance(found, Mapping):
            return {}
    return found


def domain_of_target(target: object) -> str | None:
    """`vmauth.eu1.kof.example.com:443` -> `eu1.kof.example.com`; None for a target that isn't a vmauth."""
    host = target.rpartition(":")[0] or target if isinstance(target, str) else ""
    return host[len(VMAUTH) :].lower() if host.startswith(VMAUTH) else None


def domain_of_url(url: object) -> str | None:
    """`https://vmauth.eu1.kof.example.com/vls` -> `eu1.kof.example.com`; None for an url that isn't a vmauth's."""
    try:
        host = urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return None
    return host[len(VMAUTH) :] if host.startswith(VMAUTH) else None


def shared_by_another(
    namespace: Mapping[str, Any] | None, fleet: str, taken_over: Collection[str] = ()
) -> tuple[str, str] | None:
    """Why a fleet may not change what all fleets of a management cluster share (kof's namespace, its charts, the DNS
    Secret), and what to do instead; None if it may. Helm releases have no label of ours: whose the namespace is, they
    are.

    :param namespace: as it is on the management cluster; None where it isn't there.
    :param taken_over: fleets whose objects this run may take over.
    """
    theirs = fleet_of(namespace) if namespace else None
    if namespace is None or theirs is None or theirs == fleet or theirs in taken_over:
        return None
    name = namespace["metadata"]["name"]
    return (
        f"namespace {name} belongs to fleet {theirs}, and with it the charts and the DNS Secret that all fleets share",
        f"leave them to that fleet: no host in kof_mothership, or --skip-tags dns_credentials,mothership. If this is "
        f"its inventory: kof_fleet: {theirs}. If fleet {fleet} is to take them over: -e kof_take_over_fleet={theirs}",
    )


#: By what GitOps controllers mark what they keep: of each, the label or annotation, and what its value names.
_GITOPS_MARKS = (
    ("kustomize.toolkit.fluxcd.io/name", "the Flux Kustomization {}"),
    ("helm.toolkit.fluxcd.io/name", "the Flux HelmRelease {}"),
    ("argocd.argoproj.io/tracking-id", "the Argo CD application {}"),
    ("argocd.argoproj.io/instance", "the Argo CD application {}"),
    ("projectsveltos.io/reference-name", "Sveltos ({})"),
    ("objectset.rio.cattle.io/id", "Rancher Fleet ({})"),
    ("configsync.gke.io/manager", "Config Sync ({})"),
)
#: Their field managers, for an object whose marks were taken away.
_GITOPS_MANAGERS = {
    "kustomize-controller": "Flux (kustomize-controller)",
    "helm-controller": "Flux (helm-controller)",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "fleetagent": "Rancher Fleet",
}


def gitops_keeper(item: Mapping[str, Any]) -> str | None:
    """The GitOps controller that keeps an object, and would put back what somebody else changes; None for nobody."""
    metadata = item["metadata"]
    marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    for key, what in _GITOPS_MARKS:
        if marks.get(key):
            # A tracking id is application:group/kind:namespace/name.
            return what.format(str(marks[key]).partition(":")[0])
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return next((told for manager, told in _GITOPS_MANAGERS.items() if manager in managers), None)
