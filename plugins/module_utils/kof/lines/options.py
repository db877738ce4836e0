# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line has against variables that are fine by themselves: what it can't do, what it must be told, and where its
charts may come from.

Pure: one host's values in, faults out. What a variable must look like at every line is model.py's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct, Release, WrittenPromxy
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import show
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

_REPOSITORY = "kof_chart_repository"
_SERVICES = ("kcm", "kof", "repo")
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
    for path, why in release.refused.items():
        name, _dot, inside = path.partition(".")
        value = dig(values.get(name), inside.split(".") if inside else ())
        if value is not None and (inside or value != options[name].get("default")):
            what = f"{inside} can't be said" if inside else "can't be said"
            yield Objection(name, f"{what} at kof {release.version}: {why}", f"leave {inside or name} out")
    if release.elsewhere:
        yield from _of_repository(role, values, release)
    if isinstance(release, Direct):
        yield from _of_tables(role, values, release)
    if role == "mothership":
        yield from _of_promxy(values, release)
    if role == "regional":
        yield from _of_storage_class(values, release)


def is_folder(repository: str) -> bool:
    """Whether a chart repository is a folder of this machine."""
    return repository.startswith(("/", "~/"))


def services_repository(values: Mapping[str, Any]) -> str | None:
    """Where kcm takes the services' charts from, as values of kof-mothership have it."""
    address = dig(values, (*_SERVICES, "url"))
    return address if isinstance(address, str) and address else None


def _of_tables(role: str, values: Mapping[str, Any], release: Direct) -> Iterator[Objection]:
    """Where the charts have maps, something else breaks their templates, or does nothing in silence."""
    switches = [(each.chart, each.switch) for each in release.deployments]
    switches += [("kof-mothership", each.switch) for each in release.entrances]
    places: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
    if role == "mothership":
        of_charts = {"kof-mothership": "mothership_values", "kof-operators": "mothership_operators_values"}
        places = [(of_charts[chart], (), switch[:-1]) for chart, switch in switches if switch]
        places += [("mothership_values", (), table) for table in (_SERVICES, ("global",))]
    else:
        name = f"{role}_service_values"
        places = [(name, (service,), table) for service, tables in SERVICE_TABLES.items() for table in tables]
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
