# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters share: from a host's variables, as a template hands them over, to a parsed cluster.

Filters do nothing else than this, one call into module_utils, and turning what is wrong into a filter's error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_VERSIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import Reader, is_option

#: One task evaluates a filter many times, for each of its arguments, in a process of its own: there a lookup is called
#: once.
_READER = Reader()


def parsed(
    variables: Any, parse: Callable[[str, Mapping[str, Any]], tuple[Any, list[Fault]]], *prefixes: str
) -> tuple[Any, dict[str, Any], Direct]:
    """A cluster, its plain variables and its release.

    :param variables: `hostvars[host]`, or a map with the same names.
    :param parse: one of the parsers of module_utils/kof/model.py.
    :param prefixes: of the role's variables; the shared ones (kof_*) are read too.
    :raises AnsibleFilterError: with every fault there is.
    """
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError(
            f"the input must be the variables of a host (hostvars[host]), not {type(variables).__name__}"
        )
    host = str(variables.get("inventory_hostname", ""))
    own = ("kof_", *prefixes)
    values, faults = _READER.read(host, variables, [name for name in variables if is_option(name, own)])
    unread = {fault.variable for fault in faults}
    cluster, more = parse(host, values)
    faults += [fault for fault in more if fault.variable not in unread]
    if faults:
        raise AnsibleFilterError("\n".join(map(str, faults)))
    return cluster, values, RELEASES[cluster.version]


def plain(value: Any, what: str) -> Any:
    """An argument of a filter as builtin types; `what` names it in the error."""
    try:
        return to_plain(value)
    except NotPlain as problem:
        raise AnsibleFilterError(f"{what}: {problem}") from None


def chosen(cluster: Any, release: Direct, kcm_version: str | None, template: str | None) -> tuple[str, str]:
    """Version of kcm's API and ClusterTemplate: the cluster's own, the given ones, or those of the release."""
    version = plain(kcm_version, "kcm_version") or release.needs.kcm
    if version not in KCM_VERSIONS:
        raise AnsibleFilterError(f"kcm_version: {quoted(version, 60)} must be {' or '.join(reversed(KCM_VERSIONS))}")
    named = (
        cluster.template or plain(template, "template") or f"{cluster.template_kind}-{release.cluster_template_version}"
    )
    problem = syntax.object_name(named) if isinstance(named, str) else "must be a string"
    if problem:
        raise AnsibleFilterError(f"template: {problem}")
    return version, named
