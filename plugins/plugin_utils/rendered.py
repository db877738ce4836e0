# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a rendering: what of them is secret, and how they are written. What is in them is render.py's.

Whatever else may be in the folder, a file is written below it and nowhere else, whole or not at all: names are looked
up from open folders, no link is followed, and a finished file takes the place of the old one.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils import diff, telling
from ansible_collections.k0rdent.kof.plugins.module_utils.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.unwritable import unwritable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import FleetFault

#: Stands where a secret would.
MARKER = "<secret: written only with render_secrets>"
_MOVES = "render_folder (option folder)"
_PRIVATE_KEY = "PRIVATE KEY-----"
#: Shorter values of vault origin count only where they stand for themselves, as a word or alone: "a" is in most texts.
_ANYWHERE, _AS_A_WORD = 8, 3


def vaulted(hostvars: Any, hosts: Iterable[str]) -> set[str]:
    """The texts and long numbers of the hosts' variables that come from Ansible's vault: single values and those of
    encrypted files.

    By value, not by place: templates put them into other variables.
    """
    found: set[str] = set()
    seen: dict[int, Any] = {}  # variables of groups are the same objects for each host
    for host in hosts:
        for name, value in dict.items(hostvars.raw_get(host)):
            if name == "groups" or id(value) in seen:
                continue
            seen[id(value)] = value
            texts = set(core_internals.of_vault(value))
            found |= texts
            if any("{" in text for text in texts):  # templates in an encrypted file: what becomes of them
                with contextlib.suppress(AnsibleError, NotPlain):
                    found |= set(_texts(to_plain(hostvars[host][name])))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def secret_by(texts: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text holds a secret: one of `texts`, plain or base64; a private key, or a URL's password."""
    known = {text.strip() for text in texts} - {""}
    long = [text for text in known if len(text) >= _ANYWHERE]
    long += [base64.b64encode(text.encode()).decode() for text in long]
    words = sorted(re.escape(text) for text in known if _AS_A_WORD <= len(text) < _ANYWHERE)
    word = re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])") if words else None

    def secret(text: str) -> bool:
        return (
            text in known
            or any(each in text for each in long)
            or bool(word and word.search(text))
            or _PRIVATE_KEY in text
            or bool(telling.logins(text))
        )

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

    def __init__(self, path: pathlib.Path, *, secrets: bool) -> None:
        """secrets: nobody else may read the files."""
        self.path = path
        self._secrets = secrets

    def differing(self, texts: Mapping[str, str]) -> list[str]:
        """The files that aren't there as wanted, by their names below the folder.

        :raises FleetFault: something is in their place that is no file, or can't be looked at.
        """
        with contextlib.ExitStack() as stack:
            top = self._open_top(stack, make=False)
            return [name for name, text in texts.items() if not self._has(top, name, text)]

    def write(self, texts: Mapping[str, str]) -> None:
        """
        :raises FleetFault: as `differing`, or a file can't be written; those before it are.
        """
        with contextlib.ExitStack() as stack:
            top = self._open_top(stack, make=True)
            for name, text in texts.items():
                with self._below(top, name, make=True) as (folder, file):
                    if folder is None:
                        raise AssertionError("it was made")
                    self._put(folder, file, name, text.encode())

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
        unfinished = f".{file}.unfinished"
        with self._told(f"{name} ({len(content)} bytes)", self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            try:
                with open(os.open(unfinished, flags, 0o600 if self._secrets else 0o666, dir_fd=folder), "wb") as stream:
                    stream.write(content)
                os.replace(unfinished, file, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=folder)
                raise

    def _in_the_way(self, name: str) -> FleetFault:
        return FleetFault(
            f"{self.path / name} is a link, or no {'file' if name.endswith('.yaml') else 'folder'}: nothing is written "
            f"through links; take it away, or name another folder by {_MOVES}. Nothing was written."
        )

    @contextlib.contextmanager
    def _told(self, what: str, where: pathlib.Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FleetFault(unwritable(error, what, where, _MOVES)) from None
