# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what all fleets of a management cluster share: kof's namespace, charts and DNS Secret. Pure."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import hindrances, kept, older
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import shared_by_another
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES, RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, WARNING, Check


def shared_layer(s: Situation) -> list[Check]:
    """One fleet of a management cluster has the charts and the DNS Secret; the others have regions and children."""
    namespace = s.facts.namespaces.get(s.namespace)
    if not ("mothership" in s.layers or s.makes_dns_secret) or namespace is None:
        return []
    problem = shared_by_another(namespace, s.fleet, s.permissions.take_over)
    if problem is None:
        return []
    found, remedy = problem
    return [Check("shared layer", found, f"nobody's, or fleet {s.fleet}'s", remedy, FAILED, s.mothership_hosts)]


def unchosen_kof(s: Situation) -> list[Check]:
    """kof_version isn't said: which releases there are, and which is installed, of which `s.release` is the newest."""
    charts = s.facts.installed
    told = f"no kof is installed in namespace {s.namespace}"
    if charts is None:
        told = f"which kof is installed in namespace {s.namespace} can't be seen"
        told += "".join(f" ({reason})" for reason in s.facts.unread.values()) or " (its Secrets may not be listed)"
    elif charts:
        told = f"installed in namespace {s.namespace}: {', '.join(map(str, charts))}"
    # The mothership's chart, which is the last one, says more than the others.
    same = next(filter(None, (LINES.get(each.line or "") for each in reversed(charts or ()))), s.release)
    hindered, say = hindrances(charts or (), same), "in group_vars/all.yml, with its quotes: kof_version: "
    remedy = hindered[0].remedy if hindered else f'{say}"{same.version}"'
    wanted = f"one of the releases that this collection knows: {', '.join(RELEASES)}"
    return [Check("kof", f"kof_version isn't set; {told}", wanted, remedy, FAILED, (), "kof_version")]


def installed_kof(s: Situation) -> list[Check]:
    """The charts that are there against those of kof_version: the clusters are written for the one or the other."""
    charts = s.facts.installed
    if not charts:
        return []
    walked = "mothership" in s.layers
    found = hindrances(charts, s.release)
    checks = [Check("installed kof", each.found, each.wanted, each.remedy, FAILED, (), "kof_version") for each in found]
    if walked:
        checks += [
            Check("installed kof", each.found, each.wanted, each.remedy, FAILED, s.mothership_hosts)
            for each in kept(charts)
        ]
    if checks:
        return checks
    told = ", ".join(map(str, charts))
    behind = [chart.name for chart in older(charts, s.release)]
    if not behind:
        return [Check("installed kof", told)]
    wanted = f"kof_version {s.release.version}"
    if walked:
        remedy = f"{' and '.join(behind)} will be upgraded; then the clusters, to its ServiceTemplates"
        return [Check("installed kof", told, wanted, remedy, ANNOUNCED)]
    remedy, code = "run the mothership playbook first", "kof-version-differs"
    return [Check("installed kof", told, wanted, remedy, WARNING, (), "kof_version", code=code)]
