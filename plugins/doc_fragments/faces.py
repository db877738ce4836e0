# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options by which a look at a fleet is written down, and judged by its age."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  format:
    description:
      - As what the status is given. V(text) is also printed; the others are only written to O(folder).
      - V(json) is described by C(docs/status.schema.json). V(prometheus) is for the textfile collector of
        node_exporter. V(junit) has one test case a cluster. V(html) is one page that stands
        alone, without a script or anything that is fetched.
    type: list
    elements: str
    choices: [text, json, prometheus, junit, html]
    default: [text]
  folder:
    description:
      - Folder for C(status.txt), C(status.json), C(kof_status.prom), C(status.xml) and C(status.html), made if it isn't
        there. Each file takes the place of the old one in one step, and everybody may read it. Nothing is written
        through links.
      - In check mode nothing is written.
    type: path
  patience:
    description:
      - Minutes. What is normal in the middle of a rollout, a cluster whose machines are being made for example, is
        a warning when it has lasted longer.
    type: int
    default: 60
"""
