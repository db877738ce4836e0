# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between releases of kof: a common head, which every job may ask of any line, and a style beside it.

Data only: no function with a decision in it belongs here, and nothing of the house is imported. Each line's data is in
a file of its own. Sources: the releases' charts and CRDs, and their guides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP


@dataclass(frozen=True)
class Chart:
    """A chart that is installed on the management cluster.

    :ivar invalid_schema: its values.schema.json isn't valid by the rules of JSON Schema.
    :ivar needed_objects: of its release (kind/name), that every cluster lives on: the credentials of all regions, and
        what copies them there.
    :ivar foreign_objects: of other charts that have its name and version (kind/name).
    :ivar values: without which it doesn't work as it comes.
    :ivar fixed_values, growing_values: as of a Service.
    """

    version: str
    invalid_schema: bool = False
    needed_objects: tuple[str, ...] = ()
    foreign_objects: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    fixed_values: tuple[tuple[str, ...], ...] = ()
    growing_values: Mapping[tuple[str, ...], object] = field(default_factory=dict)


@dataclass(frozen=True)
class Needs:
    """What must be there before it.

    :ivar kcm: version of kcm's API in which its charts make ServiceTemplates, and that of a management cluster where
        none can be asked.
    :ivar k0rdent, kubernetes: least versions.
    :ivar k0rdent_below: from which on another release of kof is the right one; empty where none is.
    :ivar unlabelled: kinds of ClusterTemplates whose clusters get no labels from us, and so no Secrets.
    :ivar internet: what its pods fetch from there when they start; empty for images and charts alone.
    :ivar operators: by app.kubernetes.io/name: least chart version, the one that comes, with which chart.
    """

    kcm: str
    k0rdent: str
    kubernetes: str
    k0rdent_below: str = ""
    unlabelled: tuple[str, ...] = ()
    internet: str = ""
    operators: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """What a chart does with values. Helm takes any key, and what no template reads does nothing, in silence.

    :ivar read: paths that it reads, those of subcharts by their own names; what is below one is all its own.
    :ivar ignored: paths that do nothing, or not what their names say, although values files and guides have them, each
        with the reason and what does it instead (empty for nothing).
    """

    read: frozenset[str]
    ignored: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """An option that is one value of a chart.

    :ivar path: of the value.
    :ivar default: the chart's own.
    :ivar check: of an option that is text, what is wrong with it.
    """

    chart: str
    path: tuple[str, ...]
    default: Any = None
    check: Callable[[str], str | None] | None = None


@dataclass(frozen=True)
class Images:
    """How a chart is told of a mirror, and what of it can't be. Paths are of its values.

    :ivar registries: of a registry alone.
    :ivar repositories: of an image without its tag: what stands behind the registry there.
    :ivar variables: of a list of environment variables: one's name, and what stands behind the registry in it.
    :ivar secrets: of a list of pull secrets, each as {name: …}.
    :ivar fixed: images that no value names.
    :ivar without_secrets: whose pods get no pull secret by any value.
    """

    registries: tuple[str, ...] = ()
    repositories: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    without_secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedClasses:
    """StorageClasses that charts name by themselves, where nobody says another; Grafana takes the default one all the
    same.

    :ivar mothership, regional: the class in each layer.
    :ivar kinds: of the ClusterTemplates whose clusters have `regional`.
    """

    mothership: str
    regional: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Promxy:
    """promxy of the management cluster, and the operator that writes its configuration.

    :ivar api_version: of kof's own kinds, PromxyServerGroup first.
    :ivar label: of a PromxyServerGroup, that names the Secret the operator writes.
    :ivar memory: its limit where no values say otherwise.
    :ivar escapes: the operator that came with it escapes what it writes, but its image may be a later one's; else a
        quote in one login breaks the configuration of all.
    """

    api_version: str
    label: str
    secret: str
    deployment: str
    memory: str
    escapes: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Paths:
    """Behind `https://vmauth.<domain>`."""

    read_logs: str
    read_metrics: str
    write_logs: str
    write_metrics: str


@dataclass(frozen=True)
class Dns:
    """How the Secret of external-dns comes to clusters.

    :ivar label: of clusters that get it.
    :ivar copier: what copies it there, as the charts' values call it.
    :ivar without_secret: values of external-dns with the chart's mounted AWS credentials taken out.
    """

    secret: str
    label: str
    copier: str
    without_secret: Mapping[str, object]


@dataclass(frozen=True)
class Alerts:
    """What evaluates rules over all clusters on the management cluster, and tells people.

    :ivar api_version: of the VictoriaMetrics operator's kinds.
    :ivar alertmanager: name of the VMAlertmanager.
    :ivar config: path of the value of kof-mothership that is Alertmanager's configuration, as text.
    :ivar switches: paths of its values any of which takes both away when false.
    :ivar cluster_label, region_label: of metrics, by which a cluster and, added by promxy, its regional are named.
    """

    api_version: str
    alertmanager: str
    config: tuple[str, ...]
    switches: tuple[tuple[str, ...], ...]
    cluster_label: str
    region_label: str


@dataclass(frozen=True)
class ExpectedDeployment:
    """A Deployment on the management cluster that must work after the charts are installed.

    :ivar switch: path of the chart's value that takes it away when false; empty where it is always there.
    :ivar chart: of which the switch is a value.
    """

    name: str
    chart: str
    switch: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workload:
    """What runs of a chart, whether the chart itself or an operator has made it.

    :ivar kind: Deployment, StatefulSet, DaemonSet, or OpenTelemetryCollector.
    :ivar chart: on the management cluster its Helm release's name, on others that of the service.
    :ivar switches: paths of the chart's values any of which takes it away when false.
    """

    kind: str
    name: str
    chart: str
    switches: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Entrance:
    """Something that a person opens in a browser.

    :ivar service, port: the Service in the namespace of kof, and its port.
    :ivar secret, keys: where user and password are, and under which keys; empty where it asks for none.
    :ivar switch: path of the value of its chart that takes it away when false.
    :ivar local: the port on the own machine that it is forwarded to; 0 for the same.
    :ivar path: of the page.
    """

    name: str
    service: str
    port: int
    secret: str
    keys: tuple[str, ...]
    switch: tuple[str, ...]
    local: int = 0
    path: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "local", self.local or self.port)


@dataclass(frozen=True)
class Dashboard:
    """One of Grafana's, by what its variables choose from: where they find nothing, all of it is empty.

    :ivar costs: whether it is about costs, which not every cluster sends.
    :ivar variables: of each its name, the series that it looks at and their label, `label_values(<series>, <label>)`.
    """

    title: str
    variables: tuple[tuple[str, str, str], ...]
    costs: bool = False


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of kof, whatever its style.

    :ivar charts: by name, which is its Helm release's, too; in the order of installation.
    :ivar cluster_template_version: suffix of the ClusterTemplates that came with it, where none can be asked.
    :ivar vmuser_keys: of user and password, in every Secret of a login.
    :ivar service_templates, deployments, secrets: that the charts make; of a Secret the keys that must be in it.
    :ivar workloads: by layer, what runs inside of its clusters; on the management cluster beside `deployments`. A run
        waits for none of it.
    :ivar entrances: what people open on the management cluster, in the order of interest; regional_entrances: inside of
        a regional cluster.
    :ivar dashboards: that read from promxy, and that the guides open.
    :ivar alerts: None where its charts bring nothing that anybody is told by.
    :ivar refused: options that can do nothing at it, each with the reason.
    :ivar values: of its charts and services, by name; of others nothing is known.
    :ivar options: that are one value of a chart, by the variable's name. Those whose value the chart doesn't read are
        refused.
    :ivar images: how its charts and services, by name, are told of a mirror of their images.
    :ivar elsewhere: addresses that don't have its charts, without a slash at the end, each with the reason. Where there
        are some, it is published nowhere: kof_chart_repository must be said, and may be more than a registry.
    :ivar classes: what its charts name; None where they name none.
    :ivar user_of: (layer, cluster, namespace) -> the user that it makes for a cluster, where two may have the same.
    """

    version: str
    charts: Mapping[str, Chart]
    needs: Needs
    cluster_template_version: str
    promxy: Promxy
    paths: Paths
    dns: Dns
    vmuser_keys: tuple[str, str] = ("username", "password")
    service_templates: tuple[str, ...]
    deployments: tuple[ExpectedDeployment, ...]
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    workloads: Mapping[str, tuple[Workload, ...]] = field(default_factory=dict)
    entrances: tuple[Entrance, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    alerts: Alerts | None = None
    regional_entrances: tuple[Entrance, ...] = ()
    #: The management cluster's own metrics carry this cluster name.
    mothership_cluster_name: str = "mothership"
    refused: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)
    options: Mapping[str, Setting] = field(default_factory=dict)
    images: Mapping[str, Images] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    classes: NamedClasses | None = None
    user_of: Callable[[str, str, str], str] | None = None

    @property
    def line(self) -> str:
        """The range of releases that are written the same way, `0.1`."""
        return ".".join(self.version.split(".")[:2])

    def service_names(self, layer: str) -> tuple[str, ...]:
        """Services of a layer's clusters whose values can be said for one cluster."""
        raise NotImplementedError

    @property
    def secret_labels(self) -> tuple[str, ...]:
        """Labels of clusters by which Secrets are copied there."""
        return (self.dns.label,)


# Style "direct": we write services, PromxyServerGroup and GrafanaDatasource.


@dataclass(frozen=True)
class Service:
    """One service of a cluster (`spec.serviceSpec.services[]`).

    :ivar namespace: into which it is installed; None stands for the namespace of kof.
    :ivar template: name of its ServiceTemplate.
    :ivar fixed_values: that its StatefulSets' volumes can't follow once they are there.
    :ivar growing_values: that they follow upwards only, with the chart's defaults: a smaller volume is never made of a
        larger one, and with a replica goes what is stored on it.
    """

    name: str
    template: str
    namespace: str | None = None
    fixed_values: tuple[tuple[str, ...], ...] = ()
    growing_values: Mapping[tuple[str, ...], object] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenPromxy(Promxy):
    """
    :ivar path_prefix: of a region's metrics, behind vmauth.
    :ivar needs_regions: it has no configuration, and isn't available, before there is a regional cluster.
    """

    path_prefix: str
    remote_write_url: str
    needs_regions: bool = False


@dataclass(frozen=True)
class Grafana:
    """Grafana of the management cluster and, by `secret`, of each regional one.

    :ivar metrics: the data source of all regions' metrics, by name.
    :ivar sources: the data sources that the charts bring, by name.
    :ivar secret: of its administrator.
    :ivar upgrade_drops_secret: every upgrade of kof-storage takes it away from the cluster, or makes one with a new
        password.
    """

    api_version: str
    selector: Mapping[str, str]
    logs_type: str
    metrics: str
    sources: tuple[str, ...]
    secret: str
    upgrade_drops_secret: bool


@dataclass(frozen=True, kw_only=True)
class Direct(Release):
    """A release whose services, PromxyServerGroups and GrafanaDatasources are written by us.

    :ivar services: by layer, in the order of installation.
    :ivar cluster_labels: by layer, labels of the ClusterDeployment (the guide's; nothing selects by them).
    :ivar vmuser_label: of clusters to which the user Secret is copied.
    :ivar cert_manager_values: values of service cert-manager, as its ServiceTemplate's chart nests them.
    """

    promxy: WrittenPromxy
    grafana: Grafana
    services: Mapping[str, tuple[Service, ...]]
    cluster_labels: Mapping[str, Mapping[str, str]]
    vmuser_label: str
    cert_manager_values: Mapping[str, object]
    #: The ClusterIssuer that its Ingresses name.
    issuer: str = "letsencrypt-prod"
    #: API groups of the operators that its charts bring to the management cluster.
    operator_groups: tuple[str, ...] = (
        "operator.victoriametrics.com",
        "grafana.integreatly.org",
        f"kof.{KCM_GROUP}",
        "opentelemetry.io",
        "monitoring.coreos.com",
    )
    #: What its charts leave in kcm's namespace beside ServiceTemplates: API version, kind and name.
    kept_sources: tuple[tuple[str, str, str], ...] = (
        ("source.toolkit.fluxcd.io/v1", "HelmRepository", "k0rdent-catalog"),
    )

    def service_names(self, layer: str) -> tuple[str, ...]:
        return tuple(service.name for service in self.services[layer])

    @property
    def secret_labels(self) -> tuple[str, ...]:
        return (self.vmuser_label, self.dns.label)


# Style "labels": we label a ClusterDeployment, and kof's operator makes the rest.


@dataclass(frozen=True, kw_only=True)
class Labels(Release):
    """A release that is told by labels what to install (0.2 and later). No such line is offered yet.

    :ivar components: the HelmReleases that its chart makes, with the versions of their charts, in the order of
        installation.
    :ivar regional_services, child_services, secret_services: the MultiClusterServices that bring kof to regional and to
        child clusters, and the login to child clusters.
    :ivar dns_services: the same for the DNS Secret.
    :ivar settings: by service, the cluster annotation with its values.
    """

    components: Mapping[str, str]
    vmuser_api_version: str
    regional_services: str
    child_services: str
    secret_services: str
    dns_services: str
    settings: Mapping[str, str]

    def service_names(self, layer: str) -> tuple[str, ...]:
        return tuple(self.settings)
