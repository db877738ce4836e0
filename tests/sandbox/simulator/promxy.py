"""The promxy operator of kof 0.0 and 0.1.1, with its flaws.

It looks at PromxyServerGroups only: labelled ones of a namespace are grouped by the Secret they name, and each Secret
is rewritten. Values are put between double quotes and, at 0.1.1, not escaped; one missing credentials Secret keeps
every group of the namespace from being written; deleting the last group of a Secret leaves its old content; a changed
credentials Secret is not noticed.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping

from sandbox.simulator.api import MANAGER, ApiError, Object
from sandbox.simulator.faults import Faults
from sandbox.simulator.kinds import PROMXY_SERVER_GROUP, SECRET
from sandbox.simulator.runtime import Cluster, Later, key_of
from sandbox.simulator.texts import quote

SECRET_LABEL = "k0rdent.mirantis.com/promxy-secret-name"
REMOTE_WRITE_URL = "http://vminsert-cluster:8480/insert/0/prometheus/api/v1/write"

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class CredentialsMissing(Later):
    """A group names a Secret that isn't there, or names none."""


def parse_duration(text: str) -> int:
    """Go's time.ParseDuration, in nanoseconds. Raises ValueError as Go would refuse it (the CRD doesn't)."""
    body = text.removeprefix("-").removeprefix("+")
    if body == "0":
        return 0
    total, position = 0, 0
    while position < len(body):
        match = _DURATION.match(body, position)
        if not match:
            break
        total += round(float(match.group(1)) * _UNITS[match.group(2)])
        position = match.end()
    if not body or position != len(body):
        raise ValueError(f"time: invalid duration {text!r}")
    return -total if text.startswith("-") else total


def format_duration(nanoseconds: int) -> str:
    """Go's Duration.String(): 0s, 1.5s, 1m0s, 2h0m0s."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)

    def decimal(value: int, unit: int) -> str:
        digits = f"{value // unit}.{value % unit:0{len(str(unit)) - 1}d}" if unit > 1 else str(value)
        return digits.rstrip("0").rstrip(".") if "." in digits else digits

    for name, unit in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < unit * 1_000:
            return sign + decimal(rest, unit) + name
    seconds = decimal(rest % (60 * 10**9), 10**9)
    minutes, hours = rest // (60 * 10**9) % 60, rest // (3600 * 10**9)
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"


def render(groups: list[tuple[Object, str, str]], *, escaping: bool = False) -> str:
    """promxy's configuration for (PromxyServerGroup spec, username, password) in the given order.

    As the operator's text template: scalars in double quotes, *not escaped* but at line 0.0; booleans bare. Raises
    ValueError for a dial_timeout that Go can't parse (the operator then fails to decode the object).
    """
    quoted = quote if escaping else '"{}"'.format
    lines = [
        "global:",
        '  evaluation_interval: "5s"',
        "  external_labels:",
        '    source: "promxy"',
        "remote_write:",
        f'  - url: "{REMOTE_WRITE_URL}"',
        "promxy:",
        "  server_groups:",
    ]
    for spec, username, password in groups:
        client = spec.get("http_client") or {}
        timeout = format_duration(parse_duration(client["dial_timeout"])) if client.get("dial_timeout") else "0s"
        insecure = bool((client.get("tls_config") or {}).get("insecure_skip_verify"))
        lines += ["    - static_configs:", "        - targets:"]
        lines += [f"            - {quoted(target)}" for target in spec.get("targets") or []]
        lines += [
            f"      path_prefix: {quoted(spec.get('path_prefix', ''))}",
            f"      scheme: {quoted(spec.get('scheme', ''))}",
            "      http_client:",
            f'        dial_timeout: "{timeout}"',
            "        tls_config:",
            f"          insecure_skip_verify: {str(insecure).lower()}",
            "        basic_auth:",
            f"          username: {quoted(username)}",
            f"          password: {quoted(password)}",
            "      labels:",
            f"        promxyCluster: {quoted(spec.get('cluster_name', ''))}",
        ]
    return "\n".join(lines) + "\n"


def credentials(spec: Object, read: Callable[[str], Mapping[str, str] | None]) -> tuple[str, str]:
    """Username and password of a group; keys that its Secret lacks are empty. Raises CredentialsMissing."""
    auth = (spec.get("http_client") or {}).get("basic_auth") or {}
    name = auth.get("credentials_secret_name", "")
    data = read(name) if name else None
    if data is None:
        raise CredentialsMissing(f"cannot read auth credentials secret {name!r}")

    def value(key: str) -> str:
        return base64.b64decode(data.get(auth.get(key, ""), "")).decode(errors="replace")

    return value("username_key"), value("password_key")


class PromxyOperator:
    """Reconciles all labelled PromxyServerGroups of a namespace on any event of one of them."""

    def __init__(self, cluster: Cluster, faults: Faults, *, escaping: bool = False) -> None:
        self._api = cluster.api
        self._faults, self._overslept = faults, set[str]()
        self._escaping = escaping
        self._groups = cluster.informer(PROMXY_SERVER_GROUP)
        self._queue = queue = cluster.queue("promxy", self.reconcile)

        def changed(old: Object | None, new: Object | None) -> None:
            queue.add(key_of(new or old or {})[0])

        self._groups.on_change(changed)

    def recheck(self) -> None:
        """Faults changed. Whoever didn't sleep notices nothing of it, and of a changed Secret neither."""
        for namespace in list(self._overslept):
            self._queue.add(namespace)

    def reconcile(self, namespace: str) -> None:
        if "promxy" in self._faults.current().asleep:
            self._overslept.add(namespace)
            return
        self._overslept.discard(namespace)
        by_secret: dict[str, list[Object]] = {}
        groups = self._groups.all(namespace)
        random.shuffle(groups)  # the operator's cache has no order either
        for group in groups:
            secret = (group["metadata"].get("labels") or {}).get(SECRET_LABEL)
            if secret:
                by_secret.setdefault(secret, []).append(group.get("spec", {}))

        def read(name: str) -> Mapping[str, str] | None:
            secret = self._api.get(SECRET, namespace, name)
            return None if secret is None else secret.get("data") or {}

        for secret, specs in by_secret.items():
            text = render([(spec, *credentials(spec, read)) for spec in specs], escaping=self._escaping)
            self._write(namespace, secret, text)

    def _write(self, namespace: str, name: str, text: str) -> None:
        data = {"config.yaml": base64.b64encode(text.encode()).decode()}
        labels = {"app.kubernetes.io/managed-by": "promxy-operator"}
        live = self._api.get(SECRET, namespace, name)
        if live is None:
            wanted: Object = {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "type": "Opaque"}
            try:
                self._api.create(
                    SECRET, {"apiVersion": "v1", "kind": "Secret", **wanted, "data": data}, manager=MANAGER
                )
            except ApiError as error:
                if not error.conflict:
                    raise
            return
        live["metadata"]["labels"] = labels
        live["data"] = {**(live.get("data") or {}), **data}
        self._api.replace(SECRET, live, manager=MANAGER)
