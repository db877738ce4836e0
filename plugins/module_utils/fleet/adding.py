# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster that is added, or changed, by answers to questions: which host that is, and its entry for an inventory.

Plain values: which extra variables are answers, and how they are kept from other hosts, is Ansible's side,
plugin_utils/one_cluster.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import GROUPS, LAYERS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import (
    REQUIRED,
    Fault,
    example_of,
    faults_of,
    settled,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted

#: Whose clusters can be added, and by which playbook.
PLAYBOOKS = {"regional": "add_region", "child": "add_child"}
#: Of the entry as an artifact; the number goes up where a reader of the older form would go wrong.
SCHEMA = "k0rdent.kof.entry/1"
#: As what it is handed to the next jobs of a workflow, as their extra variable; none of our options is named so.
ARTIFACT = "k0rdent_kof_entry"
#: Bytes of an entry that an artifact carries: AWX keeps artifacts in its database, with each job.
LIMIT = 65_536
#: How a file begins that was written here. Another one in its place is somebody's.
HEAD = "# An inventory entry by k0rdent.kof."
_TEMPLATE = re.compile(r"\{[{%#]")


class Data(str):
    """Text that an inventory must not take for a template: what looks like one came as data, from who knows whom."""

    __slots__ = ()


def is_left_empty(answer: Any) -> bool:
    """Whether a question was left empty: AWX then says null, some of its types and `-e name=` an empty text."""
    return answer is None or answer == ""


def name_faults(layer: str, answers: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the answer that says which cluster is meant.

    :param answers: plain values.
    """
    variable = f"{layer}_cluster_name"
    name = settled(layer, answers).get(variable)
    if is_left_empty(name):
        return [Fault("", variable, f"{REQUIRED}: which cluster is meant", example_of(variable))]
    faults = [each for each in faults_of(layer, {variable: name}) if each.variable == variable]
    problem = None if faults else syntax.cluster_name(name)  # type: ignore[arg-type]
    return faults + ([Fault("", variable, f"{quoted(name)} {problem}", example_of(variable))] if problem else [])


def host_of(layer: str, cluster: str, known: Mapping[str, Mapping[str, str]]) -> tuple[str, bool] | Fault:
    """The host that a cluster is, or will be, and whether the inventory has it; a fault where it is somebody else's.

    :param known: by layer, the inventory's hosts with the names of their clusters.
    """
    variable = f"{layer}_cluster_name"
    for other in LAYERS:
        for host, name in known.get(other, {}).items():
            if name == cluster and other == layer:
                return host, True
            if cluster in (host, name):
                whose = "" if host == name else f", the cluster {name}"
                what = f"{quoted(cluster)} is taken: the inventory has {host}{whose} in {GROUPS[other]}"
                return Fault("", variable, what, f"another name, for example {cluster}-b")
    if cluster == "localhost":
        return Fault("", variable, "is Ansible's name for this machine", example_of(variable))
    return cluster, False


def other_layer_fault(layer: str, host: str, cluster: str, live: str | None) -> Fault | None:
    """What is wrong where a live cluster is of another layer: it would keep what it has, and get the rest beside it.

    :param live: its layer; None for none, or none of kof's.
    """
    if live in (None, layer):
        return None
    what = f"{cluster} is live, as a {live} cluster"
    return Fault(
        host, f"{layer}_cluster_name", what, f"another name, or k0rdent.kof.{PLAYBOOKS[str(live)]} to change it"
    )


def as_data(value: Any) -> Any:
    """A plain value whose texts stay what they are in an inventory."""
    if isinstance(value, str):
        return Data(value) if _TEMPLATE.search(value) else value
    if isinstance(value, dict):
        return {key: as_data(each) for key, each in value.items()}
    return [as_data(each) for each in value] if isinstance(value, list) else value


def has_secret(value: Any, secret: Callable[[str], bool]) -> bool:
    """Whether some of it may be told to nobody: by the name that it stands under, or where `secret` says so."""
    if isinstance(value, str):
        return secret(value)
    if isinstance(value, (dict, list)) and value:
        return bool(rendered.without_secrets({"": value}, secret) != {"": value})
    return False


def entry(layer: str, host: str, variables: Mapping[str, Any], left_out: Sequence[str] = ()) -> str:
    """The host as an inventory in YAML: the same is the same text.

    :param variables: plain, but for Data.
    :param left_out: variables that the host has and the entry hasn't, because of secrets.
    """
    head = [f"{HEAD}{PLAYBOOKS[layer]}: keep it with your inventory, what it doesn't say is its groups'."]
    if left_out:
        head.append(f"# Not in it, since it may be secret: {', '.join(left_out)}. Say it beside this, from a vault.")
    return written(head, {GROUPS[layer]: {"hosts": {host: dict(variables) or None}}})


def written(head: Sequence[str], groups: Mapping[str, Any], *, large: bool = False) -> str:
    """An inventory in YAML.

    :param head: comments.
    :param groups: plain, but for Data.
    :param large: by libyaml, which takes a third of the time and doesn't indent lists.
    """
    import yaml  # PyYAML comes with ansible-core; module_utils may not import it at the top

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper) if large else yaml.SafeDumper

    class Dumper(base):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    def data(dumper: Any, value: Data) -> Any:
        return dumper.represent_scalar("!unsafe", str(value), style='"')

    Dumper.add_representer(str, text)
    Dumper.add_representer(Data, data)
    body = yaml.dump(dict(groups), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return "\n".join(["---", *head, body])


def is_ours(text: str) -> bool:
    """Whether a file was written by `entry`."""
    return text.startswith(f"---\n{HEAD}")


def artifact(layer: str, host: str, cluster: str, text: str, file: str, left_out: Sequence[str]) -> dict[str, Any]:
    """The entry for the next jobs, and for whoever keeps it.

    :param file: where it is written, too; empty for nowhere.
    """
    fits = len(text.encode()) <= LIMIT
    return {
        "schema": SCHEMA,
        "layer": layer,
        "group": GROUPS[layer],
        "host": host,
        "cluster": cluster,
        "file": file,
        "left_out": list(left_out),
        "yaml": text if fits else "",
    }
