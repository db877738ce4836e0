# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Namespace of kof on the management cluster."""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head


def namespace(name: str, fleet: str) -> dict[str, Any]:
    """A Namespace; nothing but its labels is ours."""
    return head("v1", "Namespace", name, fleet)
