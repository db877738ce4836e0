# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of a live management cluster: Ansible's side of it. What the objects say is for kof/live.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: clusters
short_description: The clusters of a live kof fleet
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Makes the groups C(kof_mothership), C(kof_regional) and C(kof_child) out of the ClusterDeployments of a k0rdent
    management cluster, with the host variables that this collection's playbooks take. So they run on a fleet that was
    made by hand, too, or whose inventory is lost.
  - A ClusterDeployment is a regional cluster by its annotation C(k0rdent-kof/regional-domain), its service
    C(kof-storage) or its label C(kof=storage); a child by its service C(kof-collectors) or its label
    C(kof=collector). All others are left out.
  - The file's name must end in C(.kof.yml) or C(.kof.yaml).
  - Beside another inventory, and named after it (C(-i hosts.yml -i live.kof.yml)), a cluster is the host that has its
    name there already, by C(regional_cluster_name) or C(child_cluster_name) where they are said with the host or its
    group and in no file of C(group_vars) or C(host_vars); and the management cluster the one that is in
    C(kof_mothership).
notes:
  - Beside the variables of the roles P(k0rdent.kof.regional#role) and P(k0rdent.kof.child#role) every cluster has
    C(cluster_ready), C(cluster_deleting), C(cluster_conditions) (by type, maps of C(status), C(reason) and
    C(message)) and, if this collection made it, C(cluster_fleet).
  - What a ClusterDeployment doesn't say isn't found and stays at its default, unless C(group_vars) beside the file say
    it (C(regional_promxy_*), C(regional_datasource_resync_period) and everything about the mothership). Service values
    that are templates of kcm are left out with a warning.
  - Strings from the cluster are data. They are never taken for templates.
  - C(kof_version) is found by the ServiceTemplates of C(kof-storage) and C(kof-collectors). Where these are of no
    release that is known here, C(group_vars) beside the file must say it.
  - Connection options of the file, but no secrets, are handed on as C(kof_kubeconfig), C(kof_context) and so on; of a
    kubeconfig that is given as its content only the server, as C(kof_host).
  - A relative O(kubeconfig) is looked for beside the file, then in the working folder. It may be vaulted.
    E(K8S_AUTH_KUBECONFIG) and its siblings serve the plugin and the playbooks alike.
  - A cache holds the clusters' configuration and service values, as they are in the ClusterDeployments.
extends_documentation_fragment:
  - k0rdent.kof.connection
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [k0rdent.kof.clusters]
  namespace:
    description: Namespace of the ClusterDeployments (C(kof_kcm_namespace)).
    type: str
    default: kcm-system
  fleet:
    description:
      - Only the clusters that this collection made for this fleet (C(kof_fleet), label C(app.kubernetes.io/part-of)).
      - Without it, all.
    type: str
  name:
    description: Name of the host that stands for the management cluster.
    type: str
    default: mothership
"""

EXAMPLES = r"""
# production.kof.yml; try it with: ansible-inventory -i production.kof.yml --graph
plugin: k0rdent.kof.clusters
kubeconfig: ~/.kube/management

---
# One of several fleets, cached, with groups by cloud region and readiness
plugin: k0rdent.kof.clusters
context: management
fleet: production
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/kof-inventory
keyed_groups:
  - key: (regional_config | default(child_config)).region
    prefix: cloud
  # region_aws_us_east_2: a regional cluster with its children, for --limit
  - key: child_regional | default(inventory_hostname if regional_domain is defined else '')
    prefix: region
groups:
  late: not cluster_ready | default(true)
compose:
  kof_wait_timeout: "3600"
"""

import dataclasses
import hashlib
import os
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import GROUPS
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import (
    CONNECTION_OPTIONS,
    ApiError,
    ApiUnavailable,
    connect,
    warned,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP, NoKcm, version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import FoundCluster, found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import unwritable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import CONNECTION_VARIABLES
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import observer, warn


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "k0rdent.kof.clusters"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".kof.yml", ".kof.yaml"))

    @guarded.inventory
    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        try:
            self._read_config_data(path)
            self._given = self._said(path)
        except ApiUnavailable as problem:
            raise AnsibleParserError(shown(f"{path}: {problem}")) from None
        except AnsibleError as problem:
            raise AnsibleParserError(f"{path}: {guarded.of_configuration(problem)}") from None
        clusters = self._clusters(path, cache)
        fleet = self.get_option("fleet")
        if fleet:
            clusters = [cluster for cluster in clusters if cluster.fleet == fleet]
        for cluster in clusters:
            for what in cluster.left_out:
                warn(f"{path}: {cluster.name}: no variable can say {what}; a run with this inventory would drop it")
        self._populate(path, clusters)

    def _clusters(self, path: str, cache: bool) -> list[FoundCluster]:
        """From the cache, if that is wanted and has them, else from the management cluster."""
        caching = self.get_option("cache")
        # Another file content may mean another namespace, and the environment another cluster; the key Ansible gives is
        # of the path alone.
        elsewhere = sorted((name, text) for name, text in os.environ.items() if name.startswith(("K8S_AUTH_", "KUBE")))
        place_key = hashlib.sha256(repr((self._given, elsewhere)).encode()).hexdigest()[:16]
        key = f"{self.get_cache_key(path)}_{self.get_option('namespace')}_{place_key}"
        if caching and cache:
            try:
                return [FoundCluster(**kept) for kept in to_plain(self._cache[key])]
            except (KeyError, TypeError):
                pass  # nothing there, expired, or written by another version
        clusters = self._ask(path)
        if caching:
            self._cache[key] = [dataclasses.asdict(cluster) for cluster in clusters]
            try:
                self.update_cache_if_changed()  # core does it after us, and says no more than that a disk is full
            except OSError as error:
                folder, moves = self.get_option("cache_connection"), "option cache_connection"
                raise AnsibleParserError(f"{path}: {unwritable(error, 'the cache', folder, moves)}") from None
        return clusters

    def _said(self, path: str) -> dict[str, Any]:
        """The connection options of the file; of a relative kubeconfig the path, which other processes need too. Raises
        ApiUnavailable."""
        given: dict[str, Any] = {}
        for name in CONNECTION_OPTIONS:
            try:
                given[name] = to_plain(self.get_option(name))
            except NotPlain as problem:
                raise ApiUnavailable(f"option {name}: {problem}") from None
        content = kubeconfig.content_of(given["kubeconfig"]) if given["kubeconfig"] else None
        if content is not None:
            given["kubeconfig"] = content
        elif given["kubeconfig"]:
            folders = (os.path.dirname(os.path.abspath(path)), os.getcwd())
            files = [os.path.expanduser(os.path.expandvars(each)) for each in kubeconfig.paths_of(given["kubeconfig"])]
            there = [[os.path.join(folder, each) for folder in folders] for each in files]
            given["kubeconfig"] = os.pathsep.join(next(filter(os.path.isfile, each), each[0]) for each in there)
        return given

    def _ask(self, path: str) -> list[FoundCluster]:
        options = dict(self._given)
        try:
            if options["kubeconfig"]:
                options["kubeconfig"] = place.readable(options["kubeconfig"], str, self.loader)
            with warned(connect(options, place.controllers_environment()), warn, observer()) as connection:
                api = f"{KCM_GROUP}/{version_of(connection)}"
                if not connection.resource(api, "ClusterDeployment"):
                    raise NoKcm(f"{connection.server} serves no ClusterDeployment ({api})")
                live, _version = connection.list_objects(
                    connection.path(api, "ClusterDeployment", to_plain(self.get_option("namespace")))
                )
                release = next(iter(RELEASES.values()))
                groups = self._server_groups(connection, release)
        except NoKcm as problem:
            raise AnsibleParserError(shown(f"{path}: {problem}. Check kubeconfig and context.")) from None
        except (ApiError, ApiUnavailable) as problem:
            # Not as its cause, which core would show too.
            raise AnsibleParserError(shown(f"{path}: {problem}")) from None
        return found_clusters(live, release, groups)

    @staticmethod
    def _server_groups(connection: Any, release: Any) -> list[dict[str, Any]]:
        """Where promxy looks for a regional's metrics: they know the domains of some that were made by hand.

        In whatever namespace kof is; who may not list them there gets what the ClusterDeployments say.
        """
        if connection.resource(release.promxy.api_version, PROMXY_SERVER_GROUP) is None:
            return []
        try:
            return connection.list_objects(connection.path(release.promxy.api_version, PROMXY_SERVER_GROUP, None))[0]
        except ApiError as error:
            if error.status == 403:
                return []
            raise

    def _populate(self, path: str, clusters: list[FoundCluster]) -> None:
        known = {layer: self._known(layer) for layer in GROUPS}
        mothership = to_plain(self.get_option("name"))
        if len(known["mothership"]) == 1:
            mothership = next(iter(known["mothership"].values()))
        if any(cluster.name == mothership for cluster in clusters):
            raise AnsibleParserError(
                f"a ClusterDeployment is called {mothership}, as the management cluster's host: set option name"
            )
        shared = {**self._connection_variables(path), **self._agreed(clusters)}
        for group in GROUPS.values():
            self.inventory.add_group(group)
            for name, value in shared.items():
                self.inventory.set_variable(group, name, value)
        strict = self.get_option("strict")
        self._add_host("mothership", mothership, {}, shared, strict)
        for cluster in clusters:
            own = {"kof_fleet": cluster.fleet, "kof_namespace": cluster.namespace}
            differing = {name: value for name, value in own.items() if value and name not in shared}
            facts = {"cluster_fleet": cluster.fleet} if cluster.fleet else {}
            variables = {**cluster.variables, **facts, **differing}
            if "child_regional" in variables:  # which names a host
                regional = variables["child_regional"]
                variables["child_regional"] = known["regional"].get(regional, regional)
            self._add_host(
                cluster.layer, known[cluster.layer].get(cluster.name, cluster.name), variables, shared, strict
            )

    def _known(self, layer: str) -> dict[str, str]:
        """By the names of clusters, the hosts that sources before this one have: one cluster is one host. As far as it
        is said there and in no file of variables, which are read later."""
        group = self.inventory.groups.get(GROUPS[layer])
        found: dict[str, str] = {}
        for host in group.get_hosts() if group else ():
            name = host.get_vars().get(f"{layer}_cluster_name")
            found[str(name) if isinstance(name, str) and name else host.name] = host.name
        return found

    def _add_host(self, layer: str, host: str, variables: dict[str, Any], shared: dict[str, Any], strict: bool) -> None:
        self.inventory.add_host(host, group=GROUPS[layer])
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        known = {**shared, **variables}
        self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)

    def _connection_variables(self, path: str) -> dict[str, Any]:
        """How the file says the management cluster is reached; not its secrets, ansible-inventory would show them."""
        given = {name: self._given[name] for name in CONNECTION_VARIABLES}
        if isinstance(given["kubeconfig"], dict):
            # Its content is secret, but a playbook must not go to another cluster for that: it lacks credentials then.
            try:
                address = kubeconfig.settings(self._given, place.controllers_environment()).address
            except ApiUnavailable as problem:  # clusters out of the cache: nothing was asked before
                raise AnsibleParserError(shown(f"{path}: {problem}")) from None
            given["kubeconfig"], given["host"] = None, address
        return {
            CONNECTION_VARIABLES[name]: value
            for name, value in given.items()
            # A kubeconfig's path is no secret.
            if value is not None and (name == "kubeconfig" or not CONNECTION_OPTIONS[name].get("no_log"))
        }

    def _agreed(self, clusters: list[FoundCluster]) -> dict[str, str]:
        """What one run must have the same of for all hosts, as far as the clusters agree."""
        fleets = {cluster.fleet for cluster in clusters if cluster.fleet}
        namespaces = {cluster.namespace for cluster in clusters if cluster.namespace}
        versions = {cluster.version for cluster in clusters if cluster.version}
        agreed = {"kof_kcm_namespace": to_plain(self.get_option("namespace"))}
        for name, values in (("kof_fleet", fleets), ("kof_namespace", namespaces), ("kof_version", versions)):
            if len(values) == 1:
                agreed[name] = values.pop()
        return agreed
