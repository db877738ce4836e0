# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.mothership`: everything the role mothership's tasks need, with all defaults."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mothership
short_description: Settings of the management cluster, validated and with all defaults
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Turns the variables of the host of group C(kof_mothership) into what the tasks of role
    P(k0rdent.kof.mothership#role) give to M(k0rdent.kof.helm_release).
  - Fails with every fault of the variables, one line each.
positional: _input
options:
  _input:
    description: The host's variables, C(hostvars[inventory_hostname]).
    type: dict
    required: true
seealso:
  - plugin: k0rdent.kof.mothership_values
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what will be installed
  ansible.builtin.debug:
    msg: "{{ item.name }} {{ item.chart_version }} from {{ item.chart_ref }}"
  loop: "{{ (hostvars[inventory_hostname] | k0rdent.kof.mothership).releases }}"
"""

RETURN = r"""
_value:
  description: The settings.
  type: dict
  contains:
    namespace:
      description: The namespace of kof.
      type: str
      sample: kof
    namespace_object:
      description: That namespace as it has to be, with our labels.
      type: dict
    kcm_namespace:
      description: The namespace of kcm.
      type: str
      sample: kcm-system
    fleet:
      description: Name of the fleet.
      type: str
      sample: kof
    connection:
      description: The connection options that are set, by the names of kubernetes.core (kubeconfig, context, ...).
      type: dict
    helm:
      description: >-
        Arguments of M(k0rdent.kof.helm_release) about the binary and the registry that are set; a password of the
        registry is among them.
      type: dict
    releases:
      description: >-
        The charts in the order of installation; maps of name, namespace, chart_ref, chart_version, values, timeout
        (seconds), skip_schema_validation and needed_objects (none where C(kof_dangerous_changes) names the namespace);
        of some charts chart_repo_url, foreign_objects, growing_values and fixed_values, too (the latter two likewise).
      type: list
      elements: dict
    deployments:
      description: Deployments that must work afterwards.
      type: list
      elements: str
    take_over_fleet:
      description: The fleets of C(kof_take_over_fleet), which may be a list or a text.
      type: list
      elements: str
    entrances:
      description: >-
        One line for each thing that people open, Grafana and promxy: how to reach it, and the name of the Secret with
        its login.
      type: list
      elements: str
    after_charts:
      description: Whether something of the inventory stands on the charts, alert rules or dashboards.
      type: bool
    wait:
      description: Whether to wait for them.
      type: bool
    wait_timeout:
      description: How long, in seconds.
      type: int
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.template import accept_lazy_markers

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import settings, unguarded
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_mothership
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import parsed
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import permissions


@accept_lazy_markers  # what can't be templated is told with all other faults
@guarded.template
def mothership(variables: Mapping[str, Any]) -> dict[str, Any]:
    """See DOCUMENTATION and RETURN."""
    cluster, values, release = parsed(variables, parse_mothership, "mothership_", "dns_credentials_")
    allowed, _faults = permissions(variables)  # faults, and what isn't this one run's: fleet_apply has refused them
    made = settings(cluster, release, values)
    if cluster.namespace in allowed.dangerous:
        made["releases"] = [unguarded(each) for each in made["releases"]]
    return {**made, "take_over_fleet": sorted(allowed.take_over)}


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mothership": mothership}
