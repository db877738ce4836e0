# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a rendering: what of them is secret, and how they are written. What is in them is render.py's.

Whatever else may be in the folder, a file is written below it and nowhere else, whole or not at all: names are looked
up from open folders, no link is followed, and a finished file takes the place of the old one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import diff
from ansible_collections.k0rdent.kof.plugins.module_utils.text import secret_forms, telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import unwritable

#: Stands where a secret would.
MARKER = "<secret: written only with render_secrets>"


def secret_by(known: telling.Hider) -> Callable[[str], bool]:
    """Whether a text holds a secret: one that is known, one by its form, or a URL's password."""

    def secret(text: str) -> bool:
        return known.finds(text) or secret_forms.found(text) or bool(telling.logins(text))

    return secret


def without_secrets(objects: Any, secret: Callable[[str], bool]) -> Any:
    """Objects or values with a marker in the place of each secret: by its name, or where `secret` says so. What an
    object is called stays: its file is named so."""
    if isinstance(objects, list):
        return [without_secrets(each, secret) for each in objects]
    hidden = diff.masked(objects, secret, MARKER)
    if "apiVersion" in objects and "kind" in objects:
        kept = {key: objects["metadata"][key] for key in ("name", "namespace") if key in objects["metadata"]}
        hidden |= {"apiVersion": objects["apiVersion"], "kind": objects["kind"]}
        hidden["metadata"] = hidden["metadata"] | kept
    return hidden


class Folder:
    """The folder that files are written to."""

    def __init__(
        self,
        path: pathlib.Path,
        *,
        secrets: bool,
        mode: int | None = None,
        named: str = "render_folder",
        mark: str = "",
    ) -> None:
        """secrets: nobody else may read the files; mode: of the files, whatever the umask; named: the variable by which
        users name the folder; mark: what names of files have in them while they are written."""
        self.path = path
        self._secrets = secrets
        self._mode = mode
        self._mark = mark
        self._moves = f"{named} (option folder)"

    def differing(self, texts: Mapping[str, str]) -> list[str]:
        """The files that aren't there as wanted, by their names below the folder.

        :raises FleetFault: something is in their place that is no file, or can't be looked at.
        """
        with contextlib.ExitStack() as stack:
            top = self._open_top(stack, make=False)
            return [name for name, text in texts.items() if not self._has(top, name, text)]

    def write(self, texts: Mapping[str, str | bytes]) -> None:
        """
        :raises FleetFault: as `differing`, or a file can't be written; those before it are.
        """
        with contextlib.ExitStack() as stack:
            top = self._open_top(stack, make=True)
            for name, text in texts.items():
                with self._below(top, name, make=True) as (folder, file):
                    if folder is None:
                        raise AssertionError("it was made")
                    self._put(folder, file, name, text if isinstance(text, bytes) else text.encode())

    def _open_top(self, stack: contextlib.ExitStack, *, make: bool) -> int | None:
        # The folder itself is the user's to name, through links or not.
        with self._told("a folder", self.path):
            if make:
                self.path.mkdir(mode=0o700 if self._secrets else 0o777, parents=True, exist_ok=True)
            elif not self.path.exists():
                return None
            top = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, top)
        return top

    @contextlib.contextmanager
    def _below(self, top: int | None, name: str, *, make: bool) -> Iterator[tuple[int | None, str]]:
        """The open folder of a file, None where there is none, and the file's own name."""
        part, _slash, file = name.rpartition("/")
        part = part or "."
        if top is None:
            yield None, file
            return
        with self._told("a folder", self.path / part):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700 if self._secrets else 0o777, dir_fd=top)
            try:
                folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            except FileNotFoundError:
                yield None, file
                return
            except NotADirectoryError:
                raise self._in_the_way(part) from None
        try:
            yield folder, file
        finally:
            os.close(folder)

    def _has(self, top: int | None, name: str, text: str) -> bool:
        with self._below(top, name, make=False) as (folder, file):
            if folder is None:
                return False
            try:
                found = os.stat(file, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
            if not stat.S_ISREG(found.st_mode):
                raise self._in_the_way(name)
            if self._secrets and stat.S_IMODE(found.st_mode) & 0o077:
                return False
            try:
                with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as stream:
                    return stream.read() == text.encode()
            except OSError:
                return False  # it may be replaced all the same

    def _put(self, folder: int, file: str, name: str, content: bytes) -> None:
        unfinished = f".{file}{self._mark}.unfinished"
        with self._told(f"{name} ({len(content)} bytes)", self.path), self._alone(folder):
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(file, dir_fd=folder, follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
                    # A device, a pipe, a socket: whoever uses it would have a file in its place.
                    raise self._in_the_way(name)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            try:
                with open(os.open(unfinished, flags, 0o600 if self._secrets else 0o666, dir_fd=folder), "wb") as stream:
                    with contextlib.suppress(OSError):
                        fcntl.flock(
                            stream, fcntl.LOCK_EX | fcntl.LOCK_NB
                        )  # it is free again once this process ends, however it does
                    stream.write(content)
                    if self._mode is not None:
                        os.fchmod(stream.fileno(), self._mode)
                        stream.flush()
                        os.fsync(stream.fileno())  # somebody keeps it: after a power failure it is whole, or isn't
                os.replace(unfinished, file, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=folder)
                raise

    @staticmethod
    @contextlib.contextmanager
    def _alone(folder: int) -> Iterator[None]:
        """While another run writes here, too, its unfinished file is none of ours; where nothing can be locked, as on
        some network's disks, nobody waits."""
        with contextlib.suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_UN)

    def _in_the_way(self, name: str) -> FleetFault:
        return FleetFault(
            f"{self.path / name} is a link, or no {'file' if '.' in name else 'folder'}: nothing is written through "
            f"links; take it away, or name another folder by {self._moves}. Nothing was written."
        )

    @contextlib.contextmanager
    def _told(self, what: str, where: pathlib.Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FleetFault(unwritable(error, what, where, self._moves)) from None
