# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder in which backups of a fleet are kept: which of its files are whole archives of this fleet on this
management cluster, which of them are too old, and what a run that was killed has left half-written. Nothing else in it
is ever touched: whatever a file is called, what is in it says whose it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, backup
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import NotAnArchive
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import unwritable

#: Bytes that hold the whole manifest of an archive, whatever else is in it.
_HEAD = 2 * 2**20
_MOVES = "backup_folder (option folder)"


@dataclass
class Kept:
    """
    :ivar path: the folder, which may not be there.
    :ivar management_cluster: the uid that archives of it have in their manifests.
    :ivar told: what isn't as one would think, for people.
    """

    path: pathlib.Path
    fleet: str
    management_cluster: str
    told: list[str] = field(default_factory=list)
    _seen: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def names(self) -> Iterator[str]:
        """Of what is a file, and no link."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path) as found:
            for each in found:
                if stat.S_ISREG(each.stat(follow_symlinks=False).st_mode):
                    yield each.name

    def beyond(self, keep: int | timedelta, now: datetime, written: str) -> list[str]:
        """The names of the archives that are too old, the oldest first. Only whole ones count, for a damaged one brings
        nothing back; and never the newest of them.

        :param written: the archive that this run has written, or would write.
        """
        there = [*self.names(), *([] if (self.path / written).exists() else [written])]
        return backup.beyond(there, self.fleet, keep, now, lambda name: name == written or self._is_ours(name))

    def _is_ours(self, name: str) -> bool:
        """Whether a file is a whole archive of this fleet on this management cluster."""
        try:
            with open(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                self._seen[name] = _which(os.fstat(stream.fileno()))
                begin = stream.read(_HEAD)
                about = archive.head(begin)
                if about.fleet != self.fleet:
                    raise NotAnArchive("it is another fleet's")
                if not about.management_cluster:
                    raise NotAnArchive("it doesn't say of which management cluster it is")
                if about.management_cluster != self.management_cluster:
                    return False  # a fleet of the same name, which keeps its own
                archive.unpack(begin + stream.read(archive.LARGEST_FILE + 1 - len(begin)))
        except FileNotFoundError:
            return False  # another run has taken it away
        except NotAnArchive as problem:
            self.told.append(f"{self.path / name} stays, and doesn't count among those that are kept: {problem}")
            return False
        except OSError as error:
            why = error.strerror or type(error).__name__
            self.told.append(f"{self.path / name} stays, and doesn't count among those that are kept: {why}")
            return False
        return True

    def remove(self, names: Sequence[str], *, check_mode: bool) -> list[str]:
        """The files that are gone, or would be, by their paths: what this has looked into, and nothing that came there
        since."""
        gone = []
        for name in names:
            try:
                if self._seen.get(name) != _which(os.stat(self.path / name, follow_symlinks=False)):
                    continue
                if not check_mode:
                    os.unlink(self.path / name)
                gone.append(str(self.path / name))
            except FileNotFoundError:
                continue  # another run has taken it away
            except OSError as error:
                self.told.append(unwritable(error, name, self.path, _MOVES))
        return gone

    # -- what is half-written

    def mark(self) -> str:
        """What the name of a file that this process is writing has in it, so that another run can tell whether it
        still does."""
        return f".{self._whose()}-{os.getpid()}"

    def left_behind(self) -> list[str]:
        """The names of half-written archives of this fleet on this management cluster whose writers, processes of this
        machine, aren't there any more."""
        name_of = re.compile(
            rf"\.(?P<file>kof-backup-.+\.tar\.gz)\.{re.escape(self._whose())}-(?P<pid>\d{{1,10}})\.unfinished"
        )
        found = []
        for name in sorted(self.names()):
            its = name_of.fullmatch(name)
            if (
                its
                and backup.written_at(its["file"], self.fleet)
                and not _lives(int(its["pid"]))
                and self._is_free(name)
            ):
                found.append(name)
        return found

    def _is_free(self, name: str) -> bool:
        """Whether nobody holds the lock that a writer has on it, in another container of this machine for example."""
        try:
            file = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        self._seen[name] = _which(os.fstat(file))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held; or nothing can be locked there, and so nothing is sure
            return False
        finally:
            os.close(file)
        return True

    def _whose(self) -> str:
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:63]
        return f"{self.management_cluster[:8]}-{host}"


def _which(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    except OverflowError:  # no process has that number
        return False
    return True
