# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_render.py: rendering without a cluster, one file per cluster and per values file."""

from __future__ import annotations

import pathlib
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import mothership_values
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.yaml_text import dump, dump_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import render
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import regional_domains


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {"folder": {"type": "path", "required": True}}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleets.read_fleet(task_vars, fleets.LAYERS)
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
        folder = pathlib.Path(options["folder"])
        texts = files_of(fleet, task_vars)
        changed = [name for name, text in texts.items() if not _has(folder / name, text)]
        if not self.check_mode:
            for name in changed:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[name], encoding="utf-8")
        return {
            "changed": bool(changed),
            "files": len(texts),
            "written": changed[:100],
            "msg": f"{len(texts)} files in {folder}, {len(changed)} changed",
        }


def files_of(fleet: fleets.Fleet, task_vars: dict[str, Any]) -> dict[str, str]:
    """Text by file name, relative to the folder.

    :raises FleetFault: a cluster can't be rendered.
    """
    surroundings = render.offline(fleet.release)
    texts: dict[str, str] = {}
    for layer in fleets.LAYERS:
        domains, faults = regional_domains(fleet, layer, surroundings, task_vars)
        if faults:
            raise fleets.FleetFault.of(faults)
        objects, more = render.layer_objects(fleet, layer, surroundings, domains)
        if more:
            raise fleets.FleetFault.of(more)
        texts |= {f"{layer}/{host}.yaml": dump_all(of_host) for host, of_host in objects.items()}
    for mothership in fleet.of("mothership"):
        for release in mothership_values.releases(mothership, fleet.release):
            texts[f"mothership/{release['name']}-values.yaml"] = dump(release["values"])
    return texts


def _has(path: pathlib.Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
