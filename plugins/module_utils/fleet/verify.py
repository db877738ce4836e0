# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether all is really so: looks at more than status does, each for `status.look` to make at its end. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import Look
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import identity, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE


def rights(layer: str, cluster: Any, given: Given[Any]) -> Iterator[Right]:
    """The Secrets of the management cluster that status looks at where it may, and tells that it may not."""
    secrets = {part.what for part in parts(layer, cluster, given) if isinstance(part.what, Ref)}
    names = {ref.name for ref in secrets if ref.kind == "Secret"}
    if layer == "regional":
        names |= {cluster.vmuser_secret, given.release.promxy.secret}
    for name in sorted(names):
        yield right("verify", Ref("v1", "Secret", cluster.namespace, name), "get", name=name)


def datasources(seen: Look) -> None:
    """The GrafanaDatasources that are nobody's part: what kof's charts bring, and what somebody made by hand.

    :raises ApiError, ApiUnavailable: as status.look.
    """
    home, motherships = seen.fleet.shared("kof_namespace"), seen.fleet.of("mothership")
    if not motherships or not isinstance(seen.release, Direct) or home in seen.absent:
        return
    api = seen.release.grafana.api_version
    if seen.connection.resource(api, GRAFANA_DATASOURCE) is None:
        return
    try:
        items, _version = seen.connection.list_objects(seen.connection.path(api, GRAFANA_DATASOURCE, home))
    except ApiError as error:
        if error.status != 403:
            raise
        seen.not_read(f"{GRAFANA_DATASOURCE}: {error}", *motherships)
        return
    for item in items:
        if identity.fleet_of(item) is None:  # a region's is told as its part
            seen.judged(motherships[0], str(ref_of(item)), readiness.grafana_datasource(item), item)
