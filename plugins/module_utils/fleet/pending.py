# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mothership layer would have made, for the check mode of the layers after it. Reads only what is missing."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Kind
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts


def of_mothership(connection: Connection, fleet: Fleet, kcm_version: str) -> list[tuple[str, str]]:
    """(kind, name), as Pending takes them, of what kof's namespace and charts bring and isn't there yet."""
    given = Given(fleet.release, kcm_version)
    found: list[tuple[str, str]] = []
    for part in (each for cluster in fleet.of("mothership") for each in parts("mothership", cluster, given)):
        if not part.needed or not isinstance(part.what, Ref | Kind):
            continue
        if isinstance(part.what, Kind):
            if connection.resource(*part.what) is None:
                found.append(("crd", f"{part.what.api_version.rpartition('/')[0]}/{part.what.kind}"))
            continue
        ref = part.what
        if get_or_none(connection, (ref.api_version, ref.kind, ref.namespace, ref.name)) is None:
            found.append((ref.kind, f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name))
    return found
