# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be waited for in a fleet: by kind, the judge of an object and what else the judge looks at. No requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import Readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup, Object, Related, Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import readiness

SVELTOS, SVELTOS_CLUSTERS = "config.projectsveltos.io/v1beta1", "lib.projectsveltos.io/v1beta1"


def _cluster_of(summary: Object) -> tuple[str | None, str] | None:
    spec = summary.get("spec") or {}
    return (spec.get("clusterNamespace"), spec["clusterName"]) if spec.get("clusterName") else None


def _itself(obj: Object) -> tuple[str | None, str]:
    return obj["metadata"].get("namespace"), obj["metadata"]["name"]


def _configured(configuration: Object) -> tuple[str | None, str]:
    """Of a ClusterConfiguration, `capi--<cluster>` or `sveltos--<cluster>`."""
    return configuration["metadata"].get("namespace"), configuration["metadata"]["name"].partition("--")[2]


# kcm's charts name the cluster as the ClusterDeployment. What is asked for after the ClusterDeployments is at least as
# new as they are: a summary from before the wish that is judged would be a false "ready".
_ABOUT_A_CLUSTER = (
    Related(SVELTOS, "ClusterSummary", _cluster_of),
    Related(SVELTOS, "ClusterConfiguration", _configured),
    Related(SVELTOS_CLUSTERS, "SveltosCluster", _itself),
    Related("cluster.x-k8s.io/v1beta1", "Cluster", _itself),
)


#: Of these, what says whether a cluster lives on without its ClusterDeployment, and what is installed on it.
OF_ADOPTED = tuple(related for related in _ABOUT_A_CLUSTER if related.kind in ("ClusterSummary", "SveltosCluster"))


def cluster_deployment(ref: Ref, services: Sequence[tuple[str, str]] | None = None) -> Target:
    """A ClusterDeployment with its services; services: (namespace, name) wanted, None for those in its spec."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        def about(kind: str) -> list[Object]:
            return lookup.related(kind, ref.namespace, ref.name)

        around = readiness.Surroundings(
            summaries=about("ClusterSummary"),
            clusters=[*about("SveltosCluster"), *about("Cluster")],
            configurations=about("ClusterConfiguration"),
            template=lambda name: lookup.named("ServiceTemplate", ref.namespace, name),
        )
        return readiness.cluster_deployment(obj, around, services)

    return Target(ref, judge, (*_ABOUT_A_CLUSTER, Related(ref.api_version, "ServiceTemplate")))


def cluster_gone(ref: Ref) -> Target:
    """A ClusterDeployment that is being deleted."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        return readiness.cluster_gone(
            obj,
            lambda name: lookup.named("Credential", ref.namespace, name),
            lambda name: lookup.named("ServiceTemplate", ref.namespace, name),
        )

    return Target(ref, judge, tuple(Related(ref.api_version, kind) for kind in ("Credential", "ServiceTemplate")))


def services_gone(ref: Ref, profiles: Collection[str]) -> Target:
    """A ClusterDeployment whose services, and the Secrets of these ClusterProfiles, are being taken off its cluster."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        around = readiness.Surroundings(
            summaries=lookup.related("ClusterSummary", ref.namespace, ref.name),
            clusters=lookup.related("SveltosCluster", ref.namespace, ref.name),
        )
        return readiness.services_gone(obj, around, profiles)

    return Target(ref, judge, OF_ADOPTED)


def service_template(ref: Ref) -> Target:
    """A ServiceTemplate (or ClusterTemplate) that becomes valid."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        invalid = obj is not None and not (obj.get("status") or {}).get("valid")
        return readiness.service_template(obj, lookup.lasting(ref, invalid))

    return Target(ref, judge)


def deployment(ref: Ref) -> Target:
    """A Deployment whose replicas are all available."""
    return Target(ref, lambda obj, _lookup: core_readiness.deployment(obj))


def secret(ref: Ref, keys: Sequence[str] = ()) -> Target:
    """A Secret with values at `keys`."""
    return Target(ref, lambda obj, _lookup: core_readiness.secret(obj, keys))


def grafana_datasource(ref: Ref) -> Target:
    """A GrafanaDatasource that is in a Grafana."""
    return Target(ref, lambda obj, _lookup: readiness.grafana_datasource(obj))


def vm_rule(ref: Ref) -> Target:
    """A VMRule that the VictoriaMetrics operator hasn't refused."""
    return Target(ref, lambda obj, _lookup: readiness.vm_rule(obj))


def grafana_dashboard(ref: Ref) -> Target:
    """A GrafanaDashboard that is in a Grafana as it is wanted."""
    return Target(ref, lambda obj, _lookup: readiness.grafana_dashboard(obj))


def gone(ref: Ref) -> Target:
    """Anything that is being deleted."""
    return Target(ref, lambda obj, _lookup: core_readiness.gone(obj))
