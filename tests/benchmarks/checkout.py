"""Another checkout of this repository as a contender: the same playbooks and inventories, the collection from there.

Knows git and where ansible takes a collection from; measures and compares nothing.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from acceptance.support import REPOSITORY
from benchmarks.rounds import Attempt

_OURS = pathlib.PurePath("k0rdent", "kof")


def described(folder: pathlib.Path) -> str:
    """The commit of a checkout, with -dirty where files differ from it."""
    git = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "an unknown commit"


@dataclass(frozen=True)
class Checkout:
    """
    :ivar folder: of the checkout. Nothing is written there.
    :ivar name: its commit.
    :ivar environment: by which ansible takes our collection from there, and all others from where we take them.
    """

    folder: pathlib.Path
    name: str
    environment: Mapping[str, str]

    @classmethod
    def at(cls, folder: pathlib.Path, collections: pathlib.Path) -> Checkout:
        """
        :param collections: a folder for links to collections; made anew.
        """
        shutil.rmtree(collections, ignore_errors=True)
        for shared in (REPOSITORY / ".work" / "collections" / "ansible_collections").glob("*/*"):
            link = collections / "ansible_collections" / shared.parent.name / shared.name
            link.parent.mkdir(parents=True, exist_ok=True)
            ours = (shared.parent.name, shared.name) == _OURS.parts
            link.symlink_to(folder.resolve() if ours else shared.resolve())
        environment = {
            "ANSIBLE_CONFIG": str(folder.resolve() / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections.resolve()),
        }
        return cls(folder.resolve(), described(folder), environment)

    def contender(self, ours: str) -> str:
        """The name of what does from here what the contender `ours` does."""
        return f"{ours}, at {self.name}"

    def attempt(self, ours: Attempt) -> Attempt:
        """The same from here: playbooks are named by relative paths."""
        return replace(ours, environment={**ours.environment, **self.environment}, directory=self.folder)
