# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_render.py: rendering without a cluster, one file per cluster and per values file."""

from __future__ import annotations

import os
import pathlib
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render, rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.yaml_text import dump, dump_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "folder": {"type": "path", "default": "rendered"},
        "secrets": {"type": "bool", "default": False, "no_log": False},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if telling.CONTROL.search(options["folder"]):
            raise FleetFault("folder (render_folder) has a line break or another control character inside")
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        # What is relative is meant from where ansible-playbook was called, wherever the playbook is.
        folder = rendered.Folder(
            pathlib.Path(os.path.abspath(options["folder"] or "rendered")), secrets=options["secrets"]
        )
        texts = files_of(fleet, task_vars, secrets=options["secrets"])
        changed = folder.differing(texts)
        if not self.check_mode:
            folder.write({name: texts[name] for name in changed})
        return {
            "changed": bool(changed),
            "folder": str(folder.path),
            "files": len(texts),
            "written": changed[:100],
            "msg": f"{len(texts)} files in {folder.path}, {len(changed)} changed"
            + (
                f"; {rendered.MARKER} stands for secrets"
                if any(rendered.MARKER in text for text in texts.values())
                else ""
            ),
        }


def files_of(fleet: fleets.ReadFleet, task_vars: dict[str, Any], *, secrets: bool) -> dict[str, str]:
    """Text by file name, relative to the folder; of a cluster by the cluster's name, which can't lead anywhere.

    :param secrets: whether the texts may have them.
    :raises FleetFault: a cluster can't be rendered.
    """
    surroundings = render.offline(fleet.release)
    found: dict[str, list[Any] | dict[str, Any]] = {}
    for layer in LAYERS:
        domains = fleets.domains_of(fleet, layer, surroundings, task_vars)
        objects, faults = render.layer_objects(fleet, layer, surroundings, domains)
        if faults:
            raise FleetFault.of(faults)
        for host, of_host in objects.items():
            name = getattr(fleet.clusters[host], "cluster_name", fleet.release.mothership_cluster_name)
            if f"{layer}/{name}.yaml" in found:
                raise FleetFault(f"{host}: another host of kof_{layer} is the cluster {name} too. Nothing was written.")
            found[f"{layer}/{name}.yaml"] = of_host
    for release in render.helm_releases(fleet):
        found[f"mothership/{release['name']}-values.yaml"] = release["values"]
    if not secrets:
        secret = rendered.secret_by(leaving.hider())
        found = {name: rendered.without_secrets(each, secret) for name, each in found.items()}
    return {name: dump_all(each) if isinstance(each, list) else dump(each) for name, each in found.items()}
