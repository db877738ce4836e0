# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of the fleet actions: from Ansible's inventory and hostvars to plain variables and parsed clusters.

Only what needs the controller's own objects (hostvars, tags, Display) belongs here. It reads and validates; it sends
nothing and decides nothing about Kubernetes objects: that is module_utils.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_credentials, domains
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    GROUPS,
    LAYERS,
    Fleet,
    FleetFault,
    errors_beside,
    members,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Pending
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import (
    CONNECTION_OPTIONS,
    ApiError,
    ApiUnavailable,
    Connection,
    UnsendableString,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Said, check_options
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lease, NotHeld
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import (
    PREFIXES,
    example_of,
    is_secret,
    load_spec,
    strangers,
    with_defaults,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import nearest, some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import (
    core_internals,
    guarded,
    leases,
    one_cluster,
    place,
    variables,
    vars_folders,
)
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import elsewhere
from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import extra_variables
from ansible_collections.k0rdent.kof.plugins.plugin_utils.options import mistyped
from ansible_collections.k0rdent.kof.plugins.plugin_utils.place import CONNECTION_VARIABLES, origin
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import Reader

#: Roles whose variables a host of the layer may carry.
ROLES_OF_LAYER = {"mothership": ("mothership", "dns_credentials"), "regional": ("regional",), "child": ("child",)}
#: A batch speaks to one management cluster, in one way.
SAME_IN_A_BATCH = (*CONNECTION_VARIABLES.values(), "kof_version", "kof_namespace", "kof_kcm_namespace", "kof_fleet")


#: After how many new objects Python looks for those that hold only each other, and after how many such looks it goes
#: through all older ones again, too. A fleet's are a few hundred thousand, all of which live as long as the task.
_COLLECTED = (100_000, 50, 1000)

#: As what the role mothership registers the result of its fleet_wait.
MOTHERSHIP_WAITED = "__mothership_waited"


@dataclass
class ReadFleet(Fleet):
    """A fleet, and what has read it: more of its hosts may be read later."""

    reader: Reader = field(default_factory=Reader)


def group_faults(groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Faults of the inventory's groups as a whole: none of ours, misspelt ones, several motherships, a host twice."""
    ours = {host for group in GROUPS.values() for host in groups.get(group, ())}
    faults = []
    for name, hosts in groups.items():
        if name in (*GROUPS.values(), "all", "ungrouped"):
            continue
        lost = [host for host in hosts if host not in ours]
        word = name.lower().replace("-", "_")
        near = nearest(GROUPS.get(word, word), GROUPS.values())
        # Groups of one's own may have any name, as long as nobody is left out by them.
        if near and lost:
            faults.append(
                f"group {name}: not a group of k0rdent.kof, and {some(lost)} in none of its groups; did you mean "
                f"{near}? If {name} is part of it, put {name} under its children"
            )
    if not any(groups.get(group) for group in GROUPS.values()):
        faults.append(
            "the inventory has no host in kof_mothership, kof_regional or kof_child: is it the right inventory "
            "(-i), and could it be parsed? Example: inventories/example of the collection"
        )
    motherships = members(groups, "mothership")
    if len(motherships) > 1:
        faults.append(
            f"group kof_mothership: {len(motherships)} hosts ({', '.join(motherships[:5])}), but a fleet has exactly "
            "one management cluster; use one inventory per management cluster"
        )
    seen: dict[str, str] = {}
    for layer in LAYERS:
        for host in members(groups, layer):
            if host in seen:
                faults.append(f"{host}: in {GROUPS[seen[host]]} and in {GROUPS[layer]}, but a host is one cluster")
            seen[host] = layer
    return faults


def read_fleet(task_vars: Mapping[str, Any], layers: Iterable[str], *, everywhere: bool = False) -> ReadFleet:
    """Read, convert and validate every host of the batch once, and parse it.

    :param layers: whose hosts are read.
    :param everywhere: also the kof hosts outside the batch (checks across clusters); their faults are kept too, and
        the caller decides which of them concern the batch.
    :raises FleetFault: the inventory's groups are wrong.
    """
    groups = task_vars["groups"]
    wrong = group_faults(groups)
    if wrong:
        raise FleetFault.of(wrong)
    layers = [layer for layer in LAYERS if layer in set(layers)]
    in_batch = set(task_vars.get("ansible_play_batch") or task_vars.get("ansible_play_hosts") or ())
    hostvars = task_vars["hostvars"]
    permissions, faults = variables.permissions(extra_variables(hostvars))
    fleet = ReadFleet(batch={layer: [] for layer in LAYERS}, permissions=permissions, faults=faults)
    for layer in LAYERS:
        for host in members(groups, layer):
            in_this_batch = layer in layers and host in in_batch
            if not in_this_batch and not everywhere:
                continue
            if in_this_batch:
                fleet.batch[layer].append(host)
            fleet.layer_of[host] = layer
            _read_host(fleet, layer, host, hostvars)
    fleet.faults += _lost_variables(task_vars, hostvars, fleet)
    fleet.faults += _differences(fleet)
    _give_access(fleet, groups, hostvars)
    return fleet


def _give_access(fleet: ReadFleet, groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Any]) -> None:
    """What role dns_credentials gives the regional clusters stands with the mothership, in this batch or not."""
    regionals = {host: each for host, each in fleet.clusters.items() if isinstance(each, model.Regional)}
    for host in members(groups, "mothership") if regionals else ():
        values = fleet.variables.get(host)
        faults: list[model.Fault] = []
        if values is None:
            wanted = ["kof_fleet", *(f"dns_credentials_{name}" for name in dns_credentials.OF_REGIONALS)]
            of_host = hostvars[host]
            there = [name for name in wanted if name in core_internals.untemplated(of_host)]
            found, faults = fleet.reader.read(host, of_host, there)
            values, more = model.parse_dns_credentials(host, found)
            # Of `existing` the key is asked for where it is used.
            faults += [each for each in more if each.variable in wanted[2:]]
            fleet.faults += faults
        if not faults and not any(fault.host == host for fault in fleet.faults):
            options = {name.removeprefix("dns_credentials_"): value for name, value in values.items()}
            access = dns_credentials.access_of(options)
            for regional, cluster in regionals.items():
                fits = access and cluster.external_dns == dns_credentials.EXTERNAL_DNS_OF[options["method"]]
                fleet.clusters[regional] = replace(cluster, external_dns_access=access if fits else None)


def read_regional(fleet: ReadFleet, host: str, task_vars: Mapping[str, Any]) -> model.Regional | None:
    """The regional cluster that a child names, although it is in another play; None if the inventory has none."""
    if host not in members(task_vars["groups"], "regional"):
        return None
    if host not in fleet.layer_of:
        fleet.layer_of[host] = "regional"
        _read_host(fleet, "regional", host, task_vars["hostvars"])
    return fleet.clusters.get(host)  # type: ignore[return-value]


def domains_of(
    fleet: ReadFleet, layer: str, surroundings: Surroundings, task_vars: Mapping[str, Any]
) -> dict[str, str]:
    """As domains.of_regionals, with the inventory's regional clusters."""
    regionals = members(task_vars["groups"], "regional")
    return domains.of_regionals(
        fleet, layer, surroundings, regionals, lambda host: read_regional(fleet, host, task_vars)
    )


def regions_of(task_vars: Mapping[str, Any]) -> set[str]:
    """The regional clusters of the inventory, by name; a name that is a template is known as the host's alone."""
    hostvars, found = task_vars["hostvars"], set()
    for host in members(task_vars["groups"], "regional"):
        said = hostvars.raw_get(host).get("regional_cluster_name")
        found.add(said if isinstance(said, str) and said else host)
    return found


def hosts_of_clusters(task_vars: Mapping[str, Any]) -> dict[str, str]:
    """By the names of clusters the hosts that this run can book something on: a limit leaves it those of its play.
    Nothing is read of them that may be wrong; a name that is a template is known as the host's alone."""
    hostvars, found = task_vars["hostvars"], {}
    limited = task_vars.get("ansible_limit") is not None
    for layer in ("regional", "child"):
        for host in members(task_vars["groups"], layer):
            said = hostvars.raw_get(host).get(f"{layer}_cluster_name")
            if not limited or host in task_vars["ansible_play_hosts_all"]:
                found[said if isinstance(said, str) and said else host] = host
    return found


def pending_of(task_vars: Mapping[str, Any]) -> Pending:
    """What the mothership's play of this run would have made, had it not been in check mode."""
    hostvars = task_vars["hostvars"]
    pending = Pending()
    for host in members(task_vars["groups"], "mothership"):
        for kind, name in (hostvars.raw_get(host).get(MOTHERSHIP_WAITED) or {}).get("pending", []):
            pending.add(str(kind), str(name))
    return pending


def _read_host(fleet: ReadFleet, layer: str, host: str, hostvars: Mapping[str, Any]) -> None:
    of_host = hostvars[host]  # one access: each costs a merge of all the host's variables
    raw = fleet.raw[host] = core_internals.untemplated(of_host)
    own = ("kof_", *(f"{role}_" for role in ROLES_OF_LAYER[layer]))
    ours = [name for name in raw or of_host if variables.is_option(name, PREFIXES)]
    unknown = dict(strangers(ours))
    wanted = [name for name in ours if name.startswith(own) and name not in unknown]
    values, faults = fleet.reader.read(host, of_host, wanted)
    extra = extra_variables(hostvars)
    faults += [
        _misplaced(host, name, raw.get(name)) for name in variables.PLAY_ONLY if name in of_host and name not in extra
    ]
    faults += [
        Fault(host, name, "no such variable, nothing would read it", f"{hint}; one of your own has another prefix, my_")
        for name, hint in unknown.items()
    ]
    faults += [
        Fault(host, name, problem, f"write it without the leading 0, or quoted if it is no number; {example_of(name)}")
        for name in wanted
        if (problem := fleet.reader.misread(raw.get(name), is_secret(name)))
    ]
    broken = {fault.variable for fault in faults}
    readable = {name: value for name, value in values.items() if name not in broken}
    cluster, problems = PARSERS[layer](host, readable)
    # What could not be read is reported once, as what it is, not as missing too.
    problems = [fault for fault in problems if fault.variable not in broken]
    faults += variables.by_cause(problems, raw, readable, extra)
    for role in ROLES_OF_LAYER[layer]:
        readable = with_defaults(role, readable)
    fleet.variables[host] = readable
    fleet.faults += faults
    if cluster is not None and not faults:
        fleet.clusters[host] = cluster


PARSERS = {
    "mothership": model.parse_mothership,
    "regional": model.parse_regional,
    "child": model.parse_child,
}


def _misplaced(host: str, name: str, value: Any) -> Fault:
    """An extra variable of one run that is somewhere else, with file and line as far as they are known."""
    why, right = variables.PLAY_ONLY[name]
    where = origin(value)
    return Fault(host, name, f"set {where}: {why}" if where else why, right)


def one_run(options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Permissions:
    """What a task for a single object allows: by its own option, and by the extra variables of this run.

    :raises FleetFault: one of these is no list of names.
    """
    permissions, faults = variables.permissions(extra_variables(task_vars["hostvars"]))
    if faults:
        raise FleetFault.of(faults, "the extra variables")
    return replace(permissions, take_over=permissions.take_over | frozenset(options["take_over_fleet"]))


def _lost_variables(task_vars: Mapping[str, Any], hostvars: Any, fleet: Fleet) -> list[Fault]:
    """Settings on a play, in vars_files or given to the role: hostvars don't have them, so they would be ignored."""
    hosts = fleet.hosts
    if not hosts:
        return []
    host = task_vars.get("inventory_hostname", hosts[0])
    raw = hostvars.raw_get(host)
    defaults: dict[str, Any] = {}
    for role in ("mothership", "dns_credentials", "regional", "child"):
        defaults.update({name: option.get("default") for name, option in load_spec(role).items()})
    extra = extra_variables(hostvars)
    faults = [
        _misplaced(host, name, task_vars[name])
        for name in variables.PLAY_ONLY.keys() - variables.OF_A_PLAY
        if name in task_vars and name not in extra and name not in raw
    ]
    for name, value in task_vars.items():
        if not variables.is_option(name, PREFIXES):
            continue
        if name in raw and (raw[name] is value or raw[name] == value):
            continue
        if name not in raw and name in defaults and defaults[name] == value:
            continue  # the role's own default
        where = origin(value) or "on a play, in vars_files or on a role"
        faults.append(
            Fault(
                host,
                name,
                f"set {where}, where the fleet can't see it: it would be ignored",
                "set it in the inventory (group_vars, host_vars) or as an extra variable (-e)",
            )
        )
    return faults


def _differences(fleet: Fleet) -> list[Fault]:
    """Hosts of one batch that would speak to different management clusters, or as different fleets."""
    faults = []
    hosts = fleet.hosts
    for name in SAME_IN_A_BATCH:
        for host in hosts[1:]:
            mine, first = fleet.variables[host].get(name), fleet.variables[hosts[0]].get(name)
            if mine != first:
                secret = is_secret(name) or _may_be_secret(mine, first)
                shown = "another value" if secret else quoted(mine)
                other = "its own" if secret else quoted(first)
                faults.append(
                    Fault(
                        host,
                        name,
                        f"{shown}, but {hosts[0]} has {other}: one run speaks to one management cluster as one fleet",
                        "the same value for all (group_vars/all.yml), or one inventory per management cluster",
                    )
                )
                break
    return faults


def _may_be_secret(*values: Any) -> bool:
    """A kubeconfig may be given as a map, or its text by mistake, with keys and tokens in it; a URL with a login."""
    return any(isinstance(each, dict) or (isinstance(each, str) and ("\n" in each or "@" in each)) for each in values)


class FleetAction(ActionBase):
    """Base of the actions that run once for a whole batch, in the controller's process.

    A subclass implements `fleet()`; it returns the result or raises FleetFault, ApiError or ApiUnavailable, which
    become one clear message here.
    """

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False
    _task_vars: dict[str, Any]
    _by_keyword: dict[str, Said]
    #: The management cluster that was connected to, in words.
    _place: str
    #: Whether a module of kubernetes.core with the kof_* variables as its options would find it too.
    _as_kubernetes_core: bool
    #: The fleet's lease, with which alone something is written; None in check mode.
    _lease: Lease | None = None
    #: Whether this task is a run's last, after which its lease is given back. So it is after one that failed.
    ENDS: ClassVar[bool] = False
    #: Beside kubernetes.core's connection options, which every subclass takes.
    OPTIONS: ClassVar[dict[str, dict[str, Any]]] = {}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        gc.set_threshold(*_COLLECTED)  # with core's, a third of the CPU; this process is core's fork for the task
        self._task_vars = task_vars or {}
        self._place = ""
        try:
            problem = mistyped(self._task.args, {**self.OPTIONS, **connection_spec()})
            if problem:
                raise FleetFault(problem)
            with place.environment(self) as self._by_keyword:
                check_options(self._task.args)
                _validated, options = self.validate_argument_spec(argument_spec={**self.OPTIONS, **connection_spec()})
                self._stands_right()
                self._task_vars = one_cluster.scoped(self._task_vars)
                result.update(self.fleet(options, self._task_vars))
                if self._place:
                    result["management_cluster"] = self._place
                    result["as_kubernetes_core"] = self._as_kubernetes_core
        except FleetFault as fault:
            result.update(failed=True, msg=str(fault), **errors_beside(str(fault), fault.faults))
        except (ApiUnavailable, ApiError, UnsendableString, NotHeld) as problem:
            result.update(failed=True, msg=f"{problem}")
        if self._lease is not None and (self.ENDS or result.get("failed")):
            self._lease.release()
        return result

    def _stands_right(self) -> None:
        """
        :raises FleetFault: the task is meant for another process than this one, or variables are where nobody reads.
        """
        why = elsewhere(self, self._task_vars)
        if why:
            raise FleetFault(
                f"{why}, but {self._task.action} works in the controller's process, for all hosts at once: set "
                "connection: local and become: false, without delegate_to. Nothing was changed."
            )
        unread = vars_folders.unread(self._loader, self._task_vars, PREFIXES)
        if unread:
            raise FleetFault.of(unread, "where variables are kept")

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    def connect(self, fleet: Fleet, options: Mapping[str, Any]) -> Connection:
        """One connection for the batch: the task's own options first, then kof_*, then K8S_AUTH_*."""
        wanted = dict(options)
        said = place.by_options(options) | self._by_keyword
        raw = self._task_vars["hostvars"].raw_get(fleet.hosts[0])
        for name, variable in CONNECTION_VARIABLES.items():
            if wanted.get(name) is None and fleet.shared(variable) is not None:
                wanted[name] = fleet.shared(variable)
                said[name] = place.by_variable(variable, raw.get(variable), self._task_vars)
        place.unheard(self, wanted, said)
        if wanted.get("kubeconfig"):
            wanted["kubeconfig"] = place.found(self, wanted["kubeconfig"])
        connection = place.connected(wanted, said)
        self._place = connection.place
        name, namespace = fleet.shared("kof_fleet"), fleet.shared("kof_kcm_namespace")
        # Who has neither, as their variables are wrong, writes nothing.
        if not self.check_mode and isinstance(name, str) and isinstance(namespace, str):
            self._lease = leases.of_fleet(connection, name, namespace, self._task_vars)
        # Its library would ask a plugin again, and write what that gives to the temporary folder. And it sends a login
        # with the line break that it ends in, and quotes it in its error.
        by_variables = {name: fleet.shared(variable) for name, variable in CONNECTION_VARIABLES.items()}
        self._as_kubernetes_core = (
            not connection.by_plugin and connection.exact and place.as_kubernetes_core(self, by_variables, said)
        )
        return connection


def connection_spec() -> dict[str, dict[str, Any]]:
    """The connection options as an argument spec, without environment fallbacks: those come after the variables."""
    return {
        name: {key: value for key, value in option.items() if key not in ("fallback", "default")}
        for name, option in CONNECTION_OPTIONS.items()
    }
