# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mothership, Regional, Child: variables of a host, validated, as dataclasses; and checks across them.

This is the only validation there is: the API servers drop unknown keys in silence and check next to nothing. So what a
variable must look like, what variables mean together, and what must be unique in a fleet is here. Kubernetes objects
are made elsewhere (`manifests`). Nothing here reads the network or Ansible's objects.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.encoding import MAX_KEY
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import alerting, dashboards, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import Dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import (
    example_of_repository,
    objections,
    repository_problem,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import (
    LEAVE_OUT,
    Fault,
    example_of,
    faults_of,
    load_spec,
    with_defaults,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, merged
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut, quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some
from ansible_collections.k0rdent.kof.plugins.module_utils.text.yaml_text import written

#: Methods of dns_credentials that end in the Secret the regional clusters get, and those that make or change something
#: at AWS.
DNS_METHODS_WITH_SECRET = ("iam_user", "existing")
DNS_METHODS_AT_AWS = ("iam_user", "node_role", "irsa")
#: Kinds of issuers that cert-manager has.
ISSUERS = ("acme", "ca", "selfSigned", "vault", "venafi")
_OF_ISSUERS = {"ca": ("secretName",), "vault": ("server", "path", "auth"), "venafi": ("zone",)}
#: Keys of an extra service; kcm would drop any other in silence.
SERVICE_KEYS = ("name", "template", "namespace", "values", "valuesFrom", "disable")
OUR_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/part-of")
#: The API server takes no Secret with more data (bytes; kubernetes.io/docs, Secrets): promxy's configuration is in one.
SECRET_LIMIT = 1024 * 1024
#: etcd takes no larger request (bytes; etcd.io, --max-request-bytes).
OBJECT_LIMIT = 3 * 1024 * 1024 // 2

__all__ = [
    "Child",
    "Fault",
    "Mothership",
    "Regional",
    "fleet_faults",
    "parse_child",
    "parse_dns_credentials",
    "parse_mothership",
    "parse_regional",
]


@dataclass(frozen=True)
class Mothership:
    """The management cluster: what its charts are given.

    :ivar chart_repository: `oci://...`, at a line that is published nowhere also `https://...` or a folder.
    :ivar helm_timeout: seconds, per chart.
    :ivar dns_secret: role dns_credentials makes the Secret that a ClusterProfile must copy.
    :ivar values, operators_values: the user's, over ours.
    :ivar settings: options that are one value of a chart, by the variable's name (Release.options).
    :ivar image_registry: mirror of the images; None for where the charts have them.
    :ivar image_pull_secrets: names of Secrets with the login there.
    :ivar dashboards: the user's own; None where none were asked for.
    """

    host: str
    fleet: str
    namespace: str
    kcm_namespace: str
    version: str
    chart_repository: str
    chart_repository_plain_http: bool
    storage_class: str | None
    install_templates: bool
    promxy_image_tag: str
    retention: str | None
    helm_timeout: int
    dns_secret: bool
    alertmanager_config: dict[str, Any] | None
    alert_rules: list[dict[str, Any]] | None
    values: dict[str, Any]
    operators_values: dict[str, Any]
    dashboards: tuple[Dashboard, ...] | None
    settings: dict[str, Any] = field(default_factory=dict)
    image_registry: str | None = None
    image_pull_secrets: list[str] | None = None


@dataclass(frozen=True)
class DnsAccess:
    """What role dns_credentials, on the mothership's host, gives the external-dns of all regional clusters.

    :ivar zones: ids of the hosted zones that it may write to; empty for all.
    :ivar role_arn: the role of its service account (irsa).
    :ivar instance_profile: of the nodes (node_role), where one is made.
    """

    zones: tuple[str, ...] = ()
    role_arn: str | None = None
    service_account: str = ""
    instance_profile: str | None = None


@dataclass(frozen=True)
class Regional:
    """A regional cluster.

    :ivar template: a ClusterTemplate's name; None for the newest of `template_kind`.
    :ivar config: `spec.config` of its ClusterDeployment, the user's part.
    :ivar external_dns: secret | node | none.
    :ivar external_dns_owner: as whom it owns records; None where nobody says it.
    :ivar ingress_addresses: IP addresses or one host name; empty where only the cluster knows.
    :ivar external_dns_access: what role dns_credentials gives it; None where that isn't known.
    :ivar promxy_dial_timeout, datasource_resync_period: Go durations.
    :ivar cluster_issuer: `spec` of the ClusterIssuer; None for the chart's.
    :ivar settings, image_registry, image_pull_secrets: as of a Mothership.
    :ivar dashboards: the user's own of this region; None where none were asked for.
    """

    host: str
    fleet: str
    namespace: str
    kcm_namespace: str
    version: str
    cluster_name: str
    domain: str
    admin_email: str
    template: str | None
    template_kind: str
    credential: str
    config: dict[str, Any]
    cluster_labels: dict[str, str]
    labels: dict[str, str]
    storage_class: str | None
    external_dns: str
    external_dns_owner: str | None
    external_dns_access: DnsAccess | None
    ingress_addresses: list[str]
    retention: str | None
    logs_storage_size: str
    service_templates: dict[str, str]
    service_values: dict[str, dict[str, Any]]
    disabled_services: list[str]
    extra_services: list[dict[str, Any]]
    service_priority: int
    propagate_credentials: bool
    promxy_insecure_skip_verify: bool
    promxy_dial_timeout: str
    datasource_resync_period: str
    dashboards: tuple[Dashboard, ...] | None
    vmuser_secret: str
    cluster_issuer: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    image_registry: str | None = None
    image_pull_secrets: list[str] | None = None
    alert_rules: list[dict[str, Any]] | None = None
    maintenance_until: str | None = None


@dataclass(frozen=True)
class Child:
    """A child cluster.

    :ivar regional: the host of its regional cluster.
    :ivar settings, image_registry, image_pull_secrets: as of a Mothership.
    """

    host: str
    fleet: str
    namespace: str
    kcm_namespace: str
    version: str
    cluster_name: str
    regional: str
    template: str | None
    template_kind: str
    credential: str
    config: dict[str, Any]
    cluster_labels: dict[str, str]
    labels: dict[str, str]
    service_templates: dict[str, str]
    service_values: dict[str, dict[str, Any]]
    disabled_services: list[str]
    extra_services: list[dict[str, Any]]
    service_priority: int
    propagate_credentials: bool
    opencost: bool
    vmuser_secret: str
    settings: dict[str, Any] = field(default_factory=dict)
    image_registry: str | None = None
    image_pull_secrets: list[str] | None = None
    alert_rules: list[dict[str, Any]] | None = None
    maintenance_until: str | None = None


def parse_mothership(
    host: str, variables: Mapping[str, Any], release: Release | None = None
) -> tuple[Mothership | None, list[Fault]]:
    """The management cluster out of its host's plain variables, or what is wrong with them (then it is None).

    :param release: instead of the one that kof_version says.
    """
    reader = _Reader(host, "mothership", variables, release)
    # Only dns_credentials_method matters to the charts; the role's other variables are checked along with it.
    reader.faults += [fault for fault in parse_dns_credentials(host, variables)[1] if fault.variable.startswith("dns_")]
    reader.check("mothership_storage_class", syntax.object_name)
    reader.check("mothership_promxy_image_tag", syntax.image_tag)
    reader.check("mothership_retention", syntax.retention)
    reader.number("mothership_helm_timeout", 1, 86_400)
    for name in ("mothership_values", "mothership_operators_values"):
        reader.keys_fit(name)
        size = _release_bytes(reader.values.get(name) or {})
        if size > SECRET_LIMIT:
            problem = f"takes {size:,} bytes as Helm keeps it, but the Secret of a release has {SECRET_LIMIT:,}"
            reader.fault(name, problem, "large texts (dashboards, rules) belong into ConfigMaps of their own")
    reader.alertmanager()
    reader.alert_rules()
    found = reader.dashboards()
    if found and dig(reader.values.get("mothership_values"), ("grafana", "enabled")) is False:
        without = "is set, and mothership_values takes Grafana away (grafana.enabled: false)"
        reader.fault("mothership_dashboards", without, "one of both")
    if reader.faults:
        return None, reader.faults
    with_secret = variables.get("dns_credentials_method") in DNS_METHODS_WITH_SECRET
    return reader.build(Mothership, dns_secret=with_secret, dashboards=found), []


def _release_bytes(values: Mapping[str, Any]) -> int:
    """The least that a Helm release with these values takes: they are compressed there, and then base64."""
    text = json.dumps(values).encode()
    return len(text) if len(text) < SECRET_LIMIT // 2 else len(base64.b64encode(zlib.compress(text, 9)))


_OIDC_PROVIDER = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:oidc-provider/.+\Z", re.ASCII)
#: AWS counts a trust policy's characters without white space; 2,048 is what an account has by default. One provider's
#: part without its two names, and the frame around all.
_TRUST_LIMIT, _TRUST_PART, _TRUST_FRAME = 2048, 140, 38


def parse_dns_credentials(host: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The options of role dns_credentials with their defaults, as its tasks take them, and what is wrong with them."""
    faults = faults_of("dns_credentials", variables, host)
    broken = {fault.variable for fault in faults}
    known = load_spec("dns_credentials")
    usable = {name: value for name, value in variables.items() if name in known and name not in broken}
    values = {name: value for name, value in with_defaults("dns_credentials", usable).items() if name not in broken}

    def of(name: str) -> Any:
        return values.get(f"dns_credentials_{name}")

    def fault(name: str, problem: str, example: str = "") -> None:
        name = f"dns_credentials_{name}"
        faults.append(Fault(host, name, problem, example or example_of(name)))

    method = of("method")
    if method in DNS_METHODS_AT_AWS:
        zones = of("hosted_zones") or []
        for zone in zones:
            if not syntax.hosted_zone(zone):
                fault(
                    "hosted_zones",
                    f"{quoted(zone, 60)} is neither the id nor the ARN of a Route 53 hosted zone",
                    _ZONES,
                )
        if "dns_credentials_hosted_zones" not in broken and bool(zones) == bool(of("all_zones")):
            what = "is set beside dns_credentials_all_zones" if zones else "is empty"
            fault("hosted_zones", what, f"{_ZONES}, or dns_credentials_all_zones: true for every zone of the account")
        for one, other in (("aws_access_key", "aws_secret_key"), ("aws_secret_key", "aws_access_key")):
            if of(one) and not of(other) and f"dns_credentials_{other}" not in broken:
                fault(one, f"is set without dns_credentials_{other}", f"both, or neither: {_AWS_LOGIN}")
        if of("aws_profile") and of("aws_access_key"):
            fault(
                "aws_profile", "is set beside dns_credentials_aws_access_key", f"one of them, or neither: {_AWS_LOGIN}"
            )
        if not re.fullmatch(r"/([!-~]{1,510}/)?", of("path") or "/"):
            fault(
                "path",
                f"{quoted(of('path'), 60)} must begin and end with a slash",
                "for example dns_credentials_path: /kof/",
            )
        for name, longest in (("user_name", 64), ("role_name", 64), ("policy_name", 128)):
            text = of(name) or f"kof-external-dns-{values.get('kof_fleet', 'kof')}"
            if not re.fullmatch(rf"[A-Za-z0-9+=,.@_-]{{1,{longest}}}", text):
                fault(name, f"{quoted(text)} is no name for AWS: at most {longest} letters, digits and +=,.@_-")
    if method == "irsa":
        providers = of("oidc_provider_arns") or []
        for arn in providers:
            if not _OIDC_PROVIDER.match(arn):
                fault("oidc_provider_arns", f"{quoted(arn)} is no ARN of an IAM OIDC provider", _PROVIDER)
        if not providers and "dns_credentials_oidc_provider_arns" not in broken:
            fault("oidc_provider_arns", "is empty", f"one for each regional cluster, {_PROVIDER}")
        size = trust_size(providers, values)
        if size > _TRUST_LIMIT:
            found = f"{len(providers)} providers make a trust policy of {size} characters, AWS takes {_TRUST_LIMIT}"
            fault("oidc_provider_arns", found, "fewer of them, or dns_credentials_method: node_role")
    if method == "existing":
        pair = ("access_key_id", "secret_access_key")
        given = [name for name in pair if of(name)]
        unread = {f"dns_credentials_{name}" for name in (*pair, "file")} & broken
        if not unread and (len(given) == 1 or bool(given) == bool(of("file"))):
            fault(
                "method",
                "existing takes either dns_credentials_access_key_id with dns_credentials_secret_access_key, or "
                "dns_credentials_file",
                "the two from a vault, or an AWS credentials file, which may be vaulted",
            )
    return values, faults


def trust_size(providers: Sequence[str], values: Mapping[str, Any]) -> int:
    """Characters of the trust policy that role dns_credentials makes for these OIDC providers, white space left out."""
    subject = f"system:serviceaccount:{values.get('kof_namespace')}:{values.get('dns_credentials_service_account')}"
    names = len(subject) + len(str(values.get("dns_credentials_oidc_audience")))
    issuers = [arn.partition(":oidc-provider/")[2] for arn in providers]
    return _TRUST_FRAME + sum(
        _TRUST_PART + len(arn) + 2 * len(issuer) + names for arn, issuer in zip(providers, issuers, strict=True)
    )


_ZONES = "for example dns_credentials_hosted_zones: [Z0123456789ABCDEFGHIJ] (aws route53 list-hosted-zones)"
_PROVIDER = "for example arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/ABC"
_AWS_LOGIN = "then the environment says who you are (AWS_ACCESS_KEY_ID, AWS_PROFILE, ...)"


def parse_regional(
    host: str, variables: Mapping[str, Any], release: Release | None = None
) -> tuple[Regional | None, list[Fault]]:
    """A regional cluster out of its host's plain variables, or what is wrong with them (then it is None).

    :param release: instead of the one that kof_version says.
    """
    reader = _Reader(host, "regional", variables, release)
    reader.check("regional_domain", syntax.domain)
    reader.check("regional_admin_email", syntax.email)
    reader.check("regional_storage_class", syntax.object_name)
    reader.check("regional_external_dns_owner", owner_problem)
    for problem in _addresses_problems(reader.values.get("regional_ingress_addresses") or []):
        reader.fault("regional_ingress_addresses", problem, "[192.0.2.10, 2001:db8::10], or [a1.elb.example.com]")
    reader.check("regional_retention", syntax.retention)
    reader.check("regional_logs_storage_size", syntax.storage_size)
    reader.check("regional_promxy_dial_timeout", syntax.go_duration)
    reader.check("regional_datasource_resync_period", syntax.go_duration)
    reader.issuer("regional_cluster_issuer")
    reader.cluster()
    found = reader.dashboards()
    return reader.build(Regional, dashboards=found) if not reader.faults else None, reader.faults


def parse_child(
    host: str, variables: Mapping[str, Any], release: Release | None = None
) -> tuple[Child | None, list[Fault]]:
    """A child cluster out of its host's plain variables, or what is wrong with them (then it is None).

    :param release: instead of the one that kof_version says.
    """
    reader = _Reader(host, "child", variables, release)
    reader.cluster()
    return reader.build(Child) if not reader.faults else None, reader.faults


def fleet_faults(
    mothership: Mothership | None,
    regionals: Sequence[Regional],
    children: Sequence[Child],
    *,
    live_regionals: Iterable[str] | None = None,
) -> list[Fault]:
    """What is wrong between clusters: names and domains used twice, children of no regional cluster.

    :param mothership: None where the inventory at hand has none.
    :param live_regionals: names of regional clusters on the management cluster, which children may belong to
        although the inventory has them not. None where that isn't known: then such children are not looked at.
    """
    faults = _twice(
        [*regionals, *children], "cluster_name", lambda cluster: (cluster.kcm_namespace, cluster.cluster_name)
    )
    faults += _twice(regionals, "domain", lambda regional: regional.domain)
    faults += _dashboards_twice([*([mothership] if mothership else ()), *regionals])
    hosts = {regional.host for regional in regionals}
    if live_regionals is not None:
        known = hosts | set(live_regionals)
        faults += [
            Fault(
                child.host,
                "child_regional",
                f"{quoted(child.regional)} is no host of kof_regional and no regional cluster that is there already"
                + did_you_mean(child.regional, known),
                example_of("child_regional"),
            )
            for child in children
            if child.regional not in known
        ]
    if mothership and mothership.alertmanager_config is None:
        clusters: list[Regional | Child] = [*regionals, *children]
        faults += [
            Fault(
                each.host,
                f"{'regional' if isinstance(each, Regional) else 'child'}_maintenance_until",
                f"holds nothing back: {mothership.host} has no mothership_alertmanager_config",
                f"there, {example_of('mothership_alertmanager_config')}",
            )
            for each in clusters
            if each.maintenance_until
        ]
    by_host = {regional.host: regional for regional in regionals}
    for child in children:
        regional = by_host.get(child.regional)
        if regional and regional.vmuser_secret != child.vmuser_secret:
            faults.append(
                Fault(
                    child.host,
                    "child_vmuser_secret",
                    f"is {quoted(child.vmuser_secret)}, but {regional.host} lets in who has "
                    f"{quoted(regional.vmuser_secret)}",
                    f"for example child_vmuser_secret: {regional.vmuser_secret}",
                )
            )
    size = sum(_PROMXY_GROUP_BYTES + len(each.domain) + len(each.cluster_name) for each in regionals)
    if size > SECRET_LIMIT:
        faults.append(
            Fault(
                regionals[-1].host,
                "regional_domain",
                f"promxy's configuration of {len(regionals)} regions has about {size} bytes, "
                f"but its Secret takes {SECRET_LIMIT}",
                "split the fleet over two management clusters",
            )
        )
    return faults


def shared_users(clusters: Sequence[Regional | Child], release: Release) -> list[Fault]:
    """Clusters that would have the same user, each fault at the later one: who changes or deletes the one cuts off the
    other."""
    first: dict[str, Regional | Child] = {}
    faults: list[Fault] = []
    if release.user_of is None:
        return faults
    for cluster in clusters:
        layer = "regional" if isinstance(cluster, Regional) else "child"
        other = first.setdefault(release.user_of(layer, cluster.cluster_name, cluster.kcm_namespace), cluster)
        if other.cluster_name != cluster.cluster_name:
            why = f"kof {release.version} makes it of a short hash of the name"
            problem = f"{quoted(cluster.cluster_name)} would share its user with {other.cluster_name}: {why}"
            example = f"another name, for example {cluster.cluster_name}-b"
            faults.append(Fault(cluster.host, f"{layer}_cluster_name", problem, example))
    return faults


#: One region in promxy's configuration, without the names in it and with some room for longer passwords.
_PROMXY_GROUP_BYTES = 450


def _twice(clusters: Sequence[Any], field: str, key: Callable[[Any], Any]) -> list[Fault]:
    faults = []
    first: dict[Any, Any] = {}
    for cluster in clusters:
        other = first.setdefault(key(cluster), cluster)
        if other is not cluster:
            variable = f"{'regional' if isinstance(cluster, Regional) else 'child'}_{field}"
            value = getattr(cluster, field)
            faults.append(
                Fault(cluster.host, variable, f"{quoted(value)} is also that of {other.host}", example_of(variable))
            )
    return faults


def _dashboards_twice(clusters: Sequence[Mothership | Regional]) -> list[Fault]:
    """Dashboards of two clusters with one uid: all are in the same Grafana."""
    faults = []
    first: dict[str, tuple[Mothership | Regional, Dashboard]] = {}
    for cluster in clusters:
        layer = "regional" if isinstance(cluster, Regional) else "mothership"
        region = cluster.cluster_name if isinstance(cluster, Regional) else ""
        for each in cluster.dashboards or ():
            uid = dashboards.resolved(each.uid, dashboards.inputs(dashboards.METRICS, region))
            other, file = first.setdefault(uid, (cluster, each))
            if other is not cluster:
                what = f"{each.file} has the uid {quoted(uid)}, as {file.file} of {other.host} has"
                right = f'for example "uid": "{dashboards.EXAMPLE_UID}", which is another one in each region'
                faults.append(Fault(cluster.host, f"{layer}_dashboards", what, right))
    return faults


@functools.cache
def _shared_checks() -> tuple[tuple[str, Callable[[str], str | None]], ...]:
    return (
        ("kof_namespace", syntax.dns_label),
        ("kof_kcm_namespace", syntax.dns_label),
        ("kof_fleet", _fleet_problem),
    )


def _fleet_problem(text: str) -> str | None:
    return syntax.label_value(text)


#: In the TXT record it stands between `=` and `,` (endpoint/labels.go of external-dns 0.15.1), and a string of DNS ends
#: at 255 bytes, the name of the owning object with it.
_OWNER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?\Z", re.ASCII)


def owner_problem(text: str) -> str | None:
    return None if _OWNER.match(text) else "must be 1 to 128 letters, digits, dots, dashes and underscores"


def _addresses_problems(addresses: Sequence[str]) -> Iterator[str]:
    names = [each for each in addresses if syntax.is_name(each)]
    for each in names:
        if syntax.domain(each.removesuffix(".")) or each.rpartition(".")[2].isdigit():
            yield f"{quoted(each, 60)} is neither an IP address nor a host name"
    if names and len(addresses) > 1:
        yield "has a host name beside something else, but a name that leads to a name has nothing beside it"


def _repository_of_no_release(text: str) -> str | None:
    problem = None
    for release in RELEASES.values():
        problem = repository_problem(text, release)
        if not problem:
            return None
    return problem


class _Reader:
    """Checks of one host's variables, one after the other; what fails is in `faults`, the rest in `values`.

    A variable of a wrong type is reported once, as that, and not looked at again.
    """

    def __init__(self, host: str, role: str, variables: Mapping[str, Any], release: Release | None) -> None:
        self.host, self.role = host, role
        self.faults = faults_of(role, variables, host)
        broken = {fault.variable for fault in self.faults}
        known = load_spec(role)
        usable = {name: value for name, value in variables.items() if name in known and name not in broken}
        self.values = {name: value for name, value in with_defaults(role, usable).items() if name not in broken}
        # Where kof_version itself is wrong, any, to find the other faults too.
        said = release or RELEASES.get(self.values.get("kof_version", ""))
        self.release = said or next(iter(RELEASES.values()))
        if said:
            self._of_line(said, known)
        else:
            self.check("kof_chart_repository", _repository_of_no_release)
            self._settings(self.release)
        for name, check in _shared_checks():
            self.check(name, check)
        self._both("kof_chart_repository_username", "kof_chart_repository_password")
        self._images()
        self.number("kof_apply_timeout", 1, 7 * 86_400)
        self.number("kof_wait_timeout", 1, 7 * 86_400)
        self.number("kof_max_fail_percentage", 0, 100)
        self.number("kof_max_delete", 0, 100_000)

    def _of_line(self, release: Release, known: Mapping[str, Mapping[str, Any]]) -> None:
        """What the release that is wanted, not just any, has against the variables."""
        name, example = "kof_chart_repository", example_of_repository(release)
        if example:
            # There is no default to leave it out for, nor is it for example.
            self.faults = [
                Fault(host, name, problem.removesuffix(LEAVE_OUT), right.replace(example_of(name), example))
                if variable == name
                else Fault(host, variable, problem, right)
                for host, variable, problem, right in self.faults
            ]
        for variable, problem, right in objections(self.role, self.values, known, release):
            self.fault(variable, problem, right)
        self.check(name, functools.partial(repository_problem, release=release), example)
        self._settings(release)

    def _settings(self, release: Release) -> None:
        """Options that are one value of a chart."""
        ours = {name: each for name, each in release.options.items() if name.startswith(f"{self.role}_")}
        for name, setting in ours.items():
            value = self.values.get(name)
            if setting.check:
                self.check(name, setting.check)
            elif isinstance(setting.default, int):
                self.number(name, 1, 100)
            elif isinstance(value, dict):
                # Helm merges it with the chart's own, part by part.
                problem = syntax.resources(merged(setting.default or {}, value))
                if problem:
                    self.fault(name, f"{problem} (what isn't said is the chart's: {setting.default})")
        replicas, factor = (
            self.values.get(name, ours[name].default if name in ours else None)
            for name in (f"{self.role}_metrics_replicas", f"{self.role}_metrics_replication_factor")
        )
        if isinstance(replicas, int) and isinstance(factor, int) and factor > replicas:
            name = f"{self.role}_metrics_replication_factor"
            right = f"{name}: {replicas}, or more of {self.role}_metrics_replicas"
            self.fault(name, f"is {factor}, but there are {replicas} replicas to store each sample on", right)

    def _images(self) -> None:
        """A mirror of images, and the login there."""
        registry, secrets = f"{self.role}_image_registry", f"{self.role}_image_pull_secrets"
        problem = syntax.image_registry(self.values.get(registry) or "registry.example.com")
        if problem or self.values.get(registry) == "":
            # Not as it is written: somebody may have put a login before it.
            right = f"{registry}: registry.example.com/mirror, without https:// and without a login"
            self.fault(registry, problem or "is empty", right)
        names = self.values.get(secrets) or []
        for index, name in enumerate(names):
            problem = syntax.object_name(name) or ("is there twice" if name in names[:index] else None)
            if problem:
                self.fault(secrets, f"{quoted(name, 60)} {problem}", f"{secrets}: [our-registry]")

    def issuer(self, name: str) -> None:
        """The spec of a ClusterIssuer (cert-manager.io/docs, Issuer Configuration)."""
        value = self.values.get(name)
        if value is None:
            return
        kinds = [key for key in value if key in ISSUERS]
        right = "for example {ca: {secretName: our-ca}}, of a Secret in cert-manager's namespace on the cluster"
        if len(kinds) != 1 or len(value) != 1 or not isinstance(value[kinds[0]], dict):
            self.fault(name, f"must be a map of one of {', '.join(ISSUERS)}, with a map", right)
        elif "{{" in json.dumps(value):
            self.fault(name, "has a template ({{), which Helm would run", right)
        elif "acme" in value and not all(
            isinstance(each, str) and each
            for each in (value["acme"].get("server"), dig(value["acme"], ("privateKeySecretRef", "name")))
        ):
            self.fault(name, "acme needs server and privateKeySecretRef.name", "{acme: {server: https://…, …}}")
        else:
            missing = [key for key in _OF_ISSUERS.get(kinds[0], ()) if not value[kinds[0]].get(key)]
            if missing:
                self.fault(name, f"{kinds[0]} needs {some(missing)}", right)
        self.keys_fit(name)

    def fault(self, name: str, problem: str, example: str | None = None) -> None:
        self.faults.append(Fault(self.host, name, problem, example or example_of(name)))

    def check(self, name: str, check: Callable[[str], str | None], example: str | None = None) -> None:
        """Have a string looked at; an absent one is fine."""
        value = self.values.get(name)
        if value is not None:
            problem = check(value)
            if problem:
                # A URL may have a login in it, or a signature in its query.
                secret = load_spec(self.role)[name].get("no_log") or ("/" in value and ("@" in value or "?" in value))
                shown = "" if secret else f"{quoted(value)} "
                self.fault(name, shown + problem, example)

    def dashboards(self) -> tuple[Dashboard, ...] | None:
        """The user's own; each file that can't be one is a fault by its name."""
        name = f"{self.role}_dashboards"
        folder = self.values.get(name)
        if folder is None:
            return None
        found, problems = dashboards.load(folder)
        region = str(self.values.get("regional_cluster_name") or "") if self.role == "regional" else ""
        given = dashboards.inputs(dashboards.METRICS, region)
        for file, what, right in (*problems, *dashboards.problems(found, given)):
            self.fault(name, f"{file} {what}".lstrip(), right)
        return found

    def number(self, name: str, least: int, most: int) -> None:
        value = self.values.get(name)
        if value is not None and not least <= value <= most:
            self.fault(name, f"is {value}, but must be from {least} to {most}")

    def _both(self, one: str, other: str) -> None:
        """Two variables that are nothing without each other."""
        broken = {fault.variable for fault in self.faults}
        for name, missing in ((one, other), (other, one)):
            if name in self.values and missing not in self.values and missing not in broken:
                self.fault(name, f"is set without {missing}", example_of(missing))

    def cluster(self) -> None:
        """What regional and child clusters have in common."""
        name = f"{self.role}_cluster_name"
        if name not in self.values:
            self.values[name] = self.host
            problem = _cluster_name_problem(self.host, self.release)
            if problem:
                self.fault(name, f"the host's name {quoted(self.host)} is the cluster's name and {problem}")
        else:
            self.check(name, lambda text: _cluster_name_problem(text, self.release))
        for suffix in ("template", "template_kind", "credential", "vmuser_secret"):
            self.check(f"{self.role}_{suffix}", syntax.object_name)
        self.number(f"{self.role}_service_priority", 1, 2_147_483_646)
        self._labels(f"{self.role}_labels", OUR_LABELS)
        self._labels(f"{self.role}_cluster_labels", ())
        self._needed_labels()
        self.alert_rules(self.values[name])
        self.check(f"{self.role}_maintenance_until", syntax.moment)
        self.keys_fit(f"{self.role}_config")
        self._services(self.release.service_names(self.role))
        sizes = {
            f"{self.role}_{suffix}": len(json.dumps(self.values.get(f"{self.role}_{suffix}")))
            for suffix in ("config", "service_values", "extra_services")
        }
        if sum(sizes.values()) > OBJECT_LIMIT:
            largest = max(sizes, key=sizes.__getitem__)
            problem = f"takes {sizes[largest]:,} bytes, but the whole ClusterDeployment has {OBJECT_LIMIT:,}"
            self.fault(largest, problem, "large texts belong into ConfigMaps or Secrets, see valuesFrom")

    def alertmanager(self) -> None:
        """The mothership's Alertmanager, and who else speaks of it."""
        name, alerts = "mothership_alertmanager_config", self.release.alerts
        config = self.values.get(name)
        if config is None or alerts is None:
            return
        self.keys_fit(name)
        for problem in alerting.config_problems(config):
            self.fault(name, str(problem), problem.right or None)
        values = self.values.get("mothership_values") or {}
        if dig(values, alerts.config) is not None:
            path = ".".join(alerts.config)
            self.fault(name, f"is set beside mothership_values, {path}", f"one of them; {name} is checked")
        self._switched_on(name)

    def alert_rules(self, cluster: str = "") -> None:
        """The role's rules; cluster: its name, where they must be about it."""
        name, alerts = f"{self.role}_alert_rules", self.release.alerts
        rules = self.values.get(name)
        if rules is None or alerts is None:
            return
        self.keys_fit(name)
        labels = (alerts.cluster_label, *((alerts.region_label,) if self.role == "regional" else ()))
        for problem in alerting.rule_problems(rules, cluster, labels):
            self.fault(name, str(problem), problem.right or None)
        size = len(json.dumps(rules))
        if size > OBJECT_LIMIT:
            self.fault(name, f"takes {size:,} bytes, but the whole VMRule has {OBJECT_LIMIT:,}", "fewer of them")
        self._switched_on(name)

    def _switched_on(self, name: str) -> None:
        """Of the mothership's own host; of others nobody knows here what its values are."""
        values, alerts = self.values.get("mothership_values") or {}, self.release.alerts
        for switch in alerts.switches if alerts else ():
            found = dig(values, switch)
            if found is not None and not found:
                self.fault(
                    name, f"is read by nobody: mothership_values has {'.'.join(switch)} off", "it on, or this out"
                )

    def _labels(self, name: str, reserved: Sequence[str]) -> None:
        for key, value in self.values.get(name, {}).items():
            problem = syntax.label_key(key)
            if problem:
                self.fault(name, f"the key {quoted(key)} {problem}")
            elif key in reserved:
                self.fault(name, f"{key} is set by the collection itself, by kof_fleet", f"leave {key} out")
            else:
                problem = syntax.label_value(value)
                if problem:
                    self.fault(name, f"the value of {key} {problem}")

    def _needed_labels(self) -> None:
        """Labels by which Secrets come to the cluster: somebody may repeat them, but not set them to something else."""
        config_name, labels_name = f"{self.role}_config", f"{self.role}_cluster_labels"
        with_dns = self.values.get("regional_external_dns") == "secret"
        needed = [label for label in self.release.secret_labels if with_dns or label != self.release.dns.label]
        in_config = self.values.get(config_name, {}).get("clusterLabels", {})
        if not isinstance(in_config, dict):
            self.fault(
                config_name,
                "clusterLabels must be a map of strings",
                f"for example {labels_name}: {{example.com/team: a}}",
            )
            in_config = {}
        for key, value in in_config.items():
            problem = syntax.label_key(key) or syntax.label_value(value)
            if problem:
                self.fault(config_name, f"clusterLabels.{cut(key, 80)} {problem}", example_of(labels_name))
        for variable, labels in ((config_name, in_config), (labels_name, self.values.get(labels_name, {}))):
            for key in needed:
                if labels.get(key, "true") != "true":
                    self.fault(
                        variable, f'{key} must be "true": by it the cluster gets a Secret it needs', f"leave {key} out"
                    )

    def keys_fit(self, name: str, value: Any = None, path: str = "") -> None:
        """Keys of maps that no YAML reader would take as such."""
        value = self.values.get(name) if value is None else value
        if isinstance(value, dict):
            for key, item in value.items():
                # Plain in YAML text, the key is in quotes on its way to the API server.
                size = max(len(written(key)), len(key) + 2) if len(key) > 80 else 0
                if size > MAX_KEY:
                    self.fault(
                        name,
                        f"a key under {path or 'it'} takes {size} characters as it is written, quotes and escapes "
                        f"counted, but YAML has at most {MAX_KEY}",
                    )
                elif isinstance(item, (dict, list)) and item:
                    self.keys_fit(name, item, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, (dict, list)) and item:
                    self.keys_fit(name, item, f"{path}[{index}]")

    def _services(self, names: Sequence[str]) -> None:
        extra = self._extra_services(names)
        self._disabled_services(names, extra)
        for suffix in ("service_templates", "service_values"):
            variable = f"{self.role}_{suffix}"
            for service, value in self.values.get(variable, {}).items():
                known = names if suffix == "service_templates" else [*names, *extra]
                if service not in known:
                    self.fault(
                        variable,
                        f"{quoted(service)} is none of the services ({', '.join(known)}){did_you_mean(service, known)}",
                    )
                elif suffix == "service_templates":
                    problem = (
                        syntax.object_name(value)
                        if isinstance(value, str) and value
                        else "must be a ServiceTemplate's name"
                    )
                    if problem:
                        self.fault(variable, f"{service}: {problem}")
                elif not isinstance(value, dict):
                    self.fault(variable, f"the values of {service} must be a map")
        self.keys_fit(f"{self.role}_service_values")

    def _disabled_services(self, ours: Sequence[str], extra: Sequence[str]) -> None:
        variable = f"{self.role}_disabled_services"
        for name in self.values.get(variable, []):
            if name in extra:
                self.fault(
                    variable,
                    f"{quoted(name)} is an extra service",
                    f"disable: true, there in {self.role}_extra_services",
                )
            elif name not in ours:
                self.fault(
                    variable, f"{quoted(name)} is none of the services ({', '.join(ours)}){did_you_mean(name, ours)}"
                )

    def _extra_services(self, ours: Sequence[str]) -> list[str]:
        variable = f"{self.role}_extra_services"
        seen: list[str] = []
        for index, service in enumerate(self.values.get(variable, [])):
            where = f"item {index + 1}"
            for key in service:
                if key not in SERVICE_KEYS:
                    self.fault(
                        variable, f"{where}: kcm would ignore the key {quoted(key)}{did_you_mean(key, SERVICE_KEYS)}"
                    )
            for key, check in (
                ("name", syntax.cluster_name),
                ("template", syntax.object_name),
                ("namespace", syntax.dns_label),
            ):
                self._service_string(variable, where, service, key, check)
            self._service_rest(variable, where, service)
            name = service.get("name")
            if name in ours:
                self.fault(
                    variable,
                    f"{where}: {name} is installed already; a second one would fight for the same Helm release",
                    f"its values are changed by {self.role}_service_values: {{{name}: ...}}, and "
                    f"{self.role}_disabled_services: [{name}] leaves it out",
                )
            elif name in seen:
                self.fault(variable, f"{where}: the name {quoted(name)} is there twice")
            if isinstance(name, str):
                seen.append(name)
        return seen

    def _service_string(
        self, variable: str, where: str, service: Mapping[str, Any], key: str, check: Callable[[str], str | None]
    ) -> None:
        value = service.get(key)
        if key not in service:
            if key != "namespace":
                self.fault(variable, f"{where}: {key} is required")
        elif not isinstance(value, str) or not value:
            self.fault(variable, f"{where}: {key} must be a string")
        else:
            problem = check(value)
            if problem:
                self.fault(variable, f"{where}: {key} {quoted(value)} {problem}")

    def _service_rest(self, variable: str, where: str, service: Mapping[str, Any]) -> None:
        if not isinstance(service.get("values", {}), dict):
            self.fault(variable, f"{where}: values must be a map; its YAML text is made here")
        if not isinstance(service.get("disable", False), bool):
            self.fault(variable, f"{where}: disable must be true or false")
        sources = service.get("valuesFrom", [])
        fine = isinstance(sources, list) and all(
            isinstance(source, dict)
            and set(source) == {"kind", "name"}
            and source["kind"] in ("ConfigMap", "Secret")
            and isinstance(source["name"], str)
            and not syntax.object_name(source["name"])
            for source in sources
        )
        if not fine:
            self.fault(
                variable,
                f"{where}: valuesFrom must be a list of maps of kind (ConfigMap or Secret) and name",
                "[{kind: Secret, name: a}]",
            )
        self.keys_fit(variable, service.get("values") or {})

    def build(self, kind: type[Any], **more: Any) -> Any:
        """The dataclass, each field from the variable of its name."""
        values = {
            "host": self.host,
            "fleet": self.values["kof_fleet"],
            "namespace": self.values["kof_namespace"],
            "kcm_namespace": self.values["kof_kcm_namespace"],
            "version": self.values["kof_version"],
            "settings": {name: self.values[name] for name in self.release.options if name in self.values},
            **more,
        }
        if kind is Mothership:
            values["chart_repository"] = self.values["kof_chart_repository"]
            values["chart_repository_plain_http"] = self.values["kof_chart_repository_plain_http"]
        for name in kind.__dataclass_fields__:
            if name not in values:
                values[name] = self.values.get(f"{self.role}_{name}")
        return kind(**values)


def _cluster_name_problem(text: str, release: Release) -> str | None:
    if text == release.mothership_cluster_name:
        return "is how the management cluster's own metrics are called: both would be one cluster in Grafana"
    return syntax.cluster_name(text)
