"""What people use instead: the commands, each as somebody who knows the tool would write it.

May hold: commands. May not hold: what is measured or compared (tasks.py).
"""

from __future__ import annotations

import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence

HERE = pathlib.Path(__file__).parent
ANSIBLE = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
CHART = HERE / "chart"


def own(playbook: str, inventory: str, *arguments: str, **variables: object) -> list[str]:
    """Not a rival: a playbook of ours, as its users run it."""
    extra = [word for name, value in variables.items() for word in ("-e", f"{name}={_text(value)}")]
    return [ANSIBLE, "-i", inventory, f"playbooks/{playbook}.yml", *arguments, *extra]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def start_up() -> list[str]:
    """ansible-playbook on one host, with a task that does nothing."""
    return [ANSIBLE, "-i", "localhost,", str(HERE / "playbooks" / "start_up.yml")]


def kubectl_apply(kubectl: str, file: str, *, force: bool = False) -> list[str]:
    return [kubectl, "apply", "--server-side", *(["--force-conflicts"] if force else []), "-f", file]


def kubectl_diff(kubectl: str, file: str, *, force: bool = False) -> list[str]:
    """Its exit code is 0 without differences, 1 with some."""
    return [kubectl, "diff", "--server-side", *(["--force-conflicts"] if force else []), "-f", file]


def kubectl_get(kubectl: str, kinds: Mapping[str, Sequence[str]], *more: str, form: str = "json") -> list[str]:
    """All objects of these kinds; by namespace, "" for kinds without."""
    each = [
        [kubectl, "get", ",".join(dict.fromkeys(names)), "-o", form, *more, *(["-n", space] if space else [])]
        for space, names in kinds.items()
    ]
    return ["/bin/sh", "-c", " && ".join(shlex.join(command) for command in each)]


def kubectl_delete(kubectl: str, *files: str, wait: bool = True) -> list[str]:
    """One file after the other; it waits until the objects are gone, if not told otherwise."""
    each = [[kubectl, "delete", "-f", file, *([] if wait else ["--wait=false"])] for file in files]
    return ["/bin/sh", "-c", " && ".join(shlex.join(command) for command in each)]


def k8s_list(file: str) -> list[str]:
    return _playbook("k8s_list", clusters_file=file)


def k8s_loop(file: str) -> list[str]:
    return _playbook("k8s_loop", clusters_file=file)


def template_loop(variables: pathlib.Path, folder: pathlib.Path) -> list[str]:
    return [*_playbook("template_loop", rendered_folder=str(folder)), "-e", f"@{variables}"]


def _playbook(name: str, **variables: str) -> list[str]:
    extra = [word for variable, value in variables.items() for word in ("-e", f"{variable}={value}")]
    return [ANSIBLE, "-i", "localhost,", str(HERE / "playbooks" / f"{name}.yml"), *extra]


def read_manifest(how: str, file: pathlib.Path) -> list[str]:
    """A Helm manifest read by us ("ours") or by PyYAML's fastest loader ("pyyaml")."""
    return [sys.executable, str(HERE / "read_manifest.py"), how, str(file)]


def helm_template(helm: str, values: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """One `helm template` for each values file of a folder."""
    one = (
        f'{shlex.quote(helm)} template x {shlex.quote(str(CHART))} -f "$f" >{shlex.quote(str(folder))}/$(basename "$f")'
    )
    return ["/bin/sh", "-ec", f"for f in {shlex.quote(str(values))}/*; do {one}; done"]


def guide(*arguments: str) -> list[str]:
    return [str(HERE / "guide.sh"), *arguments]
