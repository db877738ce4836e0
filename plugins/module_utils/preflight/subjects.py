# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the model's clusters to what the checks want to know of them. Translation only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import external_dns
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct, Service
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    grafana_datasource,
    promxy_server_group,
    service_values,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Subject

if TYPE_CHECKING:
    from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Regional


def of_regional(regional: Regional, release: Direct) -> Subject:
    return Subject(
        host=regional.host,
        layer="regional",
        name=regional.cluster_name,
        template=regional.template,
        template_kind=regional.template_kind,
        credential=regional.credential,
        config=regional.config,
        templates=_templates(regional, "regional", release.services["regional"]),
        vmuser_secret=regional.vmuser_secret,
        domain=regional.domain,
        external_dns=regional.external_dns,
        dns_owner=regional.external_dns_owner,
        instance_profile=external_dns.profile_of(regional),
        parts=parts("regional", regional, Given(release, release.needs.kcm)),
        promxy_server_group=promxy_server_group.name_of(regional.cluster_name),
        grafana_datasource=grafana_datasource.name_of(regional.cluster_name),
        storage_values=service_values.regional_values(regional, release)["kof-storage"],
        propagate_credentials=regional.propagate_credentials,
        disabled_services=tuple(regional.disabled_services),
    )


def of_child(child: Child, release: Direct) -> Subject:
    return Subject(
        host=child.host,
        layer="child",
        name=child.cluster_name,
        template=child.template,
        template_kind=child.template_kind,
        credential=child.credential,
        config=child.config,
        templates=_templates(child, "child", release.services["child"]),
        vmuser_secret=child.vmuser_secret,
        regional=child.regional,
        propagate_credentials=child.propagate_credentials,
        disabled_services=tuple(child.disabled_services),
    )


def _templates(cluster: Regional | Child, layer: str, services: tuple[Service, ...]) -> tuple[tuple[str, str], ...]:
    """Every ServiceTemplate of a cluster, once, with the variable that could name another one."""
    named = {
        cluster.service_templates.get(service.name, service.template): f"{layer}_service_templates"
        for service in services
    }
    for extra in cluster.extra_services:
        named.setdefault(extra["template"], f"{layer}_extra_services")
    return tuple(named.items())
