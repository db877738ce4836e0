# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Lease is a fleet's, and the rights that it needs. How it is taken and kept is k8s/lease.py.

It is in kcm's namespace: that of kof may not be there before the first write.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Right, right

#: Jobs that write, by what a right of theirs is called.
JOBS = ("apply", "delete")
_PLAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def name_of(fleet: str) -> str:
    """Of the fleet's Lease: a fleet may be called what an object can't be."""
    if _PLAIN.fullmatch(fleet):
        return f"kof-fleet-{fleet}"
    slug = re.sub(r"[^a-z0-9]+", "-", fleet.lower()).strip("-")
    return f"kof-fleet-{slug}-{hashlib.sha256(fleet.encode()).hexdigest()[:8]}"


def rights(kcm_namespace: str) -> Iterator[Right]:
    for job in JOBS:
        yield right(job, Ref(lease.API, lease.KIND, kcm_namespace, ""), "get", "create", "update", "delete")
