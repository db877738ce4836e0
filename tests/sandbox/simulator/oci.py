"""Whether a chart is in its registry, asked as Flux's source-controller asks; and the stand-in for ghcr.io."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import urllib3

#: Where the guides' charts are published. The sandbox has no way out, so these addresses lead to its own registry.
PUBLIC = "oci://ghcr.io/k0rdent/"

_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class ChartMissing(Exception):
    """The chart can't be had; the text is what ends up in a template's validationError."""


@dataclass(frozen=True)
class ChartSource:
    """Where helm gets a chart: an `oci://` reference, and whether over plain HTTP."""

    reference: str
    plain_http: bool


def source(url: str, chart: str, insecure: bool, registry: str | None) -> ChartSource:
    """The place of `chart` under a HelmRepository's url; `registry` (host:port) serves ghcr.io/k0rdent."""
    if registry and (url + "/").startswith(PUBLIC):
        return ChartSource(f"oci://{registry}/{url[len(PUBLIC) :].strip('/')}/{chart}", True)
    return ChartSource(f"{url.rstrip('/')}/{chart}", insecure)


class Registry:
    """Asks OCI registries for charts over keep-alive connections."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=10.0)

    def check(self, chart: ChartSource, version: str) -> None:
        """Return if the chart is there in that version. Raises ChartMissing with the reason."""
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
