# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say how to treat what others did to our objects."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  force_conflicts:
    description:
      - Whose changes to our fields are taken back.
      - V(hands) takes back what managers of O(drift_managers) set and refuses where another controller owns a field.
      - V(never) refuses in both cases. V(always) takes everything, also from controllers.
    type: str
    choices: [hands, never, always]
    default: hands
  drift_managers:
    description: Field managers that stand for somebody's hands; C(*) and C(?) are wildcards.
    type: list
    elements: str
    default: ["kubectl*", before-first-apply, OpenAPI-Generator, k9s, "lens*", "headlamp*", Mozilla]
  adopt:
    description: Whether to take over an object that somebody made by hand, with C(kubectl apply) for example.
    type: bool
    default: true
  take_over_fleet:
    description:
      - Fleets (label C(app.kubernetes.io/part-of)) of which an object may be taken over. Without, those of any other
        fleet than the task's own are refused.
      - A permission for the one run that is meant, from an extra variable for example, and nothing to keep.
    type: list
    elements: str
    default: []
    version_added: 0.1.0
"""
