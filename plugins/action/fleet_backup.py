# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_backup.py: one archive of what a fleet has on its management cluster.

What is in it is module_utils/fleet/backup.py, the file module_utils/fleet/archive.py; here it is encrypted and kept.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import pathlib
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, backup, rendered, restore, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault, members
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.in_grafana import NotGrafana
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import unwritable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asking, core_internals, leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

#: Bytes that hold the whole manifest of an archive, whatever else is in it.
_HEAD = 2 * 2**20


def grafana_address(said: str | None, variable: str) -> None:
    """
    :raises FleetFault: it can't be one.
    """
    try:
        verify.address(said, "Grafana")
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
        # The mothership is part of it, whoever is left by a limit.
        fleet = fleets.read_fleet(task_vars, LAYERS, everywhere=True)
        about = {"", *fleet.hosts, *members(task_vars["groups"], "mothership")}
        faults = [each for each in fleet.faults if each.host in about]
        if faults:
            raise FleetFault.of(faults)
        if not fleet.hosts:
            return {"changed": False, "file": "", "msg": "no cluster is in the batch"}
        with self.connect(fleet, options) as connection:
            version = kcm_version_of(connection)
            try:
                secret = rendered.secret_by(leaving.hider())
                found = backup.collect(connection, fleet, version, secret, secrets=bool(encrypt))
                if options["grafana"]:
                    ask = asking.grafana(options["grafana"], backup.grafana_login(connection, fleet))
                    backup.ask_grafana(found, connection, fleet, ask, secret, secrets=bool(encrypt))
            except (NotARelease, NotGrafana, NoAnswer, backup.NoLogin) as problem:
                raise FleetFault(f"{problem}. No file was written.") from None
        if not (found.objects or found.secret_objects):
            raise FleetFault(
                f"fleet {fleet.shared('kof_fleet')} has nothing on this management cluster, of which a backup could "
                "be: check kof_fleet, kof_namespace, kof_kcm_namespace and kof_kubeconfig. No file was written."
            )
        head = backup.about(found, fleet, version, controller.own_version())
        content_of = backup.members(found, encrypt)
        content = archive.pack(head, content_of)
        opening = core_internals.vault_secrets(self)
        try:
            restore.read(content, lambda member: core_internals.decrypted(member, opening))
        except archive.NotAnArchive as problem:
            raise FleetFault(f"what was found couldn't be restored, so no file was written: {problem}") from None
        # What is relative is meant from where ansible-playbook was called.
        path, name = pathlib.Path(os.path.abspath(options["folder"])), fleet.shared("kof_fleet")
        now = backup.free_time(set(_files(path)), name, datetime.datetime.now(datetime.UTC))
        file = backup.file_name(name, now)
        if not self.check_mode:
            rendered.Folder(path, secrets=True, mode=0o600, named="backup_folder").write({file: content})
        gone: list[str] = []
        warnings = [f"not in the backup: {each}" for each in head.left_out]
        if keep is not None:
            there = [*_files(path), *([file] if self.check_mode else [])]
            gone, told = self._removed(path, backup.beyond(there, name, keep, now), name)
            warnings += told
        counts = Counter(each["kind"] for each in (*found.objects, *found.secret_objects, *found.secrets))
        of_grafana = [*found.grafana.get("dashboards", ()), *found.secret_dashboards]
        if of_grafana:
            counts["dashboard of Grafana's own"] = len(of_grafana)
        msg = f"{path / file}: {', '.join(f'{number} {kind}' for kind, number in sorted(counts.items()))}"
        msg += f"; {len(gone)} older ones {'would be ' if self.check_mode else ''}removed" if gone else ""
        say(f"Backup{' that would be written' if self.check_mode else ''}: {msg}; of {self._place}")
        return {
            "changed": False,
            "file": "" if self.check_mode else str(path / file),
            "sha256": "" if self.check_mode else hashlib.sha256(content).hexdigest(),
            "contents": [archive.MANIFEST, *sorted(content_of)],
            "kinds": [{"kind": kind, "count": number} for kind, number in sorted(counts.items())],
            "left_out": list(head.left_out),
            "removed": gone,
            "warnings": warnings,
            "msg": msg,
        }

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

    def _removed(self, path: pathlib.Path, names: list[str], fleet: str) -> tuple[list[str], list[str]]:
        """The files that are gone, and what is told of those that stay: what isn't a backup of this fleet, whatever it
        is called, is somebody's."""
        gone: list[str] = []
        told: list[str] = []
        for name in names:
            try:
                with open(os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
                    ours = archive.head(stream.read(_HEAD)).fleet == fleet
                if not ours:
                    raise archive.NotAnArchive("it is another fleet's")
                if not self.check_mode:
                    os.unlink(path / name)
                gone.append(str(path / name))
            except FileNotFoundError:
                continue  # another run has taken it away
            except archive.NotAnArchive as problem:
                told.append(f"{path / name} stays, though it is too old (backup_keep): {problem}")
            except OSError as error:
                told.append(unwritable(error, name, path, "backup_folder (option folder)"))
        return gone, told


def _keeping(said: str | None) -> int | datetime.timedelta | None:
    if not said:
        return None
    try:
        return backup.keeping(said)
    except ValueError as problem:
        raise FleetFault(f"keep (backup_keep) {problem}") from None


def _files(path: pathlib.Path) -> Iterator[str]:
    """Of the folder, the names of what is a file, and no link."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as found:
        for each in found:
            if stat.S_ISREG(each.stat(follow_symlinks=False).st_mode):
                yield each.name
