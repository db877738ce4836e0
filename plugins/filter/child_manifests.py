# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.child_manifests`: the Kubernetes objects of a child cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: child_manifests
short_description: Kubernetes objects of a child cluster
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - The ClusterDeployment that role P(k0rdent.kof.child#role) would apply.
  - No cluster is asked. Fails with every fault of the variables, one line each.
positional: _input
options:
  _input:
    description: The variables of a host of group C(kof_child), C(hostvars[host]).
    type: dict
    required: true
  regional_domain:
    description: The domain of its regional cluster, C(regional_domain) of that host.
    type: str
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
  - plugin: k0rdent.kof.regional_manifests
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the objects of a child
  ansible.builtin.debug:
    msg: >-
      {{ hostvars[child]
         | k0rdent.kof.child_manifests(regional_domain=hostvars[hostvars[child].child_regional].regional_domain) }}
  vars:
    child: aws-us-east-2-child1
"""

RETURN = r"""
_value:
  description: The objects, in the order they are applied.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.template import accept_lazy_markers

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import chosen, parsed, plain


@accept_lazy_markers  # what can't be templated is told with all other faults
@guarded.template
def child_manifests(
    variables: Mapping[str, Any], regional_domain: str, template: str | None = None, kcm_version: str | None = None
) -> list[dict[str, Any]]:
    """See DOCUMENTATION and RETURN."""
    child, _values, release = parsed(variables, parse_child, "child_")
    domain = plain(regional_domain, "regional_domain")
    problem = syntax.domain(domain) if isinstance(domain, str) else "must be a string"
    if problem:
        raise AnsibleFilterError(f"regional_domain: {problem}")
    kcm_version, template = chosen(child, release, kcm_version, template)
    return objects("child", child, Given(release, kcm_version, template, domain))


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"child_manifests": child_manifests}
