# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style "labels": we label a ClusterDeployment, and kof's operator and MultiClusterServices make the rest. Line 1.10.

Not offered yet: its parts are there to be judged by tests. What others make is never written here, but waited for; and
what they leave behind when a cluster goes is removed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, identity, strangers
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    Given,
    Goes,
    Installed,
    Objects,
    Part,
    Sign,
    Signs,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import labels_judges as judges
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import labels_names as names
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import promxy
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import labelled_cluster, labelled_mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import working
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Mothership, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import (
    PROMXY_SERVER_GROUP,
)

HELM_RELEASE = "helm.toolkit.fluxcd.io/v2"
_SERVICES = "MultiClusterService"
_CLUSTER = "ClusterDeployment"
_PROPAGATION = "kof-vmuser-propagation-"

Data = Given[Labels]


def mothership(cluster: Mothership, given: Data) -> tuple[Part, ...]:
    """kof's namespace, its chart, what Flux installs because of it; and the users whose clusters are gone."""
    release, home = given.release, cluster.namespace
    parts = labelled_mothership.components(cluster, release)
    flux = [(Ref(HELM_RELEASE, "HelmRelease", home, name), version) for name, version in parts.items()]
    templates = [
        Ref(given.kcm_api, "ServiceTemplate", cluster.kcm_namespace, name) for name in release.service_templates
    ]
    to_clusters = [release.regional_services, release.child_services]
    if cluster.dns_secret:
        to_clusters.append(release.dns_services)
    deployments = working(release, {chart: labelled_mothership.values(cluster, release) for chart in release.charts})
    return (
        Part(
            Ref("v1", "Namespace", None, home),
            manifest=lambda: namespace(home, cluster.fleet),
            needed=True,
            goes=Goes.LEFT,
        ),
        *(
            Part(
                Installed(home, chart),
                manifest=lambda: labelled_mothership.helm_release(cluster, release),
                goes=Goes.DELETED,
            )
            for chart in release.charts
        ),
        # The chart keeps them, and Flux would take them away in any order.
        *(Part(ref, target=functools.partial(judges.helm_release, ref, its), goes=Goes.LEFT) for ref, its in flux),
        *(
            Part(
                ref,
                target=functools.partial(awaited.service_template, ref) if cluster.install_templates else None,
                needed=True,
            )
            for ref in templates
        ),
        *(
            Part(ref, target=functools.partial(judges.services, ref), needed=True, goes=Goes.FOLLOWS_LEFT)
            for ref in (_services(given, name) for name in to_clusters)
        ),
        *(
            Part(ref, target=functools.partial(awaited.deployment, ref), goes=Goes.FOLLOWS_LEFT)
            for ref in (Ref("apps/v1", "Deployment", home, name) for name in deployments)
        ),
        *_orphans(home, given),
    )


def _orphans(home: str, given: Data) -> Iterator[Part]:
    """The users of child clusters that are gone: their MultiClusterServices keep the login alive on the regional
    cluster, and kof-regional from ever being uninstalled."""
    living = given.live.once(_users)
    for ref in given.live.objects:
        user = ref.name.removeprefix(_PROPAGATION)
        # An admin's goes with its regional cluster.
        if ref.kind == _SERVICES and user != ref.name and not user.startswith(names.ADMIN) and user not in living:
            yield Part(Ref("v1", "Secret", home, f"kof-vmuser-creds-{user}"), goes=Goes.LEFT)
            yield Part(ref, goes=Goes.LEFT)


def regional(cluster: Regional, given: Data) -> tuple[Part, ...]:
    """The cluster, and what is made of it: where it is reached, its place in the global view, its admin, its services;
    each child that sends to it adds some."""
    release, name, space = given.release, cluster.cluster_name, cluster.kcm_namespace
    itself = Ref(given.kcm_api, _CLUSTER, space, name)
    config = names.config_of_regional(name)
    reached = Ref("v1", "ConfigMap", space, config)
    group_name = names.hashed("promxy-server-group", config, space)
    group = Ref(release.promxy.api_version, PROMXY_SERVER_GROUP, space, group_name)
    user = names.user("regional", name, space)
    shared = Goes.STAYS if _twins(given, user, space, name) else Goes.FOLLOWS
    copy = Ref("v1", "Secret", cluster.namespace, f"kof-vmuser-creds-{user}")
    propagation = _services(given, _PROPAGATION + user)
    config_of_promxy = Ref("v1", "Secret", cluster.namespace, release.promxy.secret)
    vmauth = identity.vmauth_of(cluster.domain)
    return (
        Part(
            itself,
            manifest=lambda: labelled_cluster.regional(
                cluster, release=release, kcm_version=given.kcm_version, template=given.template
            ),
            target=functools.partial(judges.cluster_deployment, itself),
            goes=Goes.DELETED,
            gone=functools.partial(awaited.cluster_gone, itself),
        ),
        Part(
            reached,
            target=functools.partial(
                judges.regional_config, reached, name, f"https://{vmauth}{release.paths.read_metrics}"
            ),
            goes=Goes.FOLLOWS,
            stand_in=Signs(_reached_by, strangers.signs(cluster)),
        ),
        # Without the rules of kof-mothership it stays empty, which hurts nothing else.
        Part(Ref("v1", "ConfigMap", space, f"kof-record-vmrules-{name}"), goes=Goes.FOLLOWS),
        Part(Ref("v1", "Secret", space, copy.name), goes=shared),
        Part(
            copy,
            target=functools.partial(awaited.secret, copy, release.vmuser_keys),
            goes=shared,
        ),
        Part(Ref(release.vmuser_api_version, "VMUser", space, f"kof-vmuser-{user}"), goes=shared),
        Part(
            propagation,
            target=functools.partial(judges.brought_to, propagation, space, name),
            goes=shared,
        ),
        Part(
            group,
            target=functools.partial(judges.server_group, group, name, f"{vmauth}:443", copy.name),
            goes=Goes.FOLLOWS,
            stand_in=Signs(strangers.read_from, strangers.signs(cluster)),
        ),
        *(
            Part(
                Ref(release.promxy.api_version, "VMStorageConnection", space, names.hashed(prefix, config, space)),
                goes=Goes.FOLLOWS,
            )
            for prefix in _CONNECTIONS
        ),
        *_brought(given, space, name, release.regional_services),
        Part(
            config_of_promxy,
            target=functools.partial(promxy.asks, config_of_promxy, name),
            # Of its last region the operator keeps the configuration as it is.
            goes=Goes.FOLLOWS if _has_others(given, group) else Goes.STAYS,
            gone=functools.partial(promxy.asks_no_more, config_of_promxy, name),
        ),
        *_brought_by_users(given, name),
    )


_CONNECTIONS = tuple(f"kof-{what}-storage-connection" for what in ("logs", "audit-logs", "traces"))


def child(cluster: Child, given: Data) -> tuple[Part, ...]:
    """The cluster, and what is made of it: where it sends to, its user, there and on its regional cluster, and its
    services."""
    release, name, space = given.release, cluster.cluster_name, cluster.kcm_namespace
    to = given.regional_name or cluster.regional
    itself = Ref(given.kcm_api, _CLUSTER, space, name)
    config = Ref("v1", "ConfigMap", space, names.config_of_child(name))
    of_regional = Ref("v1", "ConfigMap", space, names.config_of_regional(to))
    user = names.user("child", name, space)
    propagation = _services(given, _PROPAGATION + user)
    twins = _twins(given, user, space, name)
    follows, left, later = (Goes.STAYS if twins else goes for goes in (Goes.FOLLOWS, Goes.LEFT, Goes.FOLLOWS_LEFT))
    return (
        Part(
            itself,
            manifest=lambda: labelled_cluster.child(
                cluster,
                release=release,
                kcm_version=given.kcm_version,
                template=given.template,
                regional_name=to,
                regional_config=given.live.objects.get(of_regional, {}).get("data"),
            ),
            target=functools.partial(judges.cluster_deployment, itself),
            goes=Goes.DELETED,
            gone=functools.partial(awaited.cluster_gone, itself),
        ),
        Part(
            config,
            target=functools.partial(judges.child_config, config, to, of_regional),
            goes=Goes.FOLLOWS,
        ),
        Part(Ref("v1", "Secret", space, f"kof-vmuser-creds-{user}"), goes=follows),
        Part(Ref(release.vmuser_api_version, "VMUser", space, f"kof-vmuser-{user}"), goes=follows),
        # A cluster made again under its name would get the old password out of it.
        Part(Ref("v1", "Secret", cluster.namespace, f"kof-vmuser-creds-{user}"), goes=left),
        # As long as it is there, so is the login on the regional cluster.
        Part(propagation, target=functools.partial(judges.brought_to, propagation, space, to), goes=left),
        Part(Ref(given.kcm_api, "ServiceSet", space, names.service_set(to, propagation.name)), goes=later),
        *(Part(Installed(space, each, to), goes=later) for each in (f"kof-vmuser-{user}", f"kof-vmuser-creds-{user}")),
        *_brought(given, space, name, release.child_services),
        *_brought(given, space, name, release.secret_services),
    )


def _brought(given: Data, space: str, cluster: str, services: str) -> Iterator[Part]:
    """What a MultiClusterService brings to a cluster: its ServiceSet, and inside the cluster what it says today."""
    wish = _services(given, services)
    ref = Ref(given.kcm_api, "ServiceSet", space, names.service_set(cluster, services))
    yield Part(ref, target=functools.partial(judges.service_set, ref, wish), goes=Goes.FOLLOWS)
    for namespace_there, name in judges.service_names(given.live.objects.get(wish, {})):
        yield Part(Installed(namespace_there, name, cluster), goes=Goes.FOLLOWS)


def _brought_by_users(given: Data, cluster: str) -> Iterator[Part]:
    """What the live users of a regional cluster bring to it: its admin's, and each child's that sends to it."""
    for namespace_there, name in given.live.once(_propagated).get(cluster, ()):
        yield Part(Installed(namespace_there, name, cluster), goes=Goes.FOLLOWS)


def _propagated(objects: Objects) -> dict[str, list[tuple[str, str]]]:
    """By regional cluster, namespace and name of the releases that bring users there."""
    found: dict[str, list[tuple[str, str]]] = {}
    for ref, item in objects.items():
        if ref.kind == _SERVICES and ref.name.startswith(_PROPAGATION):
            chosen = ((item.get("spec") or {}).get("clusterSelector") or {}).get("matchLabels") or {}
            found.setdefault(chosen.get(labelled_cluster.NAME_LABEL, ""), []).extend(judges.service_names(item))
    return found


def _users(objects: Objects) -> dict[str, set[str]]:
    """By user, the clusters, `<namespace>/<name>`, that have it: as a child, or (admin-…) as a regional cluster. Every
    cluster counts as both: a label may have been taken from it while its kof runs on."""
    found: dict[str, set[str]] = {}
    for ref in objects:
        if ref.kind == _CLUSTER:
            for layer in ("regional", "child"):
                user = names.user(layer, ref.name, ref.namespace or "")
                found.setdefault(user, set()).add(f"{ref.namespace}/{ref.name}")
    return found


def _twins(given: Data, user: str, space: str, cluster: str) -> bool:
    """Whether another living cluster has the same hash, and with it the same user."""
    return bool(given.live.once(_users).get(user, set()) - {f"{space}/{cluster}"})


def _has_others(given: Data, group: Ref) -> bool:
    """Whether promxy has another region."""
    label, secret = given.release.promxy.label, given.release.promxy.secret
    return any(
        (ref.namespace, ref.name) != (group.namespace, group.name)
        and (item["metadata"].get("labels") or {}).get(label) == secret
        for ref, item in given.live.once(_groups).items()
    )


def _groups(objects: Objects) -> Objects:
    return {ref: item for ref, item in objects.items() if ref.kind == PROMXY_SERVER_GROUP}


def _reached_by(item: Mapping[str, Any]) -> Iterator[tuple[Sign, str]]:
    """kof's operator takes any ConfigMap with the label for a regional cluster's."""
    if (item["metadata"].get("labels") or {}).get(identity.ROLE_LABEL) == "regional":
        found = str((item.get("data") or {}).get("regional_cluster_name"))
        yield ("cluster", found), f"its regional_cluster_name is {found}"


def _services(given: Data, name: str) -> Ref:
    return Ref(given.kcm_api, _SERVICES, None, name)


PARTS: Mapping[str, Callable[[Any, Data], tuple[Part, ...]]] = {
    "mothership": mothership,
    "regional": regional,
    "child": child,
}
