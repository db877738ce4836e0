# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ClusterTemplate a cluster gets, and which keys its `config` may have. Pure; objects in, names out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import is_secret_name
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import show
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import Version, parse_dashed
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import nearest

#: Maps of a cluster template whose keys are the user's own, although the template may have some by default.
FREE_FORM = (
    "clusterLabels",
    "clusterAnnotations",
    "labels",
    "annotations",
    "tags",
    "additionalTags",
    "extraArgs",
    "nodeSelector",
)

#: What YAML 1.1 takes for a boolean where it isn't quoted.
_BOOLEANS = ("true", "false", "yes", "no", "on", "off")


def of_kind(template: Mapping[str, Any], kind: str) -> Version | None:
    """The version of a template of this kind by its name, `<kind>-<dashed version>`; None if it is of another kind.

    `aws-standalone-cp` is not the kind of `aws-standalone-cp-custom-0-1-0`.
    """
    name = template["metadata"]["name"]
    return parse_dashed(name[len(kind) + 1 :]) if name.startswith(f"{kind}-") else None


def is_valid(template: Mapping[str, Any]) -> bool:
    """kcm's own verdict; a template it has not looked at yet isn't valid (its webhook would refuse it)."""
    return (template.get("status") or {}).get("valid") is True


def labels_nobody(template: Mapping[str, Any], kinds: Iterable[str]) -> bool:
    """Whether clusters of a ClusterTemplate get no labels from us, and so no Secrets, by its values, where these are
    known.

    :param kinds: of which that is so at some k0rdent.
    """
    known = (template.get("status") or {}).get("config")
    if not isinstance(known, Mapping) or "clusterLabels" in known:
        return False
    return any(template["metadata"]["name"] == kind or of_kind(template, kind) is not None for kind in kinds)


def unlabelled_told(template: str, k0rdent: str) -> tuple[str, str]:
    """What is wrong with a template that labels nobody, and what would be right.

    :param k0rdent: from which on it does.
    """
    found = f"{template} has no clusterLabels, by which its clusters get Secrets"
    return found, f"needs k0rdent {k0rdent} and its kof; or another kind"


def choose_template(templates: Iterable[Mapping[str, Any]], kind: str) -> str | None:
    """The newest valid ClusterTemplate of a kind, by semantic version; None if there is none.

    Pre-releases count only where no release is valid: nobody who didn't ask for one should get one.
    """
    best: tuple[bool, Version, str] | None = None
    for template in templates:
        version = of_kind(template, kind)
        if version is None or not is_valid(template):
            continue
        candidate = (not version.prerelease, version, template["metadata"]["name"])
        if best is None or candidate > best:
            best = candidate
    return best[2] if best else None


def template_for(
    wanted: str | None, kind: str, live: Mapping[str, Any] | None, templates: Iterable[Mapping[str, Any]]
) -> str | None:
    """The ClusterTemplate of one cluster: the one named, else the one it has, else the newest valid of its kind.

    A cluster that exists is not upgraded unasked.

    :param live: the ClusterDeployment, if there is one.
    :returns: None if nothing is named, nothing is there and no template of the kind is valid.
    """
    return wanted or ((live or {}).get("spec") or {}).get("template") or choose_template(templates, kind)


@dataclass(frozen=True)
class UnknownKey:
    """A key of `config` that the template's defaults don't have.

    :ivar path: where it is, `worker.instanceTyp`.
    :ivar meant: the known key beside it that it is probably a slip of, as a path; None if none is alike.
    :ivar elsewhere: a path where the very same key is known; None if it is known nowhere.
    """

    path: str
    meant: str | None
    elsewhere: str | None


def unknown_keys(config: Mapping[str, Any], known: Mapping[str, Any]) -> list[UnknownKey]:
    """Keys under a cluster's `config` that its template doesn't have in `status.config` (the chart's default values).

    An empty map among the defaults, and the maps of FREE_FORM, take any key: charts leave those to the user.
    A key without a look-alike may still be real, charts can have options without a default.
    """
    places: dict[str, str] = {}
    for path, key in _keys(known):
        places.setdefault(key, path)
    return list(_unknown(config, known, "", places))


@dataclass(frozen=True)
class WrongType:
    """A value of `config` that is of another type than the template's default.

    :ivar path: where it is, `worker.instanceType`.
    :ivar found: what is there, in words; `wanted`: the type of the default.
    :ivar certain: whether no template can mean it: an empty default says little of what may stand there.
    """

    path: str
    found: str
    wanted: str
    certain: bool


def wrong_types(config: Mapping[str, Any], known: Mapping[str, Any]) -> list[WrongType]:
    """Values under a cluster's `config` that aren't of the type that its template's default has.

    YAML reads NO as a boolean, an expression gives text. Null takes a default away, and a default of null says nothing.
    """
    return list(_wrong(config, known, ""))


def _wrong(config: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> Iterator[WrongType]:
    for key, value in config.items():
        default = known.get(key)
        if value is None or default is None:
            continue
        is_of, wanted = _type(value), _type(default)
        if is_of == wanted:
            if isinstance(value, Mapping) and key not in FREE_FORM:
                yield from _wrong(value, default, f"{prefix}{key}.")
            continue
        hidden = isinstance(value, (Mapping, list)) or any(map(is_secret_name, f"{prefix}{key}".split(".")))
        found = is_of if hidden else f"{show(value)}, {is_of}"
        yield WrongType(f"{prefix}{key}", found, wanted, _certainly(value, default))


def _certainly(value: Any, default: Any) -> bool:
    """Whether no template with such a default can mean the value: an empty one says little, and 25% may be a number."""
    if isinstance(value, bool) or isinstance(default, bool):
        return not isinstance(value, str) or value.lower() in _BOOLEANS
    if isinstance(value, str) and isinstance(default, (int, float)):
        return value.replace(".", "", 1).isdigit()
    return bool(default)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    for kind, name in (((int, float), "a number"), (str, "text"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "a map"


def _keys(known: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in known.items():
        yield f"{prefix}{key}", key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def _unknown(
    config: Mapping[str, Any], known: Mapping[str, Any], prefix: str, places: Mapping[str, str]
) -> Iterator[UnknownKey]:
    for key, value in config.items():
        if key in known:
            below = known[key]
            if isinstance(value, Mapping) and isinstance(below, Mapping) and below and key not in FREE_FORM:
                yield from _unknown(value, below, f"{prefix}{key}.", places)
            continue
        near = _alike(key, [name for name in known if name not in config])
        yield UnknownKey(f"{prefix}{key}", f"{prefix}{near}" if near else None, places.get(key))


def _alike(key: str, names: Iterable[str]) -> str | None:
    """The name that `key` is a slip of: another case or snake_case counts as the same word."""
    plain = {name.replace("_", "").replace("-", "").lower(): name for name in names}
    found = nearest(key.replace("_", "").replace("-", "").lower(), plain)
    return plain[found] if found else None
