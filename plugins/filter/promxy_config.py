# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.promxy_config`: promxy's configuration before the operator has written it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: promxy_config
short_description: The configuration of promxy that its operator would write
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Renders PromxyServerGroup objects as the promxy operator of kof 0.1.1 does, so that the result can be checked before
    it exists.
  - That operator escapes nothing, and one bad string breaks the configuration of all regions. What would break it, and
    a configuration that doesn't fit into a Secret, is an error here.
positional: _input
options:
  _input:
    description: PromxyServerGroup objects, as P(k0rdent.kof.regional_manifests#filter) makes them; others are left out.
    type: list
    elements: dict
    required: true
  credentials:
    description: >-
      By name of the Secret, a list of user name and password. What isn't there shows as C(<from Secret>).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what promxy would read
  ansible.builtin.debug:
    msg: >-
      {{ groups['kof_regional'] | map('extract', hostvars) | map('k0rdent.kof.regional_manifests') | flatten
         | k0rdent.kof.promxy_config }}
"""

RETURN = r"""
_value:
  description: The text of C(config.yaml).
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config as config
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import plain


@guarded.template
def promxy_config(groups: Sequence[Mapping[str, Any]], credentials: Mapping[str, Sequence[str]] | None = None) -> str:
    """See DOCUMENTATION and RETURN."""
    objects = plain(groups, "the input")
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise AnsibleFilterError("the input must be a list of PromxyServerGroup objects")
    wanted = [each for each in objects if each.get("kind") == "PromxyServerGroup"]
    pairs: dict[str, tuple[str, str]] = {}
    for secret, pair in plain(credentials or {}, "credentials").items():
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(half, str) for half in pair):
            raise AnsibleFilterError(f"credentials: {secret} must be a list of user name and password")
        pairs[secret] = (pair[0], pair[1])
    faults = config.faults(wanted, pairs)
    if faults:
        raise AnsibleFilterError("\n".join(map(str, faults)))
    return config.render(wanted, pairs)


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"promxy_config": promxy_config}
