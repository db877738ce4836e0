# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What charts and kcm do to clusters beyond what was asked, or leave undone in silence: one warning each.

Seen on real clusters or read in the charts' source. Changes nothing and refuses nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: The service whose chart has the fault of `Release.upgrade_drops_grafana_secret`.
STORAGE = "kof-storage"
#: kof-mothership's HelmRepository, from which kcm takes the charts of kof (and not those of the catalog).
REPOSITORY = ("source.toolkit.fluxcd.io/v1", "HelmRepository", "kof")

Object = Mapping[str, Any]


def of_upgrades(
    wanted: Mapping[str, Object], changed: Collection[str], live: Mapping[str, Object], release: Direct
) -> list[str]:
    """What happens where a service that is there gets other values or another chart.

    :param wanted: ClusterDeployments by host.
    :param changed: hosts of which they are, or in check mode would be, changed.
    :param live: ClusterDeployments by name, as they were before.
    """
    if not release.grafana.upgrade_drops_secret:
        return []
    hosts = []
    for host in changed:
        if host not in wanted:
            continue
        before = _storage(live.get(wanted[host]["metadata"]["name"]) or {})
        after = _storage(wanted[host])
        # Sveltos upgrades for another text of the same values, too.
        same = [(before or {}).get(key) == (after or {}).get(key) for key in ("template", "values")]
        if before and after and not all(same) and _makes_grafana_secret(after):
            hosts.append(host)
    if not hosts:
        return []
    return [
        f"{some(sorted(hosts))}: {STORAGE} is upgraded there, and its chart {release.version} then takes away the "
        f"login of the cluster's own Grafana (Secret {release.grafana.secret}), or makes a new one where it is gone "
        "already. "
        "A Grafana that runs goes on with the old login until its pod is replaced, and then waits for the Secret. "
        "See role k0rdent.kof.regional's README for how to keep one of your own."
    ]


def _storage(cluster: Object) -> Object | None:
    services = ((cluster.get("spec") or {}).get("serviceSpec") or {}).get("services") or []
    return next((each for each in services if each.get("name") == STORAGE and not each.get("disable")), None)


def _makes_grafana_secret(service: Object) -> bool:
    try:
        values = foreign_yaml.read(service.get("values") or "")
    except foreign_yaml.NotYaml:  # somebody's template
        values = None
    grafana = (values if isinstance(values, dict) else {}).get("grafana") or {}
    security = grafana.get("security") or {}
    return grafana.get("enabled") is not False and security.get("create_secret") is not False


def of_another_repository(
    connection: Connection,
    clusters: Sequence[Any],
    summaries: Iterable[Object],
    repository: str,
    namespace: str,
) -> list[str]:
    """Clusters whose charts of kof come from another repository than the present one: kcm hands a repository's new
    address on only when a ClusterDeployment changes.

    Asks for one object, and only where an address differs from what the inventory says.

    :param clusters: regional or child clusters of the model.
    :param summaries: the ClusterSummaries of their namespace.
    :param repository: kof_chart_repository.
    :raises ApiUnavailable: the API server is away.
    """
    try:
        now_of = functools.partial(live_repository, connection, namespace)
        elsewhere, now = from_another_repository(clusters, summaries, repository, now_of)
    except ApiError:
        return []  # not to be read: nobody knows what is right
    if not elsewhere:
        return []
    stale = sorted(elsewhere)
    return [
        f"{some(stale)}: kof's charts still come from {elsewhere[stale[0]]}, and HelmRepository {namespace}/"
        f"{REPOSITORY[2]} has {now}: {touch(namespace, '<name>')}"
    ]


def touch(namespace: str, cluster: str) -> str:
    """How kcm is made to hand a repository's new address on."""
    return (
        "kcm hands that on only when a ClusterDeployment changes. To have it now: "
        f"kubectl -n {namespace} annotate clusterdeployment {cluster} k0rdent-kof/touched=$(date +%s) --overwrite"
    )


def live_repository(connection: Connection, namespace: str) -> Object | None:
    """The HelmRepository of kof's charts; None where there is none.

    :raises ApiError: it may not be read.
    :raises ApiUnavailable: the API server is away.
    """
    return get_or_none(connection, (REPOSITORY[0], REPOSITORY[1], namespace, REPOSITORY[2]))


def from_another_repository(
    clusters: Sequence[Any],
    summaries: Iterable[Object],
    repository: str,
    live: Callable[[], Object | None],
) -> tuple[dict[str, str], str]:
    """As `of_another_repository`: by host where its charts come from, and where they should.

    :param live: gives the HelmRepository; asked only where it takes it to know.
    """
    own = {each.cluster_name: each for each in clusters}
    elsewhere: dict[str, str] = {}
    for summary in summaries:
        cluster = own.get(str(dig(summary, ("spec", "clusterName"))))
        charts = dig(summary, ("spec", "clusterProfileSpec", "helmCharts"))
        if cluster is None:
            continue
        for chart in charts if isinstance(charts, list) else ():
            name, url, release = (str(dig(chart, (key,))) for key in ("chartName", "repositoryURL", "releaseName"))
            # A user's own ServiceTemplate has a repository of its own.
            ours = name.startswith("kof-") and release not in cluster.service_templates
            if ours and url.rstrip("/") != repository:
                elsewhere[cluster.host] = url.rstrip("/")
    if not elsewhere:
        return {}, ""
    found = live()
    if found is None:
        return {}, ""  # not ours
    now = str(dig(found, ("spec", "url"))).rstrip("/")
    return {host: url for host, url in elsewhere.items() if url != now}, now
