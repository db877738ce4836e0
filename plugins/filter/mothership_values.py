# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.mothership_values`: the Helm values of one of the management cluster's charts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mothership_values
short_description: Helm values of a chart of the management cluster
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - The values that role P(k0rdent.kof.mothership#role) would install a chart with, the user's merged over ours.
positional: _input
options:
  _input:
    description: The variables of the host of group C(kof_mothership), C(hostvars[inventory_hostname]).
    type: dict
    required: true
  chart:
    description: Name of the chart.
    type: str
    choices: [kof-mothership, kof-operators]
    default: kof-mothership
seealso:
  - plugin: k0rdent.kof.mothership
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the values
  ansible.builtin.debug:
    msg: "{{ hostvars['mothership'] | k0rdent.kof.mothership_values }}"
"""

RETURN = r"""
_value:
  description: The values.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.template import accept_lazy_markers

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import releases
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_mothership
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import parsed


@accept_lazy_markers  # what can't be templated is told with all other faults
@guarded.template
def mothership_values(variables: Mapping[str, Any], chart: str = "kof-mothership") -> dict[str, Any]:
    """See DOCUMENTATION and RETURN."""
    cluster, _values, release = parsed(variables, parse_mothership, "mothership_", "dns_credentials_")
    of_charts = {each["name"]: each["values"] for each in releases(cluster, release)}
    if chart not in of_charts:
        raise AnsibleFilterError(f"no chart {chart}; the charts are {', '.join(of_charts)}")
    return of_charts[chart]


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mothership_values": mothership_values}
