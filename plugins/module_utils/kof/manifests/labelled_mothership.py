# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one Helm release of the management cluster from kof 1.8 on, an umbrella chart, with its values.

For lines not offered yet. What the chart makes (HelmReleases, repositories, ServiceTemplates) is nobody's to write.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import mothership_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged


def helm_release(mothership: Mothership, release: Labels) -> dict[str, Any]:
    """What to install: the one of `mothership_values.releases`."""
    ((name, chart),) = release.charts.items()
    return mothership_values.helm_release(mothership, name, chart, values(mothership, release))


def values(mothership: Mothership, release: Labels) -> dict[str, Any]:
    """Values of the umbrella: what differs from the chart's, and the user's merged over it.

    `mothership_values` has the whole chart's values here, as kof's guide has them in kof-values.yaml.
    """
    ours: dict[str, Any] = {}
    if mothership.chart_repository != mothership_values.DEFAULT_REPOSITORY or mothership.chart_repository_plain_http:
        repository = {"url": mothership.chart_repository, "insecure": mothership.chart_repository_plain_http}
        ours["global"] = {"helmRepo": {"kofManaged": repository}}
    own: dict[str, Any] = {}
    if mothership.storage_class:
        own["global"] = {"storageClass": mothership.storage_class}
    if not mothership.install_templates:
        own["kcm"] = {"installTemplates": False}
    if mothership.dns_secret:
        copied = {"matchLabels": {release.dns.label: "true"}, "secrets": [release.dns.secret]}
        own["kcm"] = {**own.get("kcm", {}), "kof": {"mcs": {release.dns.copier: copied}}}
    if mothership.retention:
        own["victoriametrics"] = {"vmcluster": {"spec": {"retentionPeriod": mothership.retention}}}
    for component, its in (("kof-mothership", own), ("kof-operators", mothership.operators_values)):
        if its:
            ours[component] = {"values": its}
    return merged(ours, mothership.values)


def components(mothership: Mothership, release: Labels) -> dict[str, str]:
    """The HelmReleases that come of it, with their charts' versions, without those that the values switch off."""
    given, on = values(mothership, release), mothership_values.switched_on
    return {name: version for name, version in release.components.items() if on(given, (name, "enabled"))}
