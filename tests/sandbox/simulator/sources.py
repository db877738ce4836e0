"""Whether a chart is in its registry or repository, asked as Flux's source-controller asks; and the stand-ins for the
public ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

import urllib3
import yaml

#: Where the guides' charts are published: OCI, and cert-manager's own repository. The sandbox has no way out, so these
#: addresses lead to its own.
PUBLIC, JETSTACK = "oci://ghcr.io/k0rdent/", "https://charts.jetstack.io/"
#: A public place and the own one for it, both with a slash at the end.
StandIns = Mapping[str, str]

_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class ChartMissing(Exception):
    """The chart can't be had; the text is what ends up in a template's validationError."""


@dataclass(frozen=True)
class ChartSource:
    """Where helm gets a chart: an `oci://` reference, or its name and the address of its repository with an index.

    :ivar plain_http: as the HelmRepository says it.
    """

    reference: str
    plain_http: bool
    repository: str = ""


def stand_ins(endpoints: Mapping[str, Any]) -> StandIns:
    """Of a sandbox, by its endpoints.json."""
    found = {}
    if registry := endpoints.get("registry"):
        found[PUBLIC] = f"oci://{registry}/"
    if index := endpoints.get("index"):
        found[JETSTACK] = f"{index}/jetstack/"
    return found


def source(url: str, chart: str, insecure: bool, instead: StandIns) -> ChartSource:
    """The place of `chart` under a HelmRepository's url."""
    for public, own in instead.items():
        if (url + "/").startswith(public):
            url, insecure = own + url[len(public) :], True
    url = url.rstrip("/")
    return ChartSource(f"{url}/{chart}", insecure) if url.startswith("oci:") else ChartSource(chart, insecure, url)


def same_version(one: str, other: str) -> bool:
    """Whether two texts mean one version: a `v` before it doesn't count."""
    return one.removeprefix("v") == other.removeprefix("v")


def _order(version: str) -> tuple[int, ...]:
    """For sorting; nothing that is no release sorts above one."""
    parts = version.removeprefix("v").split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(part.isdigit() for part in parts) else ()


class Registry:
    """Asks for charts over keep-alive connections."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=10.0)
        self._indexes: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def check(self, chart: ChartSource, version: str) -> str:
        """The version that is there for the one asked for. Raises ChartMissing with the reason."""
        if chart.repository:
            return self._of_index(chart, version)
        host, _, repository = chart.reference.removeprefix("oci://").partition("/")
        # An OCI tag can't hold a plus; helm writes an underscore.
        tag = quote(version.replace("+", "_"), safe="")
        url = f"{'http' if chart.plain_http else 'https'}://{host}/v2/{repository}/manifests/{tag}"
        what = f"chart {chart.reference!r} version {version!r}"
        try:
            answer = self._pool.request("GET", url, headers={"Accept": _MANIFESTS})
        except urllib3.exceptions.HTTPError as error:
            raise ChartMissing(f"failed to get {what}: {error}") from error
        if answer.status != 200:
            reason = "not found" if answer.status == 404 else f"unexpected status code {answer.status}"
            raise ChartMissing(f"chart pull error: failed to get {what}: {reason}")
        return version

    def index(self, repository: str) -> dict[str, Any]:
        """The entries of a repository's index. Raises ChartMissing."""
        data = self._fetch("GET", f"{repository}/index.yaml", "failed to fetch Helm repository index: ")
        known = self._indexes.get(repository)
        if known is None or known[0] != data:  # parsed once: a thousand clusters ask for the same
            parsed = yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            known = self._indexes[repository] = (data, parsed["entries"])
        return known[1]

    def _of_index(self, chart: ChartSource, version: str) -> str:
        releases = self.index(chart.repository).get(chart.reference) or []
        if version in ("", "*"):
            fitting = sorted(releases, key=lambda each: _order(str(each["version"])), reverse=True)
        else:
            fitting = [each for each in releases if same_version(str(each["version"]), version)]
        if not fitting:
            raise ChartMissing(
                "invalid chart reference: failed to get chart version for remote reference: "
                f"no '{chart.reference}' chart with version matching '{version}' found"
            )
        place = urljoin(f"{chart.repository}/", fitting[0]["urls"][0])
        self._fetch("HEAD", place, "chart pull error: failed to download chart for remote reference: ")
        return str(fitting[0]["version"])

    def _fetch(self, method: str, url: str, problem: str) -> bytes:
        try:
            answer = self._pool.request(method, url, retries=urllib3.Retry(connect=0, read=0, redirect=3))
        except urllib3.exceptions.HTTPError as error:
            raise ChartMissing(f"{problem}failed to fetch {url} : {error}") from error
        if answer.status != 200:
            raise ChartMissing(f"{problem}failed to fetch {url} : {answer.status} {answer.reason}")
        return answer.data
