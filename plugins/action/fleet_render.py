# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_render.py: rendering without a cluster, one file per cluster and per values file."""

from __future__ import annotations

import os
import pathlib
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import mothership_values
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.yaml_text import dump, dump_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import render, rendered
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import regional_domains


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "folder": {"type": "path", "default": "rendered"},
        "secrets": {"type": "bool", "default": False, "no_log": False},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleets.read_fleet(task_vars, fleets.LAYERS)
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
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


def files_of(fleet: fleets.Fleet, task_vars: dict[str, Any], *, secrets: bool) -> dict[str, str]:
    """Text by file name, relative to the folder; of a cluster by the cluster's name, which can't lead anywhere.

    :param secrets: whether the texts may have them.
    :raises FleetFault: a cluster can't be rendered.
    """
    surroundings = render.offline(fleet.release)
    found: dict[str, list[Any] | dict[str, Any]] = {}
    for layer in fleets.LAYERS:
        domains, faults = regional_domains(fleet, layer, surroundings, task_vars)
        if faults:
            raise fleets.FleetFault.of(faults)
        objects, more = render.layer_objects(fleet, layer, surroundings, domains)
        if more:
            raise fleets.FleetFault.of(more)
        for host, of_host in objects.items():
            name = getattr(fleet.clusters[host], "cluster_name", fleet.release.mothership_cluster_name)
            if f"{layer}/{name}.yaml" in found:
                raise fleets.FleetFault(
                    f"{host}: another host of kof_{layer} is the cluster {name} too. Nothing was written."
                )
            found[f"{layer}/{name}.yaml"] = of_host
    for mothership in fleet.of("mothership"):
        for release in mothership_values.releases(mothership, fleet.release):
            found[f"mothership/{release['name']}-values.yaml"] = release["values"]
    if not secrets:
        texts = rendered.vaulted(task_vars["hostvars"], fleet.hosts)
        # In each object, and no secret, wherever they are kept.
        texts -= {str(fleet.shared(f"kof_{name}")) for name in ("fleet", "namespace", "kcm_namespace", "version")}
        secret = rendered.secret_by(texts)
        found = {name: rendered.without_secrets(each, secret) for name, each in found.items()}
    return {name: dump_all(each) if isinstance(each, list) else dump(each) for name, each in found.items()}
