# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How kof's operator and kcm name what they make for a cluster told by labels. Pure; for lines not offered yet.

Sources: kof-operator/internal/controller at v1.10.0 (names.go, vmuser), kcm at v1.10.0 (serviceset names). Both hash
short texts, so that two clusters may share a name: see `user_of`.
"""

from __future__ import annotations

import hashlib
import zlib


def config_of_regional(cluster: str) -> str:
    """The ConfigMap that says where a regional cluster is reached; all of its own is named after it."""
    return f"kof-{cluster}"


def config_of_child(cluster: str) -> str:
    """The ConfigMap that says where a child cluster sends to."""
    return f"kof-cluster-config-{cluster}"


def user_of(config: str, namespace: str) -> str:
    """The part of a user's names that is made of its ConfigMap's: adler32, which adds up characters. Two clusters of a
    fleet that differ in neighbouring digits often have the same (child-120, child-201), and then share one user."""
    return str(zlib.adler32(f"{config}/{namespace}".encode()))


#: Before the user of a regional cluster.
ADMIN = "admin-"


def user(layer: str, cluster: str, namespace: str) -> str:
    """The user of a cluster: a regional's administrator, or as whom a child sends."""
    if layer == "regional":
        return ADMIN + user_of(config_of_regional(cluster), namespace)
    return user_of(config_of_child(cluster), namespace)


def hashed(prefix: str, config: str, namespace: str) -> str:
    """A name with FNV-1a (32 bits, not padded) of a regional's ConfigMap."""
    found = 0x811C9DC5
    for byte in f"{config}/{namespace}".encode():
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{prefix}-{found:x}"


def service_set(cluster: str, services: str) -> str:
    """The ServiceSet of a cluster that a MultiClusterService matches."""
    return f"{cluster}-{hashlib.sha256(services.encode()).hexdigest()[:8]}"
