# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When promxy knows a region: by the configuration that kof's operator writes for it.

No other judge may be here. The Secret holds logins: nothing of it is ever quoted.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import IS_READY, Readiness, progressing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target

CONFIG = "config.yaml"


def names(secret: Any, region: str) -> bool:
    """Whether promxy's configuration has this region."""
    try:
        text = base64.b64decode((secret.get("data") or {}).get(CONFIG) or "").decode()
    except ValueError:
        return False
    return re.search(rf'^[\s-]*promxyCluster: *"?{re.escape(region)}"?\s*$', text, re.MULTILINE) is not None


def asks(ref: Ref, region: str) -> Target:
    """promxy's Secret, once the region is in it."""

    def judge(obj: Any, _lookup: Any) -> Readiness:
        verdict = core_readiness.secret(obj, (CONFIG,))
        if not verdict.ready or names(obj, region):
            return verdict
        return progressing(
            f"names no region {region} yet", "see that kof's operator runs, and its log", code="region-not-in-promxy"
        )

    return Target(ref, judge)


def asks_no_more(ref: Ref, region: str) -> Target:
    """promxy's Secret, once the region is out of it: never, where it was the last one."""

    def judge(obj: Any, _lookup: Any) -> Readiness:
        if obj is None or not names(obj, region):
            return IS_READY
        return progressing(
            f"still names region {region}", "see that kof's operator runs, and its log", code="region-still-in-promxy"
        )

    return Target(ref, judge)
