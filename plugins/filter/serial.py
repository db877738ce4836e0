# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.serial`: kof_serial for the play keyword serial."""

from __future__ import annotations

DOCUMENTATION = r"""
name: serial
short_description: Sizes of batches as the play keyword serial takes them
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Turns what C(kof_serial) may be into what the keyword C(serial) of a play takes, which fails in the middle of a run
    on anything else.
  - Null, an empty text and an empty list, as a survey gives them, are all clusters at once.
positional: _input
options:
  _input:
    description: A number of clusters, a percentage, a list of these, or a text with commas between them.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Regional clusters, one and then the others
  hosts: kof_regional
  gather_facts: false
  connection: local
  serial: "{{ kof_serial | default(none) | k0rdent.kof.serial }}"
  roles:
    - role: k0rdent.kof.regional
"""

RETURN = r"""
_value:
  description: The sizes.
  type: list
  elements: raw
  sample: [1, "10%", "100%"]
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import is_omitted
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils.serial import EXAMPLE, batches


@guarded.template
def serial(given: Any) -> list[int | str]:
    """See DOCUMENTATION and RETURN."""
    try:
        return batches(None if is_omitted(given) else plain(given, "kof_serial"))
    except ValueError as problem:
        raise AnsibleFilterError(f"kof_serial: {problem}; {EXAMPLE}") from None


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"serial": serial}
