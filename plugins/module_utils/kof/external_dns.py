# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""external-dns of a regional cluster: as whom it owns its records, what it may touch, and what access it is given.

Sources: the chart external-dns 1.15.1 (values txtOwnerId, domainFilters, extraArgs, serviceAccount), which kof-storage
of both lines has, and external-dns 0.15.1 (TXT registry; provider aws). Pure.

An owner is for ever: external-dns never touches a record that another owner's TXT record tells of, so one that is
called otherwise than before leaves the records of before as they are. What is live therefore keeps its owner, and the
filters that came with it, until somebody says another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import of_config
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig

#: As whom external-dns writes where nobody says it (pkg/apis/externaldns/types.go).
DEFAULT_OWNER = "default"
#: An owner that is live and was never said: nothing is written of it, nor of filters.
AS_IT_WAS = ""
SERVICE, SECTION = "kof-storage", "external-dns"
#: Where cluster templates have the instance profile of their workers, the kind of template by which that is known
#: where the management cluster isn't asked (kcm, templates/cluster/*/values.yaml of 0.0.7 to 1.4).
_PROFILES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("worker", "iamInstanceProfile"): ("aws-standalone-cp", "aws-eks"),
    ("iamInstanceProfile",): ("aws-hosted-cp",),
}
_ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_ZONE_FILTER = "--zone-id-filter"


def owner_of(regional: Regional) -> str:
    """As whom its external-dns owns records, unless something else is said or live."""
    return f"{regional.fleet}-{regional.cluster_name}"


def owner_there(live: Mapping[str, Any] | None) -> str | None:
    """As whom the external-dns of a live ClusterDeployment owns records; AS_IT_WAS where nothing says it, or it can't
    be read; None where there is none."""
    services = ((live or {}).get("spec") or {}).get("serviceSpec") or {}
    texts = [each.get("values") or "" for each in services.get("services") or () if each.get("name") == SERVICE]
    if not texts:
        return None
    try:
        values = foreign_yaml.read(texts[0]) if "{{" not in texts[0] else None
    except (foreign_yaml.NotYaml, TypeError):
        values = None
    if not isinstance(values, Mapping):
        return AS_IT_WAS if SECTION in texts[0] else None
    found = values.get(SECTION)
    if not isinstance(found, Mapping) or found.get("enabled") is not True:
        return None
    return str(found.get("txtOwnerId") or AS_IT_WAS)


def settled(
    regional: Regional, live: Mapping[str, Any] | None, template: str, known: Mapping[str, Any] | None = None
) -> Regional:
    """The cluster with its owner and the instance profile of its workers, as what is live has them.

    :param live: its ClusterDeployment, if there is one.
    :param template: name of its ClusterTemplate.
    :param known: that one's `status.config`, where it is known.
    """
    owner = regional.external_dns_owner
    if owner is None:
        there = owner_there(live)
        owner = owner_of(regional) if there is None else there
    return replace(regional, external_dns_owner=owner, config=_with_profile(regional, live, template, known))


def profile_path(template: str, known: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Where in `config` a template takes the instance profile of workers; None where it takes none."""
    for path, kinds in _PROFILES.items():
        by_name = not known and any(template.startswith(f"{kind}-") for kind in kinds)
        if by_name or (known and dig(known, path) is not None):
            return path
    return None


def profile_of(regional: Regional) -> str | None:
    """The instance profile by which its external-dns gets at the zones, if it is by one."""
    access = regional.external_dns_access
    return access.instance_profile if access and regional.external_dns == "node" else None


def _with_profile(
    regional: Regional, live: Mapping[str, Any] | None, template: str, known: Mapping[str, Any] | None
) -> dict[str, Any]:
    profile, path = profile_of(regional), profile_path(template, known)
    if not profile or path is None or dig(regional.config, path) is not None:
        return regional.config
    # Another profile replaces every node: what runs gets it only from who says so in regional_config.
    if live and dig(of_config(live), path) != profile:
        return regional.config
    if len(path) == 1:
        return {**regional.config, path[0]: profile}
    section = regional.config.get(path[0])
    if section is not None and not isinstance(section, Mapping):
        return regional.config  # what can't be, is kcm's to refuse, and not ours to replace
    return {**regional.config, path[0]: {**(section or {}), path[1]: profile}}


def values(regional: Regional, without_secret: Mapping[str, object]) -> dict[str, Any]:
    """Values of the chart external-dns below kof-storage.

    :param without_secret: those that take the mounted Secret away.
    """
    if regional.external_dns == "none":
        return {"enabled": False}
    found: dict[str, Any] = {"enabled": True}
    if regional.external_dns == "node":
        found.update(without_secret)
    owner = owner_of(regional) if regional.external_dns_owner is None else regional.external_dns_owner
    access = regional.external_dns_access
    if owner != AS_IT_WAS:
        found["txtOwnerId"] = owner
        found["domainFilters"] = [regional.domain]
    found["extraArgs"] = [*_filters(regional, owner)]
    if not found["extraArgs"]:
        del found["extraArgs"]
    if access and access.role_arn and regional.external_dns == "node":
        found["serviceAccount"] = {"name": access.service_account, "annotations": {_ROLE_ANNOTATION: access.role_arn}}
    return found


def _filters(regional: Regional, owner: str) -> Iterator[str]:
    """Without the first, a domain below its zone's would find no zone at all."""
    if owner == AS_IT_WAS:
        return
    yield "--aws-zone-match-parent"
    access = regional.external_dns_access
    yield from (f"{_ZONE_FILTER}={zone}" for zone in (access.zones if access else ()))


def with_users_arguments(values: Mapping[str, Any], ours: Sequence[str]) -> Mapping[str, Any]:
    """Values of external-dns with our arguments before the user's: a list that replaces ours would take the filters
    away. Whoever says zones himself has said them all.

    :param values: the user's over ours.
    """
    theirs = values.get("extraArgs")
    if not ours or not isinstance(theirs, list) or theirs == list(ours):
        return values
    said = any(str(each).startswith(_ZONE_FILTER) for each in theirs)
    kept = [each for each in ours if each not in theirs and not (said and each.startswith(_ZONE_FILTER))]
    return {**values, "extraArgs": [*kept, *theirs]}
