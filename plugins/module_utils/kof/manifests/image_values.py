# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values by which a chart's pods take their images out of a mirror, and with which login."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Images, Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Mothership, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged


def with_images(
    values: dict[str, Any], chart: str, cluster: Mothership | Regional | Child, release: Release
) -> dict[str, Any]:
    """Values of a chart with those of a mirror; as they are where nothing is said of one."""
    for path, value in said(release.images.get(chart), cluster.image_registry, cluster.image_pull_secrets or ()):
        inner: Any = value
        for key in reversed(path):
            inner = {key: inner}
        values = merged(values, inner)
    return values


def said(known: Images | None, registry: str | None, secrets: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """By path, all that a chart is told of a mirror.

    :param known: of the chart; None for one that is told of none.
    """
    told: dict[str, Any] = {}
    if known and registry:
        told |= dict.fromkeys(known.registries, registry)
        told |= {path: f"{registry}/{image}" for path, image in known.repositories.items()}
        for path, (name, image) in known.variables.items():
            told[path] = [{"name": name, "value": f"{registry}/{image}" if image else registry}]
    if known and secrets:
        told |= {path: [{"name": name} for name in secrets] for path in known.secrets}
    for path, value in told.items():
        yield tuple(path.split(".")), value
