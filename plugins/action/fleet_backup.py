# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_backup.py: one archive of what a fleet has on its management cluster.

What is in it is module_utils/fleet/backup.py, the file module_utils/fleet/archive.py; here it is encrypted and kept.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import pathlib
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, backup, data, kept, rendered, restore
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault, members
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.in_grafana import NotGrafana
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asking, core_internals, leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


def grafana_address(said: str | None, variable: str) -> None:
    """
    :raises FleetFault: it can't be one.
    """
    try:
        data.address(said, "Grafana")
    except ValueError as problem:
        raise FleetFault(f"grafana ({variable}) {problem}; http://localhost:3000 for example") from None


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "folder": {"type": "path", "default": "."},
        "keep": {"type": "str"},
        "vault_id": {"type": "str"},
        "grafana": {"type": "str"},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        keep = _keeping(options["keep"])
        if telling.CONTROL.search(options["folder"]):
            raise FleetFault("folder (backup_folder) has a line break or another control character inside")
        grafana_address(options["grafana"], "backup_grafana")
        encrypt = self._encrypting(options["vault_id"])
        fleet = self._read(task_vars)
        if not fleet.hosts:
            return {"changed": False, "file": "", "msg": "no cluster is in the batch"}
        found, version = self._collected(fleet, options, secrets=bool(encrypt))
        head = backup.about(found, fleet, version, controller.own_version())
        content_of = backup.members(found, encrypt)
        content = self._packed(head, content_of)
        # What is relative is meant from where ansible-playbook was called.
        shelf = kept.Kept(pathlib.Path(os.path.abspath(options["folder"])), head.fleet, head.management_cluster)
        now = backup.free_time(set(shelf.names()), head.fleet, datetime.datetime.now(datetime.UTC))
        file = backup.file_name(head.fleet, now)
        if not self.check_mode:
            folder = rendered.Folder(shelf.path, secrets=True, mode=0o600, named="backup_folder", mark=shelf.mark())
            folder.write({file: content})
        old = shelf.beyond(keep, now, file) if keep is not None else []
        gone = shelf.remove(old, check_mode=self.check_mode)
        half = shelf.remove(shelf.left_behind(), check_mode=self.check_mode)
        kinds = _counted(found)
        msg = f"{shelf.path / file}: " + ", ".join(f"{each['count']} {each['kind']}" for each in kinds)
        for number, what in ((len(gone), "older"), (len(half), "half-written")):
            msg += f"; {number} {what} ones {'would be ' if self.check_mode else ''}removed" if number else ""
        say(f"Backup{' that would be written' if self.check_mode else ''}: {msg}; of {self._place}")
        return {
            "changed": False,
            "file": "" if self.check_mode else str(shelf.path / file),
            "sha256": "" if self.check_mode else hashlib.sha256(content).hexdigest(),
            "contents": [archive.MANIFEST, *sorted(content_of)],
            "kinds": kinds,
            "left_out": list(head.left_out),
            "removed": [*gone, *half],
            "warnings": [*(f"not in the backup: {each}" for each in head.left_out), *shelf.told],
            "msg": msg,
        }

    @staticmethod
    def _read(task_vars: dict[str, Any]) -> fleets.ReadFleet:
        """The batch, and the mothership, which is part of it, whoever is left by a limit.

        :raises FleetFault: what is said of them is wrong.
        """
        fleet = fleets.read_fleet(task_vars, LAYERS, everywhere=True)
        about = {"", *fleet.hosts, *members(task_vars["groups"], "mothership")}
        faults = [each for each in fleet.faults if each.host in about]
        if faults:
            raise FleetFault.of(faults)
        return fleet

    def _collected(
        self, fleet: fleets.ReadFleet, options: dict[str, Any], *, secrets: bool
    ) -> tuple[backup.Saved, str]:
        """What the fleet has on its management cluster and in Grafana there, and the version of kcm's API.

        :param secrets: whether what is secret is read at all.
        :raises FleetFault: it has nothing, or something can't be read.
        """
        with self.connect(fleet, options) as connection:
            version = kcm_version_of(connection)
            try:
                secret = rendered.secret_by(leaving.hider())
                found = backup.collect(connection, fleet, version, secret, secrets=secrets)
                found.management_cluster = backup.identity_of(connection)
                if options["grafana"]:
                    ask = asking.grafana(options["grafana"], backup.grafana_login(connection, fleet))
                    backup.ask_grafana(found, connection, fleet, ask, secret, secrets=secrets)
            except (NotARelease, NotGrafana, NoAnswer, backup.NoLogin) as problem:
                raise FleetFault(f"{problem}. No file was written.") from None
        if not (found.objects or found.secret_objects):
            raise FleetFault(
                f"fleet {fleet.shared('kof_fleet')} has nothing on this management cluster, of which a backup could "
                "be: check kof_fleet, kof_namespace, kof_kcm_namespace and kof_kubeconfig. No file was written."
            )
        return found, version

    def _packed(self, head: archive.About, content_of: dict[str, bytes]) -> bytes:
        """The archive.

        :raises FleetFault: it is none that could be restored.
        """
        content = archive.pack(head, content_of)
        opening = core_internals.vault_secrets(self)
        try:
            restore.read(content, lambda member: core_internals.decrypted(member, opening))
        except archive.NotAnArchive as problem:
            raise FleetFault(f"what was found couldn't be restored, so no file was written: {problem}") from None
        return content

    def _encrypting(self, wanted: str | None) -> Callable[[bytes], bytes] | None:
        """What encrypts a member; None where no vault password was given.

        :raises FleetFault: which one is to be taken isn't known.
        """
        secrets = dict(reversed(core_internals.vault_secrets(self)))
        wanted = wanted or core_internals.vault_identity() or (next(iter(secrets)) if len(secrets) == 1 else None)
        if wanted is None and not secrets:
            return None
        if wanted not in secrets:
            known = f"the vault ids of this run are {some(sorted(secrets))}" if secrets else "this run has no vault id"
            what = "isn't one that this run has" if wanted else "isn't said"
            raise FleetFault(
                f"vault_id (backup_vault_id) {what}: {known}. Pass --vault-id <name>@<file or prompt>, and "
                "-e backup_vault_id=<name>. No file was written."
            )
        return lambda content: core_internals.encrypted(content, str(wanted), secrets[wanted])


def _keeping(said: str | None) -> int | datetime.timedelta | None:
    if not said:
        return None
    try:
        return backup.keeping(said)
    except ValueError as problem:
        raise FleetFault(f"keep (backup_keep) {problem}") from None


def _counted(found: backup.Saved) -> list[dict[str, Any]]:
    """How many of each kind it has."""
    counts = Counter(each["kind"] for each in (*found.objects, *found.secret_objects, *found.secrets))
    of_grafana = [*found.grafana.get("dashboards", ()), *found.secret_dashboards]
    if of_grafana:
        counts["dashboard of Grafana's own"] = len(of_grafana)
    return [{"kind": kind, "count": number} for kind, number in sorted(counts.items())]
