# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_data.py: metrics and logs of a fleet's regionals, out and back.

How they go is module_utils/fleet/data_transfer.py, the folder module_utils/fleet/saved_data.py; here it is said which
regionals are the fleet's own, with which login they are asked, and what of a run is told.
"""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import backup, data_transfer, saved_data, stores
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data_transfer import Told
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, LAYERS, FleetFault, members
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.regions import own_regions
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.saved_data import Busy, Folder, NotSaved
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.stores import METRICS, Region, stamp
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import unwritable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import first_lines, some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

SAVE, RESTORE = "save", "restore"
#: By step, the variable that names the folder.
_FOLDER = {SAVE: "backup_folder", RESTORE: "restore_data"}


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "step": {"type": "str", "required": True, "choices": [SAVE, RESTORE]},
        "folder": {"type": "path", "required": True},
        "range_from": {"type": "str"},
        "range_to": {"type": "str"},
        "patience": {"type": "int", "default": 0},
        "only_look": {"type": "bool", "default": False},
    }
    #: All else that a run changes comes before it, and what its report says.
    ENDS = True

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        variable = _FOLDER[options["step"]]
        if not options["folder"] or telling.CONTROL.search(options["folder"]):
            raise FleetFault(f"folder ({variable}) is empty, or has a control character inside; name a folder")
        if options["patience"] < 0:
            raise FleetFault("patience (restore_data_patience) is less than 0; seconds to wait, 600 for example")
        said = (options["range_from"] or "", options["range_to"] or "")
        # What is relative is meant from where ansible-playbook was called.
        path, now = pathlib.Path(os.path.abspath(options["folder"])), int(time.time() * 1000)
        times = _times(said, now)
        fleet = fleets.read_fleet(task_vars, LAYERS, everywhere=True)
        about = {"", *fleet.hosts, *(host for layer in LAYERS[:2] for host in members(task_vars["groups"], layer))}
        faults = [each for each in fleet.faults if each.host in about]
        if faults:
            raise FleetFault.of(faults)
        if not fleet.hosts:
            return {"changed": False, "folder": "", "msg": "no cluster is in the batch"}
        folder = None
        try:
            if options["step"] == SAVE:
                folder, new = _chosen(path, fleet.shared("kof_fleet"), said, times)
            else:
                folder, new = Folder(path), None
                folder.about = _whole(path, fleet.shared("kof_fleet"))
                for part in folder.about.parts if options["only_look"] else ():
                    saved_data.check(folder.path, part)
            if options["only_look"]:
                return {"changed": False, "folder": str(folder.path), "msg": "nothing is wrong with it so far"}
            with self.connect(fleet, options) as connection:
                regions, left_out = own_regions(connection, fleet, kcm_version_of(connection))
                if options["step"] == SAVE:
                    return self._save(folder, new, fleet, regions, left_out, said, backup.identity_of(connection))
                return self._restore(folder, regions, left_out, options["patience"])
        except (NotSaved, Busy) as problem:
            raise FleetFault(f"{problem}. Nothing was changed.") from None
        except OSError as error:
            raise FleetFault(unwritable(error, "data", path, f"{variable} (option folder)")) from None
        finally:
            if folder is not None:
                folder.release()

    # -- out

    def _save(
        self,
        folder: Folder,
        new: tuple[int, int] | None,
        fleet: fleets.ReadFleet,
        regions: Sequence[Region],
        left_out: list[str],
        said: tuple[str, str],
        management_cluster: str,
    ) -> dict[str, Any]:
        if new is None and folder.about.management_cluster != management_cluster:
            raise FleetFault(
                f"{folder.path} is of a fleet {folder.about.fleet} on another management cluster: name another folder "
                "(backup_folder). No file was written."
            )
        if not regions:
            raise FleetFault(
                "no regional cluster can be asked for its data"
                + (f": {some(left_out, FAULTS_SHOWN)}" if left_out else f": fleet {fleet.shared('kof_fleet')} has none")
            )
        if new is not None:
            name, version = fleet.shared("kof_fleet"), fleet.shared("kof_version")
            about = saved_data.About(name, version, *new, said=said, management_cluster=management_cluster)
            if self.check_mode:
                folder.about = about
            else:
                folder.begin(about)
        elif not folder.about.complete and not self.check_mode:
            kept = folder.go_on()
            say(f"Going on with {folder.path}: {kept} parts of it are whole")
        times = (folder.about.begin, folder.about.end)
        if folder.about.complete:
            for part in folder.about.parts:
                saved_data.check(folder.path, part)
            told = _of_parts(folder)
            return self._result(folder, told, left_out, False, f"{folder.path} has all of that time already: ")
        if self.check_mode:
            told = _counted(regions, times)
            return self._result(folder, told, left_out, False, f"{folder.path} would be written: ", path="")
        told = data_transfer.save(folder, regions, _way(), _line("saved"), _lives)
        if not left_out and not any(each.why for each in told):
            folder.finish([])
            return self._result(folder, told, left_out, False, f"{folder.path}: ")
        return self._result(folder, told, left_out, False, f"{folder.path} isn't whole yet, run again to go on: ")

    # -- back

    def _restore(self, folder: Folder, regions: Sequence[Region], left_out: list[str], patience: int) -> dict[str, Any]:
        wanted = {each.cluster for each in folder.about.parts}
        left_out = [each for each in left_out if each.partition(":")[0] in wanted]
        told_of = {each.partition(":")[0] for each in left_out} | {each.cluster for each in regions}
        left_out += [f"{name}: it is no regional of this fleet any more" for name in sorted(wanted - told_of)]
        regions = [each for each in regions if each.cluster in wanted]
        for part in folder.about.parts:
            saved_data.check(folder.path, part)
        if not self.check_mode:
            folder.hold()
        way, ready, away = _way(), [], []
        # Nothing comes up meanwhile in check mode.
        end = time.monotonic() + (0 if self.check_mode else patience)
        for region in regions:
            why = data_transfer.wait(region, way, max(0.0, end - time.monotonic()))
            away += [f"{region.cluster}: {why}"] if why else []
            ready += [] if why else [region]
        told = data_transfer.bring_back(
            folder,
            ready,
            way,
            _line("would be sent" if self.check_mode else "sent"),
            may_write=self._lease.take if self._lease is not None else _nobody,
            patience=data_transfer.Patience(),
            check_mode=self.check_mode,
        )
        changed = any(each.count for each in told)
        would = "would be sent" if self.check_mode else "sent"
        if self.check_mode:  # before kof is there it can't be asked
            head = f"{folder.path}, {would}{f' (once they answer, {some(away)})' if away else ''}: "
            return self._result(folder, told, [], changed, head)
        return self._result(folder, told, [*left_out, *away], changed, f"{folder.path}, {would}: ")

    def _result(
        self,
        folder: Folder,
        told: Sequence[Told],
        left_out: Sequence[str],
        changed: bool,
        head: str,
        path: str | None = None,
    ) -> dict[str, Any]:
        counts = {kind: sum(each.count for each in told if each.kind == kind) for kind in stores.KINDS}
        clusters = len({each.cluster for each in told})
        msg = f"{head}{counts[METRICS]} samples and {counts[stores.LOGS]} lines of {clusters} regional clusters"
        faults = [*left_out, *(f"{each.cluster}: {why}" for each in told for why in each.why)]
        say(f"Data: {msg}")
        result = {
            "changed": changed,
            "folder": str(folder.path) if path is None else path,
            "range": [stamp(folder.about.begin), stamp(folder.about.end)],
            "data": [
                {
                    "cluster": each.cluster,
                    "kind": each.kind,
                    "count": each.count,
                    "bytes": each.size,
                    "there": each.there,
                    "faults": each.why[:FAULTS_SHOWN],
                }
                for each in told
            ],
            "left_out": list(left_out),
            "msg": msg,
        }
        if faults:
            lines = [f"{len(faults)} fault{'s' if len(faults) > 1 else ''}:", *first_lines(faults, FAULTS_SHOWN), msg]
            result |= {"failed": True, "msg": "\n".join(lines)}
        return result


def _way() -> stores.Way:
    # Core's client of HTTP takes longer to import than the rest.
    from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import Stores

    return Stores()


def _lives() -> bool:
    """Whether ansible-playbook does, whose fork this is."""
    main = multiprocessing.parent_process()
    return main is None or os.getppid() == main.pid


def _nobody() -> None:
    """Nothing is written in check mode."""


def _times(said: tuple[str, str], now: int) -> tuple[int, int]:
    """
    :raises FleetFault: it is no range.
    """
    try:
        return saved_data.time_range(*said, now)
    except ValueError as problem:
        option, _, why = str(problem).partition(" ")
        raise FleetFault(f"range_{option} (backup_data_{option}) {why}. No file was written.") from None


def _chosen(
    path: pathlib.Path, fleet: str, said: tuple[str, str], times: tuple[int, int]
) -> tuple[Folder, tuple[int, int] | None]:
    """What a run has left unfinished, or a new folder with its range.

    :raises FleetFault: what is unfinished is of another range.
    """
    left = saved_data.unfinished(path, fleet)
    if len(left) > 1:
        raise FleetFault(
            f"{len(left)} folders with data of fleet {fleet} aren't finished: {some(map(str, left))}. Remove those "
            "that aren't to be gone on with. No file was written."
        )
    if left:
        about = saved_data.read(left[0])
        if said != ("", "") and said != about.said:
            raise FleetFault(
                f"{left[0]} isn't finished, and is of another range, {stamp(about.begin)} to {stamp(about.end)}: run "
                "without backup_data_from and backup_data_to to finish it, or remove it. No file was written."
            )
        folder = Folder(left[0])
        folder.about = about
        return folder, None
    folder = Folder(path / saved_data.folder_name(fleet, times[1]))
    try:
        folder.about = saved_data.read(folder.path)
    except NotSaved as problem:
        if os.path.lexists(folder.path) and not saved_data.is_bare(folder.path):
            raise FleetFault(f"{folder.path} is in the way: {problem}. No file was written.") from None
        return folder, times
    if folder.about.fleet != fleet or (folder.about.begin, folder.about.end) != times:
        raise FleetFault(
            f"{folder.path} has another range that ends then: name another folder (backup_folder). No file was written."
        )
    return folder, None


def _whole(path: pathlib.Path, fleet: str) -> saved_data.About:
    """
    :raises FleetFault: it isn't what this fleet has saved, or not all of it.
    """
    about = saved_data.read(path)
    if about.fleet != fleet:
        raise FleetFault(f"{path} is of fleet {about.fleet}, and kof_fleet is {fleet}. Nothing was changed.")
    if not about.complete:
        raise FleetFault(
            f"{path} isn't finished: run the backup again, with backup_data=true and its folder, until it is. Nothing "
            "was changed."
        )
    return about


def _of_parts(folder: Folder) -> list[Told]:
    found: dict[tuple[str, str], Told] = {}
    for part in folder.about.parts:
        told = found.setdefault((part.cluster, part.kind), Told(part.cluster, part.kind))
        told.count, told.size, told.there = told.count + part.count, told.size + part.size, told.there + 1
    return list(found.values())


def _counted(regions: Sequence[Region], times: tuple[int, int]) -> list[Told]:
    """What there is to be saved."""
    way, found = _way(), []
    for region in regions:
        for kind in stores.KINDS:
            told = Told(region.cluster, kind)
            try:
                if kind == METRICS:
                    told.count = sum(stores.samples(region, way, *times).values())
                else:
                    told.count = stores.lines(region, way, *times)
            except (stores.Refused, stores.TooMuch) as problem:
                told.why.append(str(problem))
            found.append(told)
    return found


def _line(what: str) -> Callable[[Told], None]:
    def line(told: Told) -> None:
        of = "samples" if told.kind == METRICS else "lines of logs"
        there = f", {told.there} parts were there" if told.there else ""
        say(f"{told.cluster}: {told.count} {of} {what}{there}{f'; {some(told.why, 2)}' if told.why else ''}")

    return line
