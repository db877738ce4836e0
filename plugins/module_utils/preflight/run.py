# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight: everything that can be known before a change, as one list of rows. See `run`.

facts.py reads, checks/ judges, report/table.py writes it down. Here they are put together with the inventory's
clusters; no check is made here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import HANDS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import external_dns, model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import secret_keys_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import Dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct, Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    alerts,
    cluster_deployment,
    promxy_config,
    promxy_server_group,
    service_values,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import switched_on
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    DNS_METHODS_WITH_SECRET,
    Child,
    Fault,
    Mothership,
    Regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import checks, subjects
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import (
    Facts,
    Wanted,
    gather,
    installed_charts,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.foresight import Foresee
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.jobs import JOBS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import Walk
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import (
    GRAFANA_SWITCH,
    Mirrored,
    ReplacedMap,
    Situation,
    Zone,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import (
    FAILED,
    Check,
    narrowed,
)

#: The layers a run walks through, by what it stands before.
LAYERS_OF = {
    "site": ("mothership", "regional", "child"),
    "mothership": ("mothership",),
    "regional": ("regional",),
    "child": ("child",),
}


@dataclass(frozen=True)
class Inventory:
    """The whole inventory as parsed, and what its hosts share.

    :ivar faults: of any host; those of hosts outside the batch become warnings.
    :ivar permissions: those of this one run.
    :ivar replaced: maps of groups that hosts replace by their own.
    :ivar whole: it is declared to have every cluster of the fleet, and the run sees all of it.
    :ivar shared: the batch's `kof_*` values and the mothership's `dns_credentials_*`, with defaults.
    """

    mothership: Mothership | None
    regionals: Sequence[Regional]
    children: Sequence[Child]
    faults: Sequence[Fault] = ()
    shared: Mapping[str, Any] = field(default_factory=dict)
    permissions: Permissions = field(default_factory=Permissions)
    replaced: Sequence[ReplacedMap] = ()
    whole: bool = False

    def value(self, name: str, default: Any = None) -> Any:
        found = self.shared.get(name)
        return default if found is None else found


def run(
    connection_or_error: Any,
    batch: Collection[str],
    inventory: Inventory,
    chosen_release: Direct | None,
    *,
    check_mode: bool,
    before: str = "site",
    layers: Collection[str] | None = None,
    announce: bool | None = None,
    zones: Sequence[Zone] = (),
    foresee: Foresee | None = None,
    job: str = "apply",
) -> list[Check]:
    """Make every check that a run before `before` needs, in the order of the table.

    Never raises for what the cluster is or lacks: an API server that is away or refuses the login is one failed check.

    :param connection_or_error: a Connection, or the ApiUnavailable that came instead of one.
    :param batch: hosts of the run; faults that involve none of them become warnings.
    :param chosen_release: by kof_version; None: nobody says which, and that alone is told, with which is installed.
    :param before: site | mothership | regional | child; what the run is about to do.
    :param layers: instead of `before`, the layers by name (dns_credentials, mothership, regional, child).
    :param check_mode: nothing that an earlier layer brings can be there yet.
    :param announce: whether what kof-mothership brings will be there when it is needed, and is announced instead of
        missed. None: if this run has a mothership to install, or in check mode the inventory has one.
    :param foresee: looks at what helm has to do for the mothership's charts; None: nobody wants to know.
    :param zones: the hosted zones that dns_credentials gives rights in, as AWS has them.
    :param job: one of JOBS; what the user is asked to have the rights for.
    """
    release = chosen_release or next(iter(RELEASES.values()))
    chosen = frozenset(LAYERS_OF[before] if layers is None else layers)
    batch = frozenset(batch)
    situation = _situation(
        batch, inventory, release, chosen, check_mode=check_mode, announce=announce, zones=zones, job=job
    )
    if chosen_release is None:
        unsaid = functools.partial(installed_charts, namespace=situation.namespace)
        found = _facts(connection_or_error, unsaid)
        told = [found] if isinstance(found, Check) else checks.unchosen_kof(replace(situation, facts=found))
        return [narrowed(check, batch) for check in [*(checks.inputs(situation) if situation.faults else ()), *told]]
    walk = _walk(situation, inventory, batch, job)
    found = _gathered(connection_or_error, situation, inventory, walk, foresee if job == "apply" else None)
    if isinstance(found, Check):
        return [
            narrowed(check, batch) for check in [*checks.inputs(situation), *checks.replaced_maps(situation), found]
        ]
    return [narrowed(check, batch) for check in checks.made(replace(situation, facts=found))]


def budgets(facts: Facts, batch: Collection[str], inventory: Inventory, release: Direct) -> list[Check]:
    """What the regions use of the budgets that they share, by what is live and by the inventory.

    :param facts: as far as they are known; what isn't known of is left out, or in `unread`.
    :param batch: hosts that are looked at.
    """
    regional = frozenset({"regional"})  # promxy's limit is that of the live Deployment
    situation = _situation(
        frozenset(batch), inventory, release, regional, check_mode=False, announce=None, zones=(), job="status"
    )
    return checks.budgets_of(replace(situation, facts=facts))


def _situation(
    batch: frozenset[str],
    inventory: Inventory,
    release: Direct,
    chosen: frozenset[str],
    *,
    check_mode: bool,
    announce: bool | None,
    zones: Sequence[Zone],
    job: str,
) -> Situation:
    """What checks look at, but for the facts. Parameters as those of `run`; chosen: the layers."""
    mothership = inventory.mothership
    in_batch = mothership is not None and mothership.host in batch
    everyone = [
        *(subjects.of_regional(regional, release) for regional in inventory.regionals),
        *(subjects.of_child(child, release) for child in inventory.children),
    ]
    mine = tuple(subject for subject in everyone if subject.host in batch and subject.layer in chosen)
    walked = {subject.layer for subject in mine}
    if "mothership" in chosen and in_batch:
        walked.add("mothership")
    parsed = {subject.host for subject in everyone} | ({mothership.host} if mothership else set())
    unparsed = frozenset(fault.host for fault in inventory.faults) - parsed
    # A mothership whose variables are wrong would be installed too, once they are right.
    comes = announce
    if comes is None:
        unreadable = "mothership" in chosen and bool(batch & unparsed)
        comes = "mothership" in walked or unreadable or (check_mode and mothership is not None)
    return Situation(
        facts=Facts(""),
        release=release,
        layers=frozenset(walked),
        announce=comes,
        check_mode=check_mode,
        announce_dns=comes or ("dns_credentials" in chosen and in_batch),
        makes_dns_secret="dns_credentials" in chosen
        and in_batch
        and inventory.value("dns_credentials_method") in DNS_METHODS_WITH_SECRET,
        namespace=inventory.value("kof_namespace", "kof"),
        kcm_namespace=inventory.value("kof_kcm_namespace", "kcm-system"),
        fleet=inventory.value("kof_fleet", "kof"),
        subjects=mine,
        others=tuple(subject for subject in everyone if subject.host not in batch or subject.layer not in chosen),
        faults=tuple(dict.fromkeys([*inventory.faults, *_between(inventory, release)])),
        unparsed=unparsed,
        replaced=tuple(inventory.replaced),
        whole=inventory.whole and not inventory.faults,
        mothership_host=mothership.host if mothership else None,
        mothership_in_batch=in_batch,
        storage_class=_storage_class(mothership, release),
        grafana=switched_on(mothership.values if mothership else {}, GRAFANA_SWITCH),
        install_templates=mothership.install_templates if mothership else True,
        dns_method=inventory.value("dns_credentials_method", "none"),
        dns_layer="dns_credentials" in chosen and in_batch,
        replace_guide_objects=inventory.value("kof_replace_guide_objects", False),
        adopt=inventory.value("kof_adopt", True),
        promxy_memory=_promxy_memory(mothership, release),
        zones=tuple(zones),
        mirrored=tuple(_mirrored(inventory, batch, walked, release)),
        dashboards=tuple(_dashboards(inventory, batch, walked)),
        alerting_secrets=_alerting_secrets(mothership) if "mothership" in walked else (),
        hosted_zones=len(inventory.value("dns_credentials_hosted_zones", ())),
        groups=tuple(
            promxy_server_group.of_regional(regional, release)
            for regional in inventory.regionals
            if regional.host in batch and "regional" in walked
        ),
        render_promxy_config=functools.partial(promxy_config.render, release=release),
        permissions=inventory.permissions,
        hands=tuple(inventory.value("kof_drift_managers", HANDS)),
        render_cluster=_renderer(inventory, release),
        needs_secrets=job == "apply",
    )


def _dashboards(
    inventory: Inventory, batch: Collection[str], layers: Collection[str]
) -> Iterator[tuple[str, str, Dashboard]]:
    mothership: list[Any] = [inventory.mothership] if inventory.mothership else []
    for layer, clusters in {"mothership": mothership, "regional": inventory.regionals}.items():
        for each in clusters if layer in layers else ():
            if each.host in batch:
                yield from ((each.host, f"{layer}_dashboards", file) for file in each.dashboards or ())


def _alerting_secrets(mothership: Mothership | None) -> tuple[tuple[str, str], ...]:
    return tuple(secret_keys_of(mothership.alertmanager_config)) if mothership else ()


def _mirrored(
    inventory: Inventory, batch: Collection[str], layers: Collection[str], release: Direct
) -> Iterator[Mirrored]:
    mothership: list[Any] = [inventory.mothership] if inventory.mothership else []
    of_layers = {"mothership": mothership, "regional": inventory.regionals, "child": inventory.children}
    for layer, clusters in of_layers.items():
        for each in clusters if layer in layers else ():
            if each.host not in batch or not (each.image_registry or each.image_pull_secrets):
                continue
            charts = tuple(release.charts)
            if layer != "mothership":
                others = {*each.disabled_services, *each.service_templates}
                charts = tuple(name for name in release.service_names(layer) if name not in others)
            yield Mirrored(each.host, layer, charts, bool(each.image_registry), tuple(each.image_pull_secrets or ()))


def _walk(situation: Situation, inventory: Inventory, batch: Collection[str], job: str) -> Walk:
    """A cluster of each layer that the run walks through, for all of the batch."""
    everyone = {"mothership": [inventory.mothership], "regional": inventory.regionals, "child": inventory.children}
    # One whose alerts are spoken of needs rights that others don't.
    clusters: dict[str, Any] = {
        layer: min(
            (each for each in everyone[layer] if each and each.host in batch), key=lambda each: not alerts.wanted(each)
        )
        for layer in LAYERS_OF["site"]
        if layer in situation.layers
    }
    if situation.dns_layer:
        clusters["dns_credentials"] = {
            "method": situation.dns_method,
            "kof_fleet": situation.fleet,
            "kof_namespace": situation.namespace,
        }
    jobs = JOBS[job]
    if job == "apply":
        jobs += (("check",) if situation.check_mode else ()) + (("replace",) if situation.replace_guide_objects else ())
    return Walk(clusters, situation.release, situation.namespace, situation.kcm_namespace, jobs)


def _renderer(inventory: Inventory, release: Direct) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """By host and live cluster, its ClusterDeployment as far as guards look at it: without its template."""
    regionals = {each.host: each for each in inventory.regionals}
    children = {each.host: each for each in inventory.children}

    made: dict[str, dict[str, Any]] = {}  # several guards ask

    def rendered(host: str, live: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {"release": release, "kcm_version": release.needs.kcm, "template": ""}
        if host in regionals:
            if host not in made:
                settled = external_dns.settled(regionals[host], live, "")
                made[host] = cluster_deployment.regional(settled, **known)
            return made[host]
        # A child has no values that guards look at, and they are what rendering takes its time for.
        if host not in made:
            made[host] = cluster_deployment.child(children[host], **known, regional_domain=None)
        return made[host]

    return rendered


def _storage_class(mothership: Mothership | None, release: Direct) -> str | None:
    """The class of the mothership's volumes, as values said by hand go over ours and the charts'; None for the
    cluster's default."""
    named = release.classes.mothership if release.classes else None
    if mothership is None:
        return named
    said = mothership.values.get("global")
    if isinstance(said, Mapping) and "storageClass" in said:
        # Null takes ours away, too.
        return named if said["storageClass"] is None else str(said["storageClass"]) or None
    return mothership.storage_class or named


def _promxy_memory(mothership: Mothership | None, release: Direct) -> Any:
    """promxy's memory limit as the mothership's values have it over the chart's; None if they take it away."""
    limits: Any = {"resources": {"limits": {"memory": release.promxy.memory}}}
    limits = service_values.merged({"promxy": limits}, mothership.values if mothership else {})
    for key in ("promxy", "resources", "limits", "memory"):
        limits = limits.get(key) if isinstance(limits, Mapping) else None
    return limits


def _between(inventory: Inventory, release: Release) -> list[Fault]:
    """The model's faults between clusters, but for those that checks name with all their hosts, or look for live."""
    checked = ("regional_cluster_name", "child_cluster_name", "regional_domain", "child_regional")
    found = model.fleet_faults(inventory.mothership, inventory.regionals, inventory.children)
    told = [fault for fault in found if fault.variable not in checked]
    return told + model.shared_users([*inventory.regionals, *inventory.children], release)


def _gathered(
    connection: Any, situation: Situation, inventory: Inventory, walk: Walk, foresee: Foresee | None
) -> Facts | Check:
    """The facts, or the one check that says why there are none."""
    layers = situation.layers
    secrets = {subject.vmuser_secret for subject in situation.regionals if subject.vmuser_secret}
    # Who only looks needs no login to AWS.
    if situation.regionals and "status" not in walk.jobs:
        secrets.add(situation.release.dns.secret)
    secrets.update(name for name, _key in situation.alerting_secrets)
    secrets.update(name for one in situation.mirrored if one.layer == "mothership" for name in one.secrets)
    wanted = Wanted(
        walk=walk,
        secrets=frozenset(secrets),
        helm="mothership" in layers and "apply" in walk.jobs,
        helm_binary=inventory.value("kof_helm_binary"),
        ca_file=inventory.value("kof_chart_repository_ca_file"),
        anonymous_registry=(
            None if inventory.value("kof_chart_repository_username") else inventory.value("kof_chart_repository")
        ),
        plain_http=inventory.value("kof_chart_repository_plain_http", False),
        promxy_deployment=(
            situation.release.promxy.deployment if "regional" in layers and "mothership" not in layers else None
        ),
        credentials=frozenset((subject.name, subject.credential) for subject in situation.subjects),
        foresee=functools.partial(foresee, connection) if foresee and "mothership" in layers else None,
        namespace_labels=namespace(situation.namespace, situation.fleet)["metadata"]["labels"],
    )
    return _facts(connection, functools.partial(gather, wanted=wanted))


def _facts(connection: Any, look: Callable[[Any], Facts]) -> Facts | Check:
    """What `look` sees over a connection, or the one check that says why that is nothing."""
    if isinstance(connection, ApiUnavailable):
        return _unavailable(connection)
    try:
        return look(connection)
    except ApiUnavailable as problem:
        return _unavailable(problem)
    except ApiError as problem:
        return _refused(connection, problem)


def _unavailable(problem: ApiUnavailable) -> Check:
    return Check("API server", str(problem), "answers", "", FAILED, (), "kof_kubeconfig")


def _refused(connection: Any, problem: ApiError) -> Check:
    if problem.status == 401:
        found = f"{connection.server} doesn't accept the credentials (401 {problem.message})"
        remedy = "log in again, or give a valid kof_kubeconfig, kof_api_key or client certificate"
        return Check("API server", found, "accepted credentials", remedy, FAILED, (), "kof_kubeconfig")
    found = f"{connection.server} answers {problem.status} {problem.reason}: {problem.message}"
    remedy = "see the API server's log; its address is kof_host, or in kof_kubeconfig"
    return Check("API server", found, "answers", remedy, FAILED, (), "kof_kubeconfig")
