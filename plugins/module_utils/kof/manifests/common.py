# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every object of ours has: labels and a head. Nothing about a kind may be here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import MANAGED_BY, OURS, PART_OF


def labels(fleet: str, others: Mapping[str, str] | None = None) -> dict[str, str]:
    """The labels of an object: `others`, and ours over them."""
    return {**(others or {}), MANAGED_BY: OURS, PART_OF: fleet}


def head(
    api_version: str, kind: str, name: str, fleet: str, namespace: str | None = None, **metadata: Any
) -> dict[str, Any]:
    """apiVersion, kind and metadata.

    :param metadata: more of its fields, left out where empty; `labels` are those beside ours.
    """
    named: dict[str, Any] = {"name": name}
    if namespace:
        named["namespace"] = namespace
    named["labels"] = labels(fleet, metadata.pop("labels", None))
    named.update({key: dict(value) for key, value in metadata.items() if value})
    return {"apiVersion": api_version, "kind": kind, "metadata": named}
