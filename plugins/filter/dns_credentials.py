# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.dns_credentials`: the variables of the role dns_credentials as it takes them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_credentials
short_description: Settings of external-dns' access to AWS, validated and with all defaults
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Turns the variables of role P(k0rdent.kof.dns_credentials#role) into what it goes by. What is set to nothing is
    left out, text becomes what the option is. Secrets are looked at, and not in the result.
  - Fails with every fault of the variables, one line each.
positional: _input
options:
  _input:
    description: Variables by name; others than those of the role are not looked at.
    type: dict
    required: true
seealso:
  - plugin: k0rdent.kof.dns_credentials
    plugin_type: role
"""

EXAMPLES = r"""
- name: Show which zones external-dns may write to
  ansible.builtin.debug:
    msg: "{{ (hostvars[inventory_hostname] | k0rdent.kof.dns_credentials).hosted_zones }}"
"""

RETURN = r"""
_value:
  description: >-
    The role's options without their prefix C(dns_credentials_), those of them that have neither a value nor a default
    left out; the shared ones with theirs.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.template import accept_lazy_markers

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.dns_credentials import judged, public


@accept_lazy_markers  # what can't be templated is told with all other faults
@guarded.template
def dns_credentials(variables: Mapping[str, Any]) -> dict[str, Any]:
    """See DOCUMENTATION and RETURN."""
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError(f"the input must be variables by name, not {type(variables).__name__}")
    spec = load_spec("dns_credentials")
    found, faults = judged(variables, [name for name in variables if name in spec])
    if faults:
        raise AnsibleFilterError("\n".join(map(str, faults)))
    return public(found)


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dns_credentials": dns_credentials}
