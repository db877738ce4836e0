# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When promxy knows a region: by the configuration that kof's operator writes for it, and what keeps it from that.

No other judge may be here. The Secret holds logins: nothing of it is ever quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import IS_READY, Readiness, progressing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.operators import value_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig

CONFIG = "config.yaml"
Object = Mapping[str, Any]
_SECRET_NAME = ("http_client", "basic_auth", "credentials_secret_name")
_BROKEN = "it doesn't read as YAML: promxy keeps what it had, and doesn't start again"


def names(secret: Any, region: str) -> bool:
    """Whether promxy's configuration has this region."""
    text = value_of(secret, CONFIG) or ""
    return re.search(rf'^[\s-]*promxyCluster: *"?{re.escape(region)}"?\s*$', text, re.MULTILINE) is not None


def asks(ref: Ref, region: str) -> Target:
    """promxy's Secret, once the region is in it."""

    def judge(obj: Any, _lookup: Any) -> Readiness:
        verdict = core_readiness.secret(obj, (CONFIG,))
        if not verdict.ready or names(obj, region):
            return verdict
        return progressing(
            f"names no region {region} yet", "see that kof's operator runs, and its log", code="region-not-in-promxy"
        )

    return Target(ref, judge)


def asks_no_more(ref: Ref, region: str) -> Target:
    """promxy's Secret, once the region is out of it: never, where it was the last one."""

    def judge(obj: Any, _lookup: Any) -> Readiness:
        if obj is None or not names(obj, region):
            return IS_READY
        return progressing(
            f"still names region {region}", "see that kof's operator runs, and its log", code="region-still-in-promxy"
        )

    return Target(ref, judge)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with promxy's regions.

    :ivar group: the PromxyServerGroup; None for the configuration as a whole.
    """

    verdict: Readiness
    group: Object | None = None


def troubles(
    release: Direct, groups: Iterable[Object], config: Object | None, login: Callable[[str], Object | None]
) -> Iterator[Trouble]:
    """What keeps promxy of a line whose groups we write from knowing its regions, each cause once.

    :param groups: all PromxyServerGroups of kof's namespace.
    :param config: the Secret with promxy's configuration, None where there is none.
    :param login: the Secret of a name in kof's namespace, None where there is none.
    """
    there, wanted = _regions(config), []
    for group in groups:
        if "deletionTimestamp" in group["metadata"]:
            continue
        if (group["metadata"].get("labels") or {}).get(release.promxy.label) != release.promxy.secret:
            why = f"it lacks the label {release.promxy.label}: {release.promxy.secret}, by which promxy's operator goes"
            yield Trouble(progressing(why, code="server-group-unlabelled"), group)
        else:
            wanted.append(group)
    broken = False
    for group in wanted:
        secret = login_of(group)
        found = login(secret) if secret else None
        if found is None:
            why = f"its Secret {secret} isn't there" if secret else "it names no Secret with a login"
            yield Trouble(progressing(why, code="server-group-login-missing"), group)
            continue
        user, password = (value_of(found, key) or "" for key in release.vmuser_keys)
        faults = promxy_config.group_faults(group, {secret: (user, password)}, release)
        if faults:
            broken = True
            why = f"its {faults[0].variable} {faults[0].problem}"
            yield Trouble(progressing(why, code="promxy-config-broken"), group)
        elif there is not None:
            verdict = _known(group, there, (user, password))
            if not verdict.ready:
                yield Trouble(verdict, group)
    if there is None and not broken:
        yield Trouble(progressing(_BROKEN, code="promxy-config-broken"))


def login_of(group: Object) -> str:
    """The Secret that a PromxyServerGroup names for its login, "" for none."""
    return str(dig(group.get("spec"), _SECRET_NAME) or "")


def _regions(config: Object | None) -> dict[str, Object] | None:
    """The server groups in promxy's configuration, by region; None where it can't be read."""
    try:
        found = dig(foreign_yaml.read(value_of(config, CONFIG) or "{}"), ("promxy", "server_groups"))
    except foreign_yaml.NotYaml:
        return None
    entries = [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    return {str(dig(each, ("labels", "promxyCluster"))): each for each in entries}


def _known(group: Object, there: Mapping[str, Object], login: tuple[str, str]) -> Readiness:
    spec, made = group.get("spec") or {}, core_readiness.changed_at(group)
    region = str(spec.get("cluster_name"))
    entry = there.get(region)
    if entry is None:
        why = f"promxy's configuration has no region {region}"
        return progressing(why, code="region-not-in-promxy", since=made)
    targets = [target for each in entry.get("static_configs") or () for target in each.get("targets") or ()]
    if targets != list(spec.get("targets") or ()):
        why = f"promxy's configuration has region {region} with another address"
        return progressing(why, code="region-not-in-promxy", since=made)
    auth = dig(entry, ("http_client", "basic_auth")) or {}
    if all(login) and (auth.get("username"), auth.get("password")) != login:
        return progressing("promxy has another login than its Secret", code="login-outdated")
    return IS_READY
