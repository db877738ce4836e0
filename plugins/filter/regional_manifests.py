# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.regional_manifests`: the Kubernetes objects of a regional cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: regional_manifests
short_description: Kubernetes objects of a regional cluster
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - The ClusterDeployment, PromxyServerGroup and GrafanaDatasource that role P(k0rdent.kof.regional#role) would apply.
  - No cluster is asked. Fails with every fault of the variables, one line each.
positional: _input
options:
  _input:
    description: The variables of a host of group C(kof_regional), C(hostvars[host]).
    type: dict
    required: true
  template:
    description: >-
      Name of the ClusterTemplate, where O(_input) names none; the one that came with the release, unless said
      otherwise.
    type: str
  kcm_version:
    description: Version of kcm's API; the one that came with the release, unless said otherwise.
    type: str
    choices: [v1alpha1, v1beta1]
seealso:
  - plugin: k0rdent.kof.child_manifests
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the objects of a region to a file
  ansible.builtin.copy:
    content: "{{ hostvars['aws-us-east-2'] | k0rdent.kof.regional_manifests | to_nice_json }}"
    dest: aws-us-east-2.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The objects, in the order they are applied.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.template import accept_lazy_markers

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_regional
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import chosen, parsed


@accept_lazy_markers  # what can't be templated is told with all other faults
@guarded.template
def regional_manifests(
    variables: Mapping[str, Any], template: str | None = None, kcm_version: str | None = None
) -> list[dict[str, Any]]:
    """See DOCUMENTATION and RETURN."""
    regional, _values, release = parsed(variables, parse_regional, "regional_")
    kcm_version, template = chosen(regional, release, kcm_version, template)
    return objects("regional", regional, Given(release, kcm_version, template))


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"regional_manifests": regional_manifests}
