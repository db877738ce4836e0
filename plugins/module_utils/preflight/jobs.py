# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For which jobs a preflight looks. Data only, since each playbook's first look at its inventory reads it."""

from __future__ import annotations

#: By what a run is going to do: look (nothing), tell the status, verify it, apply or delete, the jobs whose rights it
#: needs (see Right).
JOBS = {
    "look": ("look", "wait"),
    "status": ("status",),
    "verify": ("status", "verify"),
    "support": ("status", "support"),
    "backup": ("backup",),
    "apply": ("look", "apply", "helm", "wait", "record"),
    "delete": ("delete", "record"),
}
