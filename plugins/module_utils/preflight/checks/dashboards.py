# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the user's dashboards among what is live: what they read from. Pure.

Asked again before the first one is written, where the mothership's charts are there already.
"""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.dashboards import sources_of, without_source
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, Check


def dashboard_sources(s: Situation) -> list[Check]:
    """Data sources that nobody has: each panel of such a dashboard is empty."""
    if not s.dashboards or s.unread(GRAFANA_DATASOURCE):
        return []
    regions = [one.name for one in s.everyone if one.layer == "regional"]
    sources = sources_of(s.release, regions, s.facts.grafana_datasources)
    checks = [
        Check("dashboards", f"{file.file} {what}", "a data source that is there", right, FAILED, (host,), variable)
        for host, variable, file in s.dashboards
        for what, right in without_source(file, sources)
    ]
    return checks or [Check("dashboards", f"{len(s.dashboards)}, and what they read from is there")]
