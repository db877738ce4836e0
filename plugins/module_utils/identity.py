# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a live object is recognised: whose it is, and which regional cluster's domain an address is of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import common

#: The first label of the host name under which a regional cluster's vmauth is reached.
VMAUTH = "vmauth."
MANAGED_BY = common.MANAGED_BY_LABEL
PART_OF = common.FLEET_LABEL
OURS = common.MANAGED_BY


def fleet_of(item: Mapping[str, Any]) -> str | None:
    """The fleet of an object that this collection made; None for anybody else's object."""
    labels = item["metadata"].get("labels") or {}
    return labels.get(PART_OF) if labels.get(MANAGED_BY) == OURS else None


def domain_of_target(target: object) -> str | None:
    """`vmauth.eu1.kof.example.com:443` -> `eu1.kof.example.com`; None for a target that isn't a vmauth."""
    host = target.rpartition(":")[0] or target if isinstance(target, str) else ""
    return host[len(VMAUTH) :].lower() if host.startswith(VMAUTH) else None


def domain_of_url(url: object) -> str | None:
    """`https://vmauth.eu1.kof.example.com/vls` -> `eu1.kof.example.com`; None for an url that isn't a vmauth's."""
    try:
        host = urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return None
    return host[len(VMAUTH) :] if host.startswith(VMAUTH) else None
