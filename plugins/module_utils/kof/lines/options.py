# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line has against variables that are fine by themselves: what it can't do, what it must be told, and where its
charts may come from.

Pure: one host's values in, faults out. What a variable must look like at every line is model.py's to say.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import (
    Direct,
    Release,
    Setting,
    Values,
    WrittenPromxy,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import show
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some

_REPOSITORY = "kof_chart_repository"
_SERVICES = ("kcm", "kof", "repo")
#: Values of the users' own for charts of the management cluster.
_OF_CHARTS = {"kof-mothership": "mothership_values", "kof-operators": "mothership_operators_values"}
#: Maps in values of a service that we write something into, by the service's name.
SERVICE_TABLES = {
    "cert-manager": (("crds",), ("cert-manager", "crds")),
    "kof-collectors": (
        ("global",),
        ("kof", "logs"),
        ("kof", "metrics"),
        ("opencost", "opencost", "exporter"),
        ("opencost", "opencost", "prometheus", "external"),
    ),
    "kof-storage": (
        ("cert-manager",),
        ("external-dns",),
        ("global",),
        ("grafana", "ingress"),
        ("grafana", "security"),
        ("victoria-logs-single", "server", "persistentVolume"),
        ("victoriametrics", "vmauth", "credentials"),
        ("victoriametrics", "vmauth", "ingress"),
        ("victoriametrics", "vmcluster"),
    ),
}


class Objection(NamedTuple):
    """:ivar right: what would be right instead."""

    variable: str
    problem: str
    right: str


def objections(
    role: str, values: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]], release: Release
) -> Iterator[Objection]:
    """What a release has against a host's variables.

    :param role: mothership, regional or child.
    :param values: the variables with their defaults, those of a wrong type left out.
    :param options: the role's, by name.
    """
    for name, why in release.refused.items():
        value = values.get(name)
        if value is not None and value != options[name].get("default"):
            yield Objection(name, f"can't be said at kof {release.version}: {why}", f"leave {name} out")
    for name, setting in release.options.items():
        reason = unheard(setting, release) if name in options and values.get(name) is not None else None
        if reason:
            yield Objection(name, f"can't be said at kof {release.version}: {reason}", f"leave {name} out")
    yield from _of_values(role, values, release)
    yield from _of_images(role, values, release)
    if release.elsewhere:
        yield from _of_repository(role, values, release)
    if isinstance(release, Direct):
        yield from _of_tables(role, values, release)
    if role == "mothership":
        yield from _of_promxy(values, release)
    if role == "regional":
        yield from _of_storage_class(values, release)
        yield from _of_issuer(values)


def is_folder(repository: str) -> bool:
    """Whether a chart repository is a folder of this machine."""
    return repository.startswith(("/", "~/"))


def services_repository(values: Mapping[str, Any]) -> str | None:
    """Where kcm takes the services' charts from, as values of kof-mothership have it."""
    address = dig(values, (*_SERVICES, "url"))
    return address if isinstance(address, str) and address else None


def _of_values(role: str, values: Mapping[str, Any], release: Release) -> Iterator[Objection]:
    """Values of the users' own that the charts don't read."""
    for variable, inside, chart in _places(role, values, release):
        known = release.values.get(chart)
        for path, why, right in unread(dig(values.get(variable), inside), known) if known else ():
            place = cut(".".join((*inside, *path)), 200)
            problem = f"{place} can't be said at kof {release.version}: {why}"
            yield Objection(variable, problem, right or f"leave {place} out")


def _places(role: str, values: Mapping[str, Any], release: Release) -> list[tuple[str, tuple[str, ...], str]]:
    """Where users have values of their own: the variable, the path in it, and of which chart."""
    if role == "mothership":
        return [(variable, (), chart) for chart, variable in _OF_CHARTS.items()]
    name, others = f"{role}_service_values", values.get(f"{role}_service_templates") or {}
    # Behind a ServiceTemplate of somebody's own there may be any chart.
    return [(name, (service,), service) for service in release.service_names(role) if service not in others]


def _of_images(role: str, values: Mapping[str, Any], release: Release) -> Iterator[Objection]:
    """A mirror of which no chart is told, or that a list of the users' own takes away again."""
    registry = f"{role}_image_registry"
    for name in (registry, f"{role}_image_pull_secrets") if not release.images else ():
        if values.get(name):
            problem = f"can't be said at kof {release.version}: its charts are told of no mirror"
            yield Objection(name, problem, f"leave {name} out")
    for variable, inside, chart in _places(role, values, release) if values.get(registry) else ():
        known = release.images.get(chart)
        for path, (needed, _image) in known.variables.items() if known else ():
            said = dig(values.get(variable), (*inside, *path.split(".")))
            names = [each.get("name") for each in said if isinstance(each, Mapping)] if isinstance(said, list) else []
            if said is not None and needed not in names:
                place = ".".join((*inside, path))
                problem = f"{place} replaces the list by which {registry} reaches what an operator runs"
                yield Objection(variable, problem, f"{needed} in it, too")


def unheard(setting: Setting, release: Release) -> str | None:
    """Why an option that is one value of a chart does nothing at a release; None where the chart reads it."""
    said: Any = {}
    for key in reversed(setting.path):
        said = {key: said}
    return next((why for _path, why, _right in unread(said, release.values[setting.chart])), None)


def unread(said: Any, known: Values) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What of a chart's values it doesn't read: path, why, and what does it instead (empty for nothing). A null says
    nothing.

    :param said: the values; what is no map is nobody's here.
    """
    told = []
    for text, (why, right) in known.ignored.items():
        path = tuple(text.split("."))
        if dig(said, path) is not None:
            told.append(path)
            yield path, why, right
    for path, siblings in _beside(said, _tree(known.read), ()):
        if not any(path[: len(each)] == each for each in told):
            yield path, "the chart reads no such key" + did_you_mean(path[-1], siblings), ""


def _beside(
    said: Any, tree: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Iterable[str]]]:
    """Paths at which a map leaves the tree, each with the keys that are there; a tree's end has all below it."""
    for key, value in said.items() if isinstance(said, Mapping) and tree else ():
        if key in tree:
            yield from _beside(value, tree[key], (*above, key))
        elif value is not None:
            yield (*above, key), tree


@functools.cache
def _tree(paths: frozenset[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        place = tree
        for key in path.split("."):
            place = place.setdefault(key, {})
    return tree


def _of_tables(role: str, values: Mapping[str, Any], release: Direct) -> Iterator[Objection]:
    """Where the charts have maps, something else breaks their templates, or does nothing in silence."""
    switches = [(each.chart, each.switch) for each in release.deployments]
    switches += [("kof-mothership", each.switch) for each in release.entrances]
    places: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
    if role == "mothership":
        places = [(_OF_CHARTS[chart], (), switch[:-1]) for chart, switch in switches if switch]
        places += [("mothership_values", (), table) for table in (_SERVICES, ("global",))]
    else:
        name = f"{role}_service_values"
        said = [service for service in SERVICE_TABLES if service in (values.get(name) or ())]
        places = [(name, (service,), table) for service in said for table in SERVICE_TABLES[service]]
    told = set()
    for variable, service, table in places:
        for length in range(1, len(table) + 1):
            path = (*service, *table[:length])
            found = dig(values.get(variable), path)
            if found is None or isinstance(found, Mapping) or (variable, path) in told:
                continue
            told.add((variable, path))
            # What isn't a number or a word of YAML's may be a secret.
            what = show(found) if isinstance(found, bool | int | float) else "no map"
            problem = f"{'.'.join(path)} is {what}, and the chart has a map there"
            yield Objection(variable, problem, f"{path[-1]}: {{enabled: false}}, or the keys inside of it")


def _of_repository(role: str, values: Mapping[str, Any], release: Release) -> Iterator[Objection]:
    repository = str(values.get(_REPOSITORY, ""))
    scheme, plain_http = repository.partition("://")[0], f"{_REPOSITORY}_plain_http"
    if scheme in ("http", "https") and values.get(plain_http, scheme == "http") is not (scheme == "http"):
        right = "true only for http://, where nobody can tell whose charts they are; false for https://"
        yield Objection(plain_http, f"doesn't go with {_REPOSITORY}, which is {scheme}://", right)
    if role != "mothership":
        return
    elsewhere = _elsewhere(repository, release)
    if elsewhere:
        problem = f"must be said at kof {release.version}: {repository} {elsewhere}"
        right = "https://charts.example.com/kof, oci://registry.example.com/kof/charts or a folder, /srv/charts"
        yield Objection(_REPOSITORY, problem, f"a mirror of your own: {right}")
    said = dig(values.get("mothership_values"), _SERVICES)
    if isinstance(said, Mapping) and "url" in said:
        services_problem = _services_problem(said["url"], release)
        problem = f"has kcm.kof.repo.url, which {services_problem}" if services_problem else ""
    elif values.get("mothership_install_templates") and is_folder(repository):
        problem = f"has no kcm.kof.repo.url, and {_REPOSITORY} is a folder, from which k0rdent can't take the charts"
    else:
        problem = ""
    if problem:
        right = "mothership_values: {kcm: {kof: {repo: {url: https://charts.example.com/kof}}}}"
        yield Objection("mothership_values", problem, f"for example {right}")


def _services_problem(address: Any, release: Release) -> str | None:
    """What is wrong with where kcm shall take the services' charts from; None for nothing."""
    if not isinstance(address, str) or not address:
        return f"is {show(address)}, but must be the address of a repository"
    if is_folder(address):
        return "is a folder, from which k0rdent can't take the charts"
    elsewhere = _elsewhere(address, release)
    return f"is {address}: that {elsewhere}" if elsewhere else repository_problem(address, release, folders=False)


def _elsewhere(address: str, release: Release) -> str | None:
    """Why a release's charts aren't at an address, however it is written; None where they may be, or it has a login."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "") + ("" if parts.port in (None, 443) else f":{parts.port}")
    except ValueError:
        return None
    if "@" in parts.netloc or parts.query or parts.fragment:
        return None
    return release.elsewhere.get(f"{parts.scheme}://{host}{parts.path.rstrip('/')}")


def example_of_repository(release: Release) -> str | None:
    """A kof_chart_repository for example; None where the option's own is right."""
    return f"for example {_REPOSITORY}: https://charts.example.com/kof" if release.elsewhere else None


def repository_problem(text: str, release: Release, folders: bool = True) -> str | None:
    """What is wrong with a kof_chart_repository by its form, one of a folder too unless `folders` is false; None for a
    fine one."""
    scheme, _between, rest = text.partition("://")
    if not release.elsewhere and (scheme != "oci" or not rest):
        return "must start with oci:// (helm and kcm take the charts from one place)"
    if _elsewhere(text, release) or (release.elsewhere and is_folder(text)):
        return None
    if scheme not in ("oci", "https", "http"):
        or_else = ", or be the absolute path of a folder of this machine" if folders else ""
        return f"must start with https:// or oci://{or_else}"
    if text.endswith("/index.yaml"):
        return "must be what index.yaml is in, without it"
    unfit = text.endswith("/") or any(char.isspace() or char in "\"'\\@{}<>?#" for char in text) or "//" in rest
    if unfit or not _has_host(text):
        return f"must be like {scheme}://registry.example.com/kof/charts, without a user and without a slash at its end"
    return None


def _has_host(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _of_promxy(values: Mapping[str, Any], release: Release) -> Iterator[Objection]:
    """Where promxy comes to life with a region, each region is ready with it."""
    enabled = dig(values.get("mothership_values"), ("promxy", "enabled"))
    if (
        isinstance(release.promxy, WrittenPromxy)
        and release.promxy.needs_regions
        and enabled is not None
        and not enabled
    ):
        problem = f"promxy.enabled can't be {show(enabled)} at kof {release.version}: each region waits for promxy"
        yield Objection("mothership_values", problem, "leave promxy.enabled out")


def _of_storage_class(values: Mapping[str, Any], release: Release) -> Iterator[Objection]:
    """The class that kof-storage names is on few clusters."""
    classes = release.classes
    kind = str(values.get("regional_template") or values.get("regional_template_kind") or "")
    by_hand = dig(values, ("regional_service_values", "kof-storage", "global", "storageClass"))
    if classes and kind and not (values.get("regional_storage_class") or by_hand or kind.startswith(classes.kinds)):
        problem = f"isn't set, and clusters of {kind} don't have {classes.regional}, which the charts name"
        yield Objection("regional_storage_class", problem, f"a class there; {some(classes.kinds)} bring that one")


#: Values of kof-storage without which an issuer of somebody's own doesn't come, or comes twice.
_AROUND_ISSUER = {
    ("cert-manager", "enabled"): "makes one of the same name",
    ("victoria-metrics-operator", "enabled"): "takes away the chart that brings it",
    ("victoria-metrics-operator", "extraObjects"): "replaces the list that it is in",
}


def _of_issuer(values: Mapping[str, Any]) -> Iterator[Objection]:
    """An issuer of somebody's own comes as one of the objects that a subchart takes."""
    said = dig(values.get("regional_service_values"), ("kof-storage",))
    for path, why in _AROUND_ISSUER.items() if values.get("regional_cluster_issuer") else ():
        found = dig(said, path)
        harmless = found is False if path[0] == "cert-manager" else found is True
        if found is not None and not harmless:
            place = ".".join(("kof-storage", *path))
            yield Objection("regional_service_values", f"{place} {why}: regional_cluster_issuer", f"leave {place} out")
