# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of where images come from: what a mirror doesn't reach, and whether its login is there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Mirrored, Situation, grouped
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, WARNING, Check

_TITLE = "images"


def mirrors(s: Situation) -> list[Check]:
    """Images that are written into the charts, and pods that the charts give no pull secret."""
    checks: list[Check] = []
    of_registry = [one for one in s.mirrored if one.registry]
    for (layer, fixed), ones in grouped(of_registry, lambda one: (one.layer, _of(s, one, "fixed"))).items():
        variable = f"{layer}_image_registry"
        if fixed:
            found = f"{', '.join(fixed)}: written into the charts, so no mirror reaches them"
            wanted = "images that the nodes get all the same"
            remedy = "a mirror of these registries in the nodes' container runtime, or let them through"
            checks.append(Check(_TITLE, found, wanted, remedy, WARNING, _hosts(ones), variable))
    of_secrets = [one for one in s.mirrored if one.secrets]
    for (layer, pods), ones in grouped(of_secrets, lambda one: (one.layer, _of(s, one, "without_secrets"))).items():
        variable = f"{layer}_image_pull_secrets"
        if pods:
            found = f"the pods of {', '.join(pods)} get no pull secret: their charts have no value for it"
            wanted = "a mirror that they may read"
            remedy = "the login in the nodes' container runtime, or none for what these pods run"
            checks.append(Check(_TITLE, found, wanted, remedy, WARNING, _hosts(ones), variable))
    return checks + _logins(s)


def _of(s: Situation, one: Mirrored, what: str) -> tuple[str, ...]:
    """Of all charts of a cluster, each once."""
    known = (s.release.images[chart] for chart in one.charts if chart in s.release.images)
    return tuple(dict.fromkeys(each for images in known for each in getattr(images, what)))


def _hosts(ones: Iterable[Mirrored]) -> tuple[str, ...]:
    return tuple(one.host for one in ones)


def _logins(s: Situation) -> list[Check]:
    """Those of the management cluster. What is on the others isn't looked at before a run."""
    checks = []
    names = [name for one in s.mirrored if one.layer == "mothership" for name in one.secrets]
    for name in names:
        data = s.facts.secrets.get(name)
        if s.unread(f"Secret {name}") or name not in s.facts.secrets:
            continue
        if data is None:
            found = f"not in {s.namespace}"
            remedy = f"kubectl create secret docker-registry {name} -n {s.namespace} --docker-server=…"
        elif not {".dockerconfigjson", ".dockercfg"} & data.keys():
            found = "has no key .dockerconfigjson, so it is no login at a registry"
            remedy = "one of type kubernetes.io/dockerconfigjson: kubectl create secret docker-registry"
        else:
            continue
        told = (found, "there, before pods ask for images", remedy, FAILED, s.mothership_hosts)
        checks.append(Check(f"Secret {name}", *told, "mothership_image_pull_secrets"))
    return checks
