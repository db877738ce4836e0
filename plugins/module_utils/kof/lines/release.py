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


@dataclass(frozen=True)
class Chart:
    """A chart that is installed on the management cluster.

    :ivar invalid_schema: its values.schema.json isn't valid by the rules of JSON Schema.
    :ivar needed_objects: of its release (kind/name), that every cluster lives on: the credentials of all regions, and
        what copies them there.
    :ivar foreign_objects: of other charts that have its name and version (kind/name).
    :ivar values: without which it doesn't work as it comes.
    """

    version: str
    invalid_schema: bool = False
    needed_objects: tuple[str, ...] = ()
    foreign_objects: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)


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
    """Something on the management cluster that a person opens in a browser.

    :ivar service, port: the Service in the namespace of kof, and its port.
    :ivar secret, keys: where user and password are, and under which keys; empty where it asks for none.
    :ivar switch: path of the value of kof-mothership that takes it away when false.
    """

    name: str
    service: str
    port: int
    secret: str
    keys: tuple[str, ...]
    switch: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of kof, whatever its style.

    :ivar charts: by name, which is its Helm release's, too; in the order of installation.
    :ivar cluster_template_version: suffix of the ClusterTemplates that came with it, where none can be asked.
    :ivar vmuser_keys: of user and password, in every Secret of a login.
    :ivar service_templates, deployments, secrets: that the charts make; of a Secret the keys that must be in it.
    :ivar workloads: by layer, what runs inside of its clusters; on the management cluster beside `deployments`. A run
        waits for none of it.
    :ivar entrances: what people open, in the order of interest.
    :ivar refused: what can do nothing at it, each with the reason: options by the variable's name, values in them by
        their path (`mothership_values.grafana.version`).
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
    #: The management cluster's own metrics carry this cluster name.
    mothership_cluster_name: str = "mothership"
    refused: Mapping[str, str] = field(default_factory=dict)
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
    """

    name: str
    template: str
    namespace: str | None = None
    fixed_values: tuple[tuple[str, ...], ...] = ()


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

    :ivar secret: of its administrator.
    :ivar upgrade_drops_secret: every upgrade of kof-storage takes it away from the cluster, or makes one with a new
        password.
    """

    api_version: str
    selector: Mapping[str, str]
    logs_type: str
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
