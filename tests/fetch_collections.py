"""Puts the collections we depend on, and a link to this clone, on a collection path.

Ansible Galaxy may be out of reach, so kubernetes.core, amazon.aws and awx.awx are taken out of the PyPI package
`ansible`; the wheel is fetched once and cached by version under the user's cache folder.

Usage: fetch_collections.py COLLECTIONS_PATH [ANSIBLE_CORE]
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

#: The newest `ansible` of each ansible-core, and a Python that it takes.
ANSIBLE_PACKAGES = {"2.19": ("12.3.0", "3.11"), "2.20": ("13.8.0", "3.12"), "2.21": ("14.5.0", "3.12")}
OLDEST_CORE = "2.19"
WANTED = ("kubernetes/core", "amazon/aws", "awx/awx")
REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


def cache_folder(package: str) -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "k0rdent-kof" / f"ansible-{package}"


def unpack(package: str, python: str, into: pathlib.Path) -> None:
    """Fetch the wheel and unpack the wanted collections; the folder appears whole or not at all."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work]
        # It is only unpacked: the Python at hand may be older than the one that it is for.
        command += ["--only-binary=:all:", f"--python-version={python}"]
        subprocess.run([*command, f"ansible=={package}"], check=True)
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


def place(collections: pathlib.Path, core: str = OLDEST_CORE) -> None:
    """Fill the collection path `collections` with what belongs to an ansible-core."""
    package, python = ANSIBLE_PACKAGES[core]
    cache = cache_folder(package)
    if not cache.is_dir():
        print(f"fetching the PyPI package ansible {package} for {', '.join(WANTED)}", flush=True)
        unpack(package, python, cache)
    for name in WANTED:
        link(collections / "ansible_collections" / name, cache / name)
    link(collections / "ansible_collections" / "k0rdent" / "kof", REPOSITORY)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit((__doc__ or "").splitlines()[-1])
    place(pathlib.Path(sys.argv[1]).resolve(), *sys.argv[2:])
