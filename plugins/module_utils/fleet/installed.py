# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kof a management cluster has by the Helm releases of its charts, who keeps them, and what stands against ours.

Asked by preflight, and again by whoever is about to change the charts. Reads; the judging is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease, decode, flux_keeper
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import ways
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import parse

#: Releases of kof's charts on a management cluster; `kof` holds all the others from 1.8 on.
NAMES = ("kof", "kof-operators", "kof-mothership")
MOTHERSHIPS = ("kof", "kof-mothership")
FLUX_HELM_GROUP = "helm.toolkit.fluxcd.io"


@dataclass(frozen=True)
class Revision:
    """
    :ivar since: when its Secret was made, RFC 3339; empty where that isn't known.
    :ivar values: those that were given, which may hold secrets; None where they aren't known.
    """

    version: str
    status: str
    since: str = ""
    values: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class InstalledChart:
    """A Helm release of one of kof's charts.

    :ivar line: the range of kof releases that its chart is of, `0.1`; None where the version says none.
    :ivar keeper: a Flux HelmRelease, `kof/kof-mothership`, that keeps it; None for anybody's.
    :ivar last: its newest revision, which may have failed, or be under way, beside the deployed one.
    """

    name: str
    version: str
    status: str
    line: str | None
    keeper: str | None = None
    last: Revision | None = None

    @property
    def newest(self) -> Revision:
        return self.last or Revision(self.version, self.status)

    def __str__(self) -> str:
        return f"{self.name} {self.version}" + ("" if self.status == "deployed" else f" ({self.status})")


@dataclass(frozen=True)
class Hindrance:
    """Why the charts that are there are not to be replaced by this release's."""

    found: str
    wanted: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found} (wanted: {self.wanted}); {self.remedy}"


def look(connection: Any, namespace: str) -> tuple[InstalledChart, ...] | None:
    """The releases of kof's charts in its namespace; None where the user may not list Secrets.

    :raises NotARelease: a Secret of such a release can't be read.
    """
    query = {"labelSelector": f"owner=helm,name in ({','.join(NAMES)}),status notin (superseded,uninstalled)"}
    try:
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
        secrets = connection.list_objects(path, query=query)[0]
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    return of_secrets(secrets, _flux_releases(connection, namespace) if secrets else {})


def of_secrets(secrets: Iterable[Mapping[str, Any]], kept: Mapping[str, str]) -> tuple[InstalledChart, ...]:
    """The releases by their Secrets: of each the deployed revision, else the last.

    :param kept: by release, the Flux HelmRelease that is known to keep it.
    """
    best: dict[str, tuple[bool, int, Any]] = {}
    last: dict[str, Any] = {}
    for secret in secrets:
        revision = decode(secret)
        name = str(revision.payload.get("name", ""))
        candidate = (revision.status == "deployed", revision.version, revision)
        if name not in best or candidate[:2] > best[name][:2]:
            best[name] = candidate
        if name not in last or revision.version > last[name].version:
            last[name] = revision
    charts = []
    for name in NAMES:
        if name in best:
            revision = best[name][2]
            charts.append(
                InstalledChart(
                    name,
                    revision.chart_version,
                    revision.status,
                    ways.line_of_chart(name, revision.chart_version, revision.manifest),
                    kept.get(name) or flux_keeper(revision.manifest),
                    _revision(last[name]),
                )
            )
    return tuple(charts)


def _revision(stored: Any) -> Revision:
    values = stored.config if isinstance(stored.config, Mapping) else None
    return Revision(stored.chart_version, stored.status, f"{stored.started:%Y-%m-%dT%H:%M:%SZ}", values)


def _flux_releases(connection: Any, namespace: str) -> dict[str, str]:
    """By Helm release in kof's namespace, the HelmRelease there that is for it."""
    try:
        group = connection.api_groups(FLUX_HELM_GROUP)
        if group is None:
            return {}
        path = f"/apis/{FLUX_HELM_GROUP}/{group['preferred']}/namespaces/{quote(namespace, safe='')}/helmreleases"
        items = connection.list_objects(path)[0]
    except ApiError as error:
        if error.status in (403, 404):
            return {}
        raise
    found = {}
    for item in items:
        name, spec = item["metadata"]["name"], item.get("spec") or {}
        target = spec.get("targetNamespace") or namespace
        release = spec.get("releaseName") or (f"{target}-{name}" if spec.get("targetNamespace") else name)
        if target == namespace:
            found[str(release)] = f"{namespace}/{name}"
    return found


def hindrances(charts: Sequence[InstalledChart], release: Release) -> list[Hindrance]:
    """Why this release may not be written over the charts that are there: a newer kof, or one of another line.

    The mothership's version decides; where there is none yet, the operators' does.
    """
    found = []
    for chart in _deciding(charts):
        wanted = parse(_version_of(chart, release) or next(iter(release.charts.values())).version)
        there = parse(chart.version)
        if wanted is None or there is None:
            continue
        if chart.line in (None, release.line) and there <= wanted:
            continue
        remedy = ways.way(chart.line or release.line, release.line, newer=there > wanted)
        kof = f"{chart} is installed, of line {chart.line}" if chart.line != release.line else f"{chart} is installed"
        ours = f"at most {wanted}, of line {release.line} (kof_version {release.version})"
        found.append(Hindrance(kof, ours, remedy))
    return found


def older(charts: Sequence[InstalledChart], release: Release) -> list[InstalledChart]:
    """The charts that this release upgrades, within their line."""
    found = []
    for chart in charts:
        wanted, there = parse(_version_of(chart, release)), parse(chart.version)
        if wanted is not None and there is not None and there < wanted:
            found.append(chart)
    return found


def kept(charts: Sequence[InstalledChart]) -> list[Hindrance]:
    """The charts that a Flux HelmRelease keeps: it would put back whatever is changed here."""
    return [
        Hindrance(
            f"Helm release {chart.name} is kept by the Flux HelmRelease {chart.keeper}",
            "nobody's, or this collection's",
            "change it there, and leave the mothership out of this run: no host in kof_mothership, or "
            "--skip-tags mothership; or suspend and remove the HelmRelease",
        )
        for chart in charts
        if chart.keeper
    ]


def _version_of(chart: InstalledChart, release: Release) -> str | None:
    """That this release has of a chart; None for one that it hasn't got."""
    return release.charts[chart.name].version if chart.name in release.charts else None


def _deciding(charts: Sequence[InstalledChart]) -> list[InstalledChart]:
    motherships = [chart for chart in charts if chart.name in MOTHERSHIPS]
    return motherships or list(charts)


def refuse_another_kof(connection: Connection, fleet: Fleet) -> None:
    """Ask anew, in whose cluster this run is about to change the charts: preflight may be hours ago, or not have been.

    :raises FleetFault: they are another fleet's, of a newer kof, or of one that this release can't follow.
    """
    namespace, mine = fleet.shared("kof_namespace"), fleet.shared("kof_fleet")
    try:
        shared_layer.refuse(connection, namespace, mine, fleet.permissions.take_over)
    except shared_layer.AnothersLayer as problem:
        raise FleetFault(f"{problem}. Nothing was changed.") from None
    try:
        charts = look(connection, namespace) or ()
    except NotARelease as problem:
        raise FleetFault(str(problem)) from None
    hindered = hindrances(charts, fleet.release)
    if hindered:
        raise FleetFault.of([str(each) for each in hindered], "what this run would install")
