# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_add.py: which cluster answers are about, what it is now, and its inventory entry.

What is decided is module_utils/fleet/adding.py; that answers are one host's alone plugin_utils/one_cluster.py.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import adding, rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import GROUPS, LAYERS, FleetFault, members
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP, NoKcm, version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import layer_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import LOCALHOST, pattern_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, leaving, one_cluster, variables
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

ANSWERS, LIVE, ENTRY = "answers", "live", "entry"


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "layer": {"type": "str", "required": True, "choices": list(adding.PLAYBOOKS)},
        "step": {"type": "str", "required": True, "choices": [ANSWERS, LIVE, ENTRY]},
        "folder": {"type": "path"},
    }
    #: Plays go by names and patterns; of an entry all that is secret is left out before, and hidden it would be wrong.
    GOES_BY = ("host", "cluster", "group", "pattern", "layer", "entry", "stats")

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        steps = {ANSWERS: self._answers, LIVE: self._live, ENTRY: self._entry}
        return {"changed": False, **steps[options["step"]](options, task_vars)}

    def _answers(self, options: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer, hostvars, groups = options["layer"], task_vars["hostvars"], task_vars["groups"]
        faults: list[Fault | str] = [*fleets.group_faults(groups)]
        if faults:
            raise FleetFault.of(faults)
        faults += _of_the_run(layer, task_vars)
        variable = f"{layer}_cluster_name"
        of_all, given = hostvars[LOCALHOST], one_cluster.answers(hostvars, layer)
        found, unreadable = variables.read("", of_all, [variable] if variable in given else [])
        raw = core_internals.untemplated(of_all)
        wrong = unreadable or variables.by_cause(adding.name_faults(layer, found), raw, found, given)
        if wrong:
            raise FleetFault.of([*faults, *wrong], "the answers")
        cluster = found[variable]
        whose = adding.host_of(layer, cluster, _known(hostvars, groups, layer))
        if isinstance(whose, Fault):
            raise FleetFault.of([*faults, whose], "the answers")
        if faults:
            raise FleetFault.of(faults, "what this run is asked for")
        _folder(options, cluster)
        host, known = whose
        told = f"{cluster} is {host} of the inventory" if known else f"{cluster} isn't in the inventory yet"
        pattern = pattern_of(host)
        return {
            "host": host, "cluster": cluster, "group": GROUPS[layer], "pattern": pattern, "layer": layer,
            "known": known, "msg": told,
        }  # fmt: skip

    def _live(self, options: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        fleet = fleets.read_fleet(task_vars, [layer])
        if fleet.faults:
            return {"live": False, "msg": "not looked for: preflight says what is wrong with the answers"}
        (cluster,) = _one(fleet, layer)
        with self.connect(fleet, options) as connection:
            try:
                api = f"{KCM_GROUP}/{version_of(connection)}"
            except NoKcm as problem:
                raise FleetFault(f"{problem}") from None
            where = (api, "ClusterDeployment", fleet.shared("kof_kcm_namespace"), cluster.cluster_name)
            live = get_or_none(connection, where)
        of_layer = layer_of(live, fleet.release) if live else None
        fault = adding.other_layer_fault(layer, cluster.host, cluster.cluster_name, of_layer)
        if fault:
            raise FleetFault.of([fault], "the answers")
        there = f"{cluster.cluster_name} is live: what differs from the answers is a change"
        return {"live": bool(live), "msg": there if live else f"{cluster.cluster_name} is new"}

    def _entry(self, options: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        fleet = fleets.read_fleet(task_vars, [layer])
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        (cluster,) = _one(fleet, layer)
        host, name = to_plain(cluster.host), to_plain(cluster.cluster_name)
        kept, left_out = _variables(fleet, layer, host, task_vars["hostvars"])
        if name == host:
            kept.pop(f"{layer}_cluster_name", None)
        text = adding.entry(layer, host, kept, left_out)
        folder, file = _folder(options, name), f"{name}.yml"
        changed = folder.differing({file: text}) if folder else []
        where = str(folder.path / file) if folder else ""
        if folder and not self.check_mode:
            folder.write(dict.fromkeys(changed, text))
        stats = {adding.ARTIFACT: adding.artifact(layer, host, name, text, where, left_out)}
        say(f"Its inventory entry{f', {where}' if folder else ''}:\n{text}")
        told = [f"the inventory entry of {host} is in {where}" if folder else f"the inventory entry of {host}"]
        told += [f"without {', '.join(left_out)}, which may be secret"] if left_out else []
        # A cluster that isn't there is no entry for the next jobs.
        return {
            "changed": bool(changed), "entry": text, "file": where, "left_out": left_out,
            "stats": {} if self.check_mode else stats, "msg": ", ".join(told),
        }  # fmt: skip


def _one(fleet: fleets.ReadFleet, layer: str) -> list[Any]:
    """
    :raises FleetFault: the batch isn't one cluster.
    """
    found = fleet.of(layer)
    if len(found) != 1:
        raise FleetFault(f"the batch has {len(found)} hosts of {GROUPS[layer]}; it takes the one that is added")
    return found


def _of_the_run(layer: str, task_vars: dict[str, Any]) -> Iterator[str]:
    """What else was asked for, and would be about other clusters than the one."""
    playbook = f"k0rdent.kof.{adding.PLAYBOOKS[layer]}"
    if task_vars.get("ansible_limit") is not None:
        yield f"--limit: {playbook} is about the one cluster that its answers name; leave the limit out"
    for other in adding.PLAYBOOKS:
        for name in one_cluster.answers(task_vars["hostvars"], other) if other != layer else ():
            yield f"{name}: no question of {playbook}; as an extra variable it would be that of every {other} cluster"


def _known(hostvars: Any, groups: Mapping[str, Any], layer: str) -> dict[str, dict[str, str]]:
    """By layer, the hosts of the inventory and the names of their clusters."""
    of_inventory, reader = one_cluster.of_one(hostvars, layer, ""), variables.Reader()
    found: dict[str, dict[str, str]] = {}
    for each in LAYERS:
        found[each] = {}
        for host in members(groups, each):
            of_host, variable = of_inventory[host], f"{each}_cluster_name"
            named = [variable] if variable in core_internals.untemplated(of_host) else []
            name = reader.read(host, of_host, named)[0].get(variable) if each in adding.PLAYBOOKS else None
            found[each][host] = name if isinstance(name, str) and name else host
    return found


def _folder(options: Mapping[str, Any], cluster: str) -> rendered.Folder | None:
    """Where the entry goes.

    :raises FleetFault: it has no name that a folder may have, or somebody else's file is in the entry's place.
    """
    given = options["folder"]
    if not given:
        return None
    if telling.CONTROL.search(given):
        raise FleetFault("folder (add_entry_folder) has a line break or another control character inside")
    path = pathlib.Path(os.path.abspath(given))
    file = path / f"{cluster}.yml"
    try:
        theirs = file.is_file() and not adding.is_ours(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise FleetFault(f"folder (add_entry_folder): {file} can't be read: {error.strerror}") from None
    if theirs:
        raise FleetFault(
            f"folder (add_entry_folder): {file} is there, and no entry that was written here; name another folder"
        )
    return rendered.Folder(path, secrets=False, named="add_entry_folder")


def _variables(fleet: fleets.ReadFleet, layer: str, host: str, hostvars: Any) -> tuple[dict[str, Any], list[str]]:
    """What the host says of the layer's options, by answers and else in the inventory, as an entry has it; and the
    names of those that hold secrets."""
    answered = {name for name, each in one_cluster.answers(hostvars, layer).items() if not adding.is_left_empty(each)}
    own, secret = core_internals.variables_of_host(hostvars, host), rendered.secret_by(leaving.hider())
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for name, option in load_spec(layer).items():
        if not name.startswith(f"{layer}_") or name not in {*answered, *own}:
            continue
        try:
            plain = fleet.variables[host].get(name) if name in answered else to_plain(own[name])
        except NotPlain:  # a vault's
            left_out.append(name)
            continue
        if plain is None:
            continue
        vaulted = name not in answered and any(core_internals.of_vault(own[name]))
        if option.get("no_log") or vaulted or adding.has_secret(plain, secret) or leaving.leaving(plain) != plain:
            left_out.append(name)
        else:
            kept[name] = adding.as_data(plain) if name in answered else _as_said(own[name])
    return kept, left_out


def _as_said(raw: Any) -> Any:
    """What an inventory says, not templated: what is a template there stays one, and what is data stays data."""
    if isinstance(raw, str):
        return to_plain(raw) if core_internals.is_trusted(raw) else adding.as_data(to_plain(raw))
    if isinstance(raw, dict):
        return {to_plain(key): _as_said(each) for key, each in dict.items(raw)}
    return [_as_said(each) for each in list.__iter__(raw)] if isinstance(raw, list) else to_plain(raw)
