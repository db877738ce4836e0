# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the attributes that all modules and actions of this collection have; a module overrides by name."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Its connection options can be set once for all with C(module_defaults) of C(group/k0rdent.kof.kof).
    support: full
    membership: [k0rdent.kof.kof]
  check_mode:
    description: Can run in check mode and predict the changes.
    support: full
  diff_mode:
    description: Shows what changes, or would change, in diff mode.
    support: full
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
  async:
    description: Can be used with the C(async) keyword.
    support: none
"""
