"""Puts the collections we depend on, and a link to this clone, on a collection path.

Ansible Galaxy may be out of reach, so kubernetes.core, amazon.aws and awx.awx are taken out of the PyPI package
`ansible`; the wheel is fetched once and cached by version under the user's cache folder.

Usage: fetch_collections.py COLLECTIONS_PATH
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ANSIBLE_PACKAGE = "12.3.0"  # the last one for ansible-core 2.19 and Python 3.11
WANTED = ("kubernetes/core", "amazon/aws", "awx/awx")
REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


def cache_folder() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "k0rdent-kof" / f"ansible-{ANSIBLE_PACKAGE}"


def unpack(into: pathlib.Path) -> None:
    """Fetch the wheel and unpack the wanted collections; the folder appears whole or not at all."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work]
        subprocess.run([*command, f"ansible=={ANSIBLE_PACKAGE}"], check=True)
        (wheel,) = pathlib.Path(work).glob("ansible-*.whl")
        prefixes = tuple(f"ansible_collections/{name}/" for name in WANTED)
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(prefixes)]
            archive.extractall(pathlib.Path(work) / "out", members)
        (pathlib.Path(work) / "out" / "ansible_collections").rename(into)


def link(path: pathlib.Path, target: pathlib.Path) -> None:
    if path.is_symlink() and path.resolve() == target.resolve():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.symlink_to(target)


def main() -> None:
    collections = pathlib.Path(sys.argv[1]).resolve() / "ansible_collections"
    cache = cache_folder()
    if not cache.is_dir():
        print(f"fetching the PyPI package ansible {ANSIBLE_PACKAGE} for {', '.join(WANTED)}", flush=True)
        unpack(cache)
    for name in WANTED:
        link(collections / name, cache / name)
    link(collections / "k0rdent" / "kof", REPOSITORY)


if __name__ == "__main__":
    main()
