# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: what is there (Facts) against what is wanted (the inventory and the release). Pure: no network, no clock.

One function per check, each `(Situation) -> list[Check]`, in the order of the table. A check also says what it looked
at when all is well, so that the table shows what was checked. Hosts with the same fault share a row.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.alerting import alertmanager_secrets
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.budgets import (
    certificates,
    promxy_config_size,
    promxy_memory,
    promxy_reloads,
    route53_requests,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.cluster import (
    api_server,
    apis,
    chart_repository,
    charts_to_come,
    grants,
    helm,
    inputs,
    internet,
    k0rdent_version,
    kubernetes_version,
    libraries,
    management,
    namespaces,
    operator_charts,
    permissions,
    propagated_credentials,
    readable,
    replaced_maps,
    services_repository,
    storage_class,
    unique,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.dashboards import dashboard_sources
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.images import mirrors
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.live import (
    dangerous_changes,
    external_dns,
    external_dns_owner,
    guide_names,
    hosted_zones,
    instance_profiles,
    left_inventory,
    live_domains,
    moved_children,
    ownership,
    promxy_groups,
    styles,
    vmuser_secret,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.references import (
    adopted_clusters,
    cluster_templates,
    config_keys,
    credentials,
    management_cluster,
    regional_of_children,
    resource_templates,
    service_templates,
    services_of_others,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.shared import (
    installed_kof,
    shared_layer,
    unchosen_kof,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import Check

#: In the order of the table.
ALL: tuple[Callable[[Situation], list[Check]], ...] = (
    inputs,
    replaced_maps,
    unique,
    api_server,
    kubernetes_version,
    apis,
    permissions,
    grants,
    readable,
    k0rdent_version,
    management,
    namespaces,
    shared_layer,
    installed_kof,
    libraries,
    helm,
    chart_repository,
    charts_to_come,
    services_repository,
    operator_charts,
    storage_class,
    internet,
    mirrors,
    alertmanager_secrets,
    dashboard_sources,
    credentials,
    resource_templates,
    adopted_clusters,
    management_cluster,
    propagated_credentials,
    cluster_templates,
    config_keys,
    service_templates,
    services_of_others,
    regional_of_children,
    moved_children,
    live_domains,
    left_inventory,
    ownership,
    styles,
    dangerous_changes,
    guide_names,
    vmuser_secret,
    promxy_groups,
    external_dns,
    external_dns_owner,
    instance_profiles,
    hosted_zones,
    promxy_config_size,
    promxy_reloads,
    promxy_memory,
    certificates,
    route53_requests,
)


#: What all regions share, whatever a run would do.
BUDGETS = (promxy_config_size, promxy_memory, certificates, route53_requests)

__all__ = ["ALL", "budgets_of", "inputs", "made", "replaced_maps", "unchosen_kof"]


def made(s: Situation) -> list[Check]:
    """Every check, in the order of the table."""
    return [check for function in ALL for check in function(s)]


def budgets_of(s: Situation) -> list[Check]:
    """The checks of budgets alone."""
    return [check for function in BUDGETS for check in function(s)]
