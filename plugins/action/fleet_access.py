# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_access.py: how people reach what they open, and what they need to log in.

What there is, is module_utils/fleet/access.py; what holds the way open fleet/forward.py. Here it is told: logins to a
person's terminal or a file that is its owner's alone, and to nobody else.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import access, forward, rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.inside import connection_by
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import batch_result
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, model, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leases, place, signals, terminal
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

#: The API server gives no token for less (seconds).
_SHORTEST = 600


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "show_credentials": {"type": "bool", "default": False},
        "credentials_file": {"type": "path"},
        "kubeconfigs": {"type": "path"},
        "deadline": {"type": "int", "default": 30},
        "forward": {"type": "bool", "default": False},
        "forward_seconds": {"type": "int", "default": 3600},
        "kubectl": {"type": "path", "default": "kubectl"},
        "platform_admin": {"type": "str", "choices": ["present", "absent"]},
        "platform_admin_role": {"type": "str"},
        "platform_admin_seconds": {"type": "int", "default": 3600},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _refuse(options)
        fleet = fleets.read_fleet(task_vars, LAYERS)
        twice = model.fleet_faults(None, fleet.of("regional"), fleet.of("child"))
        fleet.faults += [each for each in twice if each.variable.endswith("_cluster_name")]
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        nothing: dict[str, Any] = {"changed": False, "ways": [], "files": []}
        if not fleet.hosts:
            return nothing | {"msg": "no cluster is in the batch"}
        with terminal.of_person() as person, self.connect(fleet, options) as connection:
            secret = options["show_credentials"] or options["platform_admin"] == "present"
            if secret and not options["credentials_file"] and person is None and not self.check_mode:
                raise FleetFault(
                    "logins are shown to a terminal alone, and here is none (a runner's keeps all that it shows): name "
                    "a file for them by credentials_file (access_credentials_file). Nothing was read or changed"
                )
            self._see_places(fleet, options)
            return nothing | self._access(connection, fleet, options, person)

    def _access(
        self, connection: Connection, fleet: Fleet, options: Mapping[str, Any], person: int | None
    ) -> dict[str, Any]:
        before = leases.held()
        wanted = self._platform_admin(connection, fleet, options)
        if self._lease is not None and not before:
            self._lease.release()  # all else only looks, and forwards for as long as a person works
        of_regions = bool(options["kubeconfigs"] or options["show_credentials"] or options["forward"])
        kubeconfigs = _kubeconfigs(connection, fleet) if of_regions else []
        ways = access.of_mothership(connection, fleet)
        ways += access.of_regions(fleet, kubeconfigs, options["deadline"]) if of_regions else []
        files = self._write(kubeconfigs, options["kubeconfigs"]) if options["kubeconfigs"] else {}
        logins = {"": self._login_of(fleet, options), **{name: ["--kubeconfig", file] for name, file in files.items()}}
        lines = list(_lines(fleet, ways, kubeconfigs, logins, of_regions=of_regions))
        for line in lines:
            say(line)
        where = ""
        if (options["show_credentials"] or options["platform_admin"] == "present") and not self.check_mode:
            where = self._show(connection, ways, kubeconfigs, options, person, fleet)
            say(where)
        if options["forward"] and not self.check_mode:
            where = "; ".join(filter(None, [where, self._forward(connection, ways, kubeconfigs, logins[""], options)]))
        told = [_told(way, logins) for way in ways]
        reached = sum(not way.why_not for way in ways)
        return {
            **wanted,
            "ways": told,
            "files": sorted(files.values()),
            "no_kubeconfig": [{"host": each.host, "reason": each.why_not} for each in kubeconfigs if each.why_not],
            "msg": f"{reached} of {len(ways)} can be reached" + (f"; {where}" if where else ""),
        }

    # -- the platform administrator

    def _platform_admin(self, connection: Connection, fleet: Fleet, options: Mapping[str, Any]) -> dict[str, Any]:
        """Make it, or take it away, as asked: by the engine, which asks at the act whose it is."""
        if not options["platform_admin"]:
            return {}
        name, space = fleet.shared("kof_fleet"), fleet.shared("kof_namespace")
        policy, host = policy_of(fleet), fleet.hosts[0]
        if options["platform_admin"] == "present":
            objects = list(access.platform_admin(space, name, options["platform_admin_role"] or ""))
            _same_role(connection, objects[-1], name)
            outcomes = reconcile.reconcile(
                connection,
                objects,
                policy=policy,
                check_mode=self.check_mode,
                guards=guards.of_writing(name, fleet.permissions, policy.drift_managers),
            )
        else:
            outcomes = reconcile.delete(
                connection,
                access.platform_admin_refs(space),
                policy=policy,
                check_mode=self.check_mode,
                guards=(*guards.of_deleting(name, fleet.permissions), _made_by_us),
            )
        refused = [f"{each.ref}: {each.reason}" for each in outcomes if each.action == "refused"]
        if refused:
            raise FleetFault.of(refused, "the platform administrator")
        diff = self._play_context.diff or self._task.diff
        result = batch_result([(host, each) for each in outcomes], [], check_mode=self.check_mode, diff=diff)
        return {key: result[key] for key in ("changed", "counts", "objects", "diff") if key in result}

    # -- files, and what nobody else may see

    def _see_places(self, fleet: Fleet, options: Mapping[str, Any]) -> None:
        """Before anything is changed: files can go where they are to go.

        :raises FleetFault: they can't.
        """
        names = ("credentials_file", "kubeconfigs")
        file, folder = (_absolute(options[name]) if options[name] else None for name in names)
        clusters = [*fleet.of("regional"), *fleet.of("child")] if folder else []
        files = [(folder / f"{each.cluster_name}.kubeconfig", "kubeconfigs", True) for each in clusters if folder]
        files += [(file, "credentials_file", False)] if file else []
        for path, name, replaced in files:
            with contextlib.suppress(OSError):  # told where it is opened
                mode = path.lstat().st_mode
                if not stat.S_ISREG(mode) and not (replaced and stat.S_ISLNK(mode)):
                    raise FleetFault(
                        f"{name} (access_{name}): {path} is there, and is no file: take it away, or name another "
                        "place. Nothing was read or changed"
                    )
        for where, name in ((file and file.parent, "credentials_file"), (folder, "kubeconfigs")):
            if where and not self.check_mode:
                rendered.Folder(where, secrets=True, mode=0o600, named=f"access_{name}").write({})
                if not os.access(where, os.W_OK | os.X_OK):
                    raise FleetFault(
                        f"{name} (access_{name}): nothing can be written to {where}: mend that there, or name another "
                        "place. Nothing was read or changed"
                    )

    def _write(self, kubeconfigs: Sequence[access.Kubeconfig], folder: str) -> dict[str, str]:
        """By cluster, the file of its kubeconfig."""
        path = _absolute(folder)
        texts = {f"{each.name}.kubeconfig": each.text for each in kubeconfigs if each.config is not None}
        if not self.check_mode:
            rendered.Folder(path, secrets=True, mode=0o600, named="access_kubeconfigs").write(texts)
        return {each.name: str(path / f"{each.name}.kubeconfig") for each in kubeconfigs if each.config is not None}

    def _show(
        self,
        connection: Connection,
        ways: Sequence[access.Way],
        kubeconfigs: Sequence[access.Kubeconfig],
        options: Mapping[str, Any],
        person: int | None,
        fleet: Fleet,
    ) -> str:
        """Where the logins are now."""
        text = ""
        if options["show_credentials"]:
            text += "".join(f"{line}\n" for line in _logins(connection, ways, kubeconfigs))
        if options["platform_admin"] == "present":
            made = access.token(connection, fleet.shared("kof_namespace"), options["platform_admin_seconds"])
            text += f"token of {access.ROLE}: {made}\n"
        if options["credentials_file"]:
            path = _absolute(options["credentials_file"])
            there = rendered.Folder(path.parent, secrets=True, mode=0o600, named="access_credentials_file")
            there.write({path.name: text})
            return f"The logins are in {path}, readable by its owner alone"
        if person is None:
            raise AssertionError("it was asked before")
        os.write(person, f"\r\n{shown(text)}".replace("\n", "\r\n").encode(errors="replace"))
        return "The logins were shown on the terminal"

    def _forward(
        self,
        connection: Connection,
        ways: Sequence[access.Way],
        kubeconfigs: Sequence[access.Kubeconfig],
        login: Sequence[str],
        options: Mapping[str, Any],
    ) -> str:
        """Hold the ways open; what became of that."""
        kubectl = shutil.which(options["kubectl"])
        if kubectl is None:
            raise FleetFault(
                "kubectl (access_kubectl) isn't there: it forwards the ports; give its path, or put it on the PATH"
            )
        open_ways = [way for way in ways if not way.why_not]
        if any(not way.cluster for way in open_ways):
            _same_cluster(kubectl, login, connection)
        # A signal that came takes effect last, when nothing is left. The folder is its owner's alone.
        with signals.until_told() as ended, tempfile.TemporaryDirectory(prefix="kof-access-") as folder:
            logins = {"": list(login)}
            for each in kubeconfigs:
                if each.config is not None:
                    rendered.Folder(pathlib.Path(folder), secrets=True, mode=0o600).write({each.name: each.text})
                    logins[each.name] = ["--kubeconfig", os.path.join(folder, each.name)]
            forwards = []
            for way in open_ways:
                if forward.is_taken(way.local):
                    say(f"{_named(way)}: port {way.local} is taken on this machine, so it isn't forwarded")
                else:
                    command = [kubectl, *way.arguments(logins[way.cluster])]
                    forwards.append(forward.Forward(f"{_named(way)} {way.url}", command, way.local))
            say(f"{len(forwards)} ways are held for {options['forward_seconds']} s; Ctrl-C ends it")
            forward.hold(forwards, options["forward_seconds"], ended, say)
        again = sum(max(each.began - 1, 0) for each in forwards)
        return f"{len(forwards)} ways were held, begun again {again} times; {len(open_ways) - len(forwards)} not"

    def _login_of(self, fleet: Fleet, options: Mapping[str, Any]) -> list[str]:
        """kubectl's options for the management cluster, as far as variables say it by files and names; what they say
        otherwise (K8S_AUTH_*, a token) no line can hold."""
        kubeconfig = options["kubeconfig"] or fleet.shared("kof_kubeconfig")
        context = options["context"] or fleet.shared("kof_context")
        found: list[str] = []
        if isinstance(kubeconfig, str) and "\n" not in kubeconfig:
            file = place.found(self, kubeconfig)
            found += ["--kubeconfig", file] if isinstance(file, str) and os.path.isfile(file) else []
        return [*found, *(["--context", context] if context else [])]


def _absolute(path: str) -> pathlib.Path:
    """A relative one is below the working folder."""
    return pathlib.Path(os.path.abspath(os.path.expanduser(path)))


def _same_role(connection: Connection, binding: Mapping[str, Any], fleet: str) -> None:
    """
    :raises FleetFault: our binding is there with another role, which the API server lets nobody change: half of it
        would be made. Whose it is otherwise, the guards say.
    """
    live = get_or_none(connection, (binding["apiVersion"], binding["kind"], None, access.ROLE))
    there, wanted = dig(live, ("roleRef", "name")), binding["roleRef"]["name"]
    if live and fleet_of(live) == fleet and there != wanted:
        raise FleetFault(
            f"platform_admin_role (access_platform_admin_role): the platform administrator has {quoted(there, 60)} "
            f"instead of {wanted}, and a binding's role can't be changed: take it away first (access_platform_admin: "
            "absent), and with it all of its tokens. Nothing was changed"
        )


def _made_by_us(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
    return None if fleet_of(live) else "wasn't made by this collection"


def _refuse(options: Mapping[str, Any]) -> None:
    """
    :raises FleetFault: an option can't be.
    """
    for name in ("credentials_file", "kubeconfigs"):
        if telling.CONTROL.search(options[name] or ""):
            raise FleetFault(f"{name} (access_{name}) has a line break or another control character inside")
    with_login = options["show_credentials"] or options["platform_admin"] == "present"
    if options["credentials_file"] and not with_login:
        raise FleetFault(
            "credentials_file (access_credentials_file) is for logins, and none are asked for: say show_credentials "
            "(access_show_credentials) too, or platform_admin (access_platform_admin): present"
        )
    if options["deadline"] < 1:
        raise FleetFault("deadline (access_deadline) is less than 1; seconds for each cluster, 30 for example")
    if options["forward_seconds"] < 1:
        raise FleetFault("forward_seconds (access_forward_seconds) is less than 1; 3600 for example")
    if not _SHORTEST <= options["platform_admin_seconds"] <= 366 * 86400:
        raise FleetFault(
            f"platform_admin_seconds (access_platform_admin_seconds) must be from {_SHORTEST}, which is the least that "
            "an API server gives, to a year; 86400 for a day, for example"
        )
    problem = syntax.object_name(options["platform_admin_role"]) if options["platform_admin_role"] else None
    if problem:
        raise FleetFault(
            f"platform_admin_role (access_platform_admin_role) {problem}; the name of a ClusterRole, cluster-admin for "
            "example"
        )


def _kubeconfigs(connection: Connection, fleet: Fleet) -> list[access.Kubeconfig]:
    """Of the batch's regional and child clusters. Where Credentials may not be listed, adopted clusters have none; what
    is another fleet's is told as such, where ClusterDeployments may be listed."""
    clusters = [*fleet.of("regional"), *fleet.of("child")]
    listed: dict[str, list[dict[str, Any]]] = {"Credential": [], "ClusterDeployment": []}
    api = f"{KCM_GROUP}/{kcm_version_of(connection)}" if clusters else ""
    for kind in listed if clusters else ():
        try:
            path = connection.path(api, kind, fleet.shared("kof_kcm_namespace"))
            listed[kind] = connection.list_objects(path)[0]
        except ApiError as error:
            if error.status != 403:
                raise
    owners = {each["metadata"]["name"]: fleet_of(each) for each in listed["ClusterDeployment"]}
    foreign = {name: owner for name, owner in owners.items() if owner not in (None, fleet.shared("kof_fleet"))}
    return access.kubeconfigs(connection, clusters, listed["Credential"], foreign)


def _lines(
    fleet: Fleet,
    ways: Sequence[access.Way],
    kubeconfigs: Sequence[access.Kubeconfig],
    logins: Mapping[str, Sequence[str]],
    *,
    of_regions: bool,
) -> list[str]:
    """For people, cluster by cluster."""
    found: list[str] = []
    for way in ways:
        head = way.cluster or f"{way.host} (the management cluster)"
        if head not in found:
            found.append(head)
        found += [f"  {line}" for line in _way_lines(way, logins)]
    for cluster in fleet.of("regional"):
        found.append(f"{cluster.cluster_name}: https://grafana.{cluster.domain}")
    if fleet.of("regional") and not of_regions:
        found.append("  what is inside of regions, and where the logins are: -e access_kubeconfigs=<folder>")
    found += [f"{each.name}: {each.why_not}" for each in kubeconfigs if each.why_not]
    return found


def _way_lines(way: access.Way, logins: Mapping[str, Sequence[str]]) -> list[str]:
    if way.why_not:
        return [f"{way.entrance.name}: can't be reached: {way.why_not}"]
    lines = [f"{way.entrance.name}: {way.url}", *([f"  login: {way.login}"] if way.login else [])]
    if way.cluster in logins:
        return [lines[0], f"  {way.line(logins[way.cluster])}", *lines[1:]]
    return lines


def _named(way: access.Way) -> str:
    return f"{way.cluster or way.host} {way.entrance.name}"


def _same_cluster(kubectl: str, login: Sequence[str], connection: Connection) -> None:
    """
    :raises FleetFault: what kubectl would speak to isn't the management cluster of this run.
    """
    asked = [kubectl, *login, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]
    try:
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or type(problem).__name__
        raise FleetFault(f"kubectl (access_kubectl) can't be used: {why}") from None
    if done.stdout.strip().rstrip("/") != connection.server.rstrip("/"):
        raise FleetFault(
            "forward (access_forward): kubectl doesn't reach this management cluster by kof_kubeconfig and "
            "kof_context: say it by these, and not by a token, K8S_AUTH_* or a kubeconfig's content. Nothing was "
            "forwarded"
        )


def _told(way: access.Way, logins: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A way as a result has it: names alone."""
    return {
        "host": way.host,
        "name": way.entrance.name,
        "service": f"{way.namespace}/{way.entrance.service}",
        "port": way.port,
        "url": way.url,
        "command": way.line(logins[way.cluster]) if not way.why_not and way.cluster in logins else "",
        "secret": f"{way.namespace}/{way.entrance.secret}" if way.entrance.secret else "",
        "keys": list(way.entrance.keys),
        "why_not": way.why_not,
    }


def _logins(connection: Connection, ways: Sequence[access.Way], kubeconfigs: Sequence[access.Kubeconfig]) -> list[str]:
    configs = {each.name: each.config for each in kubeconfigs}
    found = []
    for way in ways:
        if not way.entrance.secret:
            continue
        if way.cluster and way.why_not:
            read: tuple[str, ...] | str = way.why_not
        elif way.cluster:
            try:
                with connection_by(configs[way.cluster] or {}) as inside:
                    read = access.login(inside, way)
            except (ApiError, ApiUnavailable) as problem:  # one region keeps nobody else's
                read = one_line(str(problem))
        else:
            read = access.login(connection, way)
        found.append(f"{_named(way)}:" + (f" {read}" if isinstance(read, str) else ""))
        if not isinstance(read, str):
            found += [f"  {key}: {value}" for key, value in zip(way.entrance.keys, read, strict=True)]
    return found
