# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether metrics, logs and costs of each child arrive at its own regional, and both regions answer through promxy.

Pure but for what it is given to ask by: each regional's vmauth is asked as Grafana asks it, with the stored login. What
a finding means is kof/findings.py.

The queries are VictoriaMetrics' own (MetricsQL, LogsQL): `tlast_over_time` is the time of the newest sample in a range,
so that a cluster that is silent now is told apart from one that never sent; `latency_offset` has samples seen that are
younger than the 30 s which a query hides by default.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Dashboard, Paths
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, from_json
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]

#: What arrives, and by which it is told in a sentence.
METRICS, LOGS, COSTS = "metrics", "logs", "costs"
KINDS = (METRICS, LOGS, COSTS)
#: Seconds beyond which the newest data of each kind is too old, where nobody says otherwise.
AGES: Mapping[str, int] = {METRICS: 300, LOGS: 900, COSTS: 900}
_PROMXY = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", re.ASCII)
#: What would be right for promxy's address.
ADDRESS = "for example http://localhost:8082, after kubectl port-forward -n kof svc/kof-mothership-promxy 8082:8082"
#: The label of a metric that names its cluster, at lines 0.0 and 0.1.
CLUSTER_LABEL = "clusterName"
#: By kind: the collectors' exporter, its key that is the address, and the path that kof means.
_EXPORTERS: Mapping[str, Callable[[Paths], tuple[str, str, str]]] = {
    METRICS: lambda paths: ("prometheusremotewrite", "endpoint", paths.write_metrics),
    COSTS: lambda paths: ("prometheusremotewrite", "endpoint", paths.write_metrics),
    LOGS: lambda paths: ("otlphttp", "logs_endpoint", paths.write_logs),
}
#: How far back is looked: who was silent for longer never sent, as far as this knows.
RANGE = "1d"
#: Pods that one query of logs asks for.
PODS_AT_ONCE = 500
#: Regionals that are asked at a time.
AT_ONCE = 16

_MISSING_CODES = {METRICS: "metrics-missing", LOGS: "logs-missing", COSTS: "costs-missing"}
_STALE_CODES = {METRICS: "metrics-stale", LOGS: "logs-stale", COSTS: "costs-stale"}
_WAY_CODES = {"name": "vmauth-name-unknown", "certificate": "vmauth-certificate-not-trusted"}

_NEWEST = "max by (%s) (tlast_over_time(%s[" + RANGE + "]))"
#: A series that every scrape makes; one that OpenCost alone makes.
_SERIES = {METRICS: "up", COSTS: "node_total_hourly_cost"}


#: (url, form, user and password) -> HTTP status and body; a GET where there is no form. Raises NoAnswer.
Ask = Callable[[str, "Mapping[str, str] | None", "tuple[str, str] | None"], "tuple[int, bytes]"]


def seconds(said: Any) -> None:
    """Whether it can be the age of data; nothing said can.

    :raises ValueError: it can't. What was said is never quoted.
    """
    plain = str(said)
    if said in ("", None) or (not isinstance(said, bool) and re.fullmatch(r"[1-9][0-9]{0,8}", plain, re.ASCII)):
        return
    raise ValueError("is no whole number of 1 or more")


def address(said: Any, whose: str = "promxy") -> None:
    """Whether it can be the address of somebody's API; nothing said can.

    :raises ValueError: it can't. It may hold a login and is never quoted.
    """
    if said not in ("", None) and not _PROMXY.fullmatch(str(said)):
        raise ValueError(f"is no address of {whose}'s API: http or https, without login, query or fragment")


@dataclass(frozen=True)
class Regional:
    """A regional cluster.

    :ivar cluster: its name, as promxy calls it.
    :ivar login: user and password of its vmauth, as the management cluster stores them.
    """

    host: str
    cluster: str
    domain: str
    login: tuple[str, str] = field(repr=False)


@dataclass(frozen=True)
class Child:
    """A child cluster that has its collectors.

    :ivar cluster: its name, as its metrics carry it.
    :ivar regional: host of its regional.
    :ivar pods: UIDs of its pods, by which its logs are known; None where nobody looked inside.
    :ivar collectors: its OpenTelemetryCollectors; None likewise.
    :ivar kinds: what it is to send.
    """

    host: str
    cluster: str
    regional: str
    pods: Sequence[str] | None = None
    collectors: Sequence[Object] | None = field(default=None, repr=False)
    kinds: Sequence[str] = KINDS


@dataclass(frozen=True)
class Seen:
    """What was found of a host: a code of kof/findings.py, and what is so."""

    code: str
    host: str
    what: str
    why: str
    since: str = ""


@dataclass
class Looked:
    """
    :ivar ages: by the child's host and kind, seconds since the newest sample at its own regional; None where there is
        none in a day.
    :ivar findings: what isn't as it should be.
    :ivar not_looked_at: what couldn't be asked, and why it is no finding.
    """

    ages: dict[str, dict[str, float | None]] = field(default_factory=dict)
    findings: list[Seen] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)


def look(
    regionals: Sequence[Regional],
    children: Sequence[Child],
    ask: Ask,
    paths: Paths,
    *,
    now: Callable[[], float],
    limits: Mapping[str, float],
    promxy: str = "",
    dashboards: Sequence[Dashboard] = (),
) -> Looked:
    """Ask every regional what arrived of which child.

    :param now: seconds since 1970, of the clock that ages are told by.
    :param limits: by kind, the age in seconds beyond which the newest sample is too old.
    :param promxy: address of promxy's API; empty where it can't be asked from here.
    :param dashboards: that promxy is to have data for.
    """
    return _Look(regionals, children, ask, paths, now, limits).told(promxy, dashboards)


@dataclass
class _Arrived:
    """What a regional has: times of newest samples (seconds since 1970) by kind, then by cluster, or pod for logs."""

    newest: dict[str, dict[str, float]] = field(default_factory=dict)
    refusals: dict[str, float] = field(default_factory=dict)


class _Refused(Exception):
    """An answer that isn't what was asked for.

    :ivar for_all: every other question would be answered so.
    """

    def __init__(self, *, code: str, why: str, for_all: bool = False) -> None:
        super().__init__(why)
        self.code, self.for_all = code, for_all


@dataclass
class _Look:
    regionals: Sequence[Regional]
    children: Sequence[Child]
    ask: Ask
    paths: Paths
    now: Callable[[], float]
    limits: Mapping[str, float]
    looked: Looked = field(default_factory=Looked)
    arrived: dict[str, _Arrived] = field(default_factory=dict)

    def told(self, promxy: str, dashboards: Sequence[Dashboard]) -> Looked:
        # One that is away takes as long as its time-outs.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for findings in pool.map(self._regional, self.regionals):
                self.looked.findings += findings
            # A child may send to the wrong one; only of those whose logs aren't at home so many names are sent around.
            lost = [child for child in self.children if LOGS in child.kinds and not self._at_home(child)]
            list(pool.map(functools.partial(self._stray_logs, lost), self.regionals))
        for child in self.children:
            self._child(child)
        if promxy and self._promxy(promxy):
            self._dashboards(promxy, dashboards)
        return self.looked

    # -- regionals

    def _regional(self, regional: Regional) -> list[Seen]:
        """Whether it answers, and what has arrived there: metrics of any cluster, logs of its own children."""
        found = self.arrived.setdefault(regional.host, _Arrived())
        pods = _pods(child for child in self.children if child.regional == regional.host)
        findings: list[Seen] = []
        told: set[str] = set()
        for kind in KINDS:
            try:
                if kind == LOGS:
                    found.newest[kind] = self._newest_logs(regional, pods)
                else:
                    found.newest[kind] = self._newest_metrics(regional, _SERIES[kind])
            except _Refused as refusal:
                if str(refusal) not in told:
                    told.add(str(refusal))
                    what = f"https://{vmauth_of(regional.domain)}"
                    findings.append(Seen(code=refusal.code, host=regional.host, what=what, why=str(refusal)))
                if refusal.for_all:
                    break
        if found.newest:
            found.refusals = self._refusals(regional)
        return findings

    def _at_home(self, child: Child) -> bool:
        """Whether its logs are at its own regional, or that one can't tell."""
        asked = LOGS in self.arrived.get(child.regional, _Arrived()).newest
        return not asked or self._fresh(child, LOGS, child.regional)

    def _stray_logs(self, lost: Sequence[Child], regional: Regional) -> None:
        pods = _pods(child for child in lost if child.regional != regional.host)
        there = self.arrived[regional.host].newest.get(LOGS)
        if pods and there is not None:
            with contextlib.suppress(_Refused):  # it has just answered, and what is wrong with it isn't the child's
                there.update(self._newest_logs(regional, pods))

    def _newest_metrics(self, regional: Regional, series: str) -> dict[str, float]:
        query = _NEWEST % (CLUSTER_LABEL, series)
        text = self._answer(regional, f"{self.paths.read_metrics}/api/v1/query", {"query": query})
        found = _vector(text, CLUSTER_LABEL)
        if found is None:
            raise _Refused(code="vmauth-answer-unknown", why=f"{METRICS}: an answer that isn't Prometheus'")
        return found

    def _newest_logs(self, regional: Regional, pods: Sequence[str]) -> dict[str, float]:
        found: dict[str, float] = {}
        # Also without a pod: whether it answers is a question of its own.
        for begin in range(0, max(len(pods), 1), PODS_AT_ONCE):
            named = ",".join(json.dumps(uid) for uid in pods[begin : begin + PODS_AT_ONCE])
            query = f"_time:{RANGE} k8s.pod.uid:in({named}) | stats by (k8s.pod.uid) max(_time) newest"
            text = self._answer(regional, f"{self.paths.read_logs}/select/logsql/query", {"query": query})
            try:
                for line in filter(None, text.splitlines()):
                    row = from_json(line)
                    found[row["k8s.pod.uid"]] = _seconds(row["newest"])
            except (ValueError, KeyError, TypeError, OverflowError):
                why = f"{LOGS}: an answer that isn't VictoriaLogs'"
                raise _Refused(code="vmauth-answer-unknown", why=why) from None
        return found

    def _answer(self, regional: Regional, path: str, form: Mapping[str, str]) -> bytes:
        """The body. Raises _Refused with the code of what is wrong."""
        url, kind = f"https://{vmauth_of(regional.domain)}{path}", LOGS if "logsql" in path else METRICS
        try:
            status, body = self.ask(url, {**form, "latency_offset": "1ms"}, regional.login)
        except NoAnswer as reason:
            code = _WAY_CODES.get(reason.kind, "vmauth-not-reached")
            raise _Refused(code=code, why=str(reason), for_all=True) from None
        if status in (401, 403):
            why = f"HTTP {status}: it doesn't take the stored login"
            raise _Refused(code="vmauth-login-refused", why=why, for_all=True)
        if status in (400, 404):
            raise _Refused(code="vmauth-route-missing", why=f"{kind}: HTTP {status}: it has no route for {path}")
        if status in (502, 503, 504):
            why = f"{kind}: HTTP {status}: vmauth runs, and what stores {kind} doesn't"
            raise _Refused(code="store-not-reached", why=why)
        if status != 200:
            raise _Refused(code="vmauth-answer-unknown", why=f"{kind}: HTTP {status}")
        return body

    def _refusals(self, regional: Regional) -> dict[str, float]:
        """vmauth's own counters of what it refused, by reason; empty where it doesn't show them."""
        try:
            status, body = self.ask(f"https://{vmauth_of(regional.domain)}/metrics", None, None)
        except NoAnswer:
            return {}
        text = body.decode("utf-8", "replace") if status == 200 else ""
        rows = re.findall(r'^vmauth_http_request_errors_total\{reason="(\w+)"\} (\d+)$', text, re.MULTILINE)
        return {reason: float(count) for reason, count in rows}

    # -- children

    def _child(self, child: Child) -> None:
        regional = next((each for each in self.regionals if each.host == child.regional), None)
        ages: dict[str, float | None] = {}
        self.looked.ages[child.host] = ages
        here = self.arrived.get(child.regional, _Arrived()).newest
        for kind in child.kinds:
            if kind == LOGS and child.pods is None:
                self.looked.not_looked_at.append(f"{child.host}: logs: nobody looked which pods it has")
                continue
            if regional is None or kind not in here:
                continue  # told of the regional
            newest = self._newest(child, kind, child.regional)
            # A clock that is behind the regional's makes nothing younger than now.
            age = ages[kind] = None if newest is None else max(0.0, self.now() - newest)
            if age is not None and age <= self.limits[kind]:
                continue
            code, why = _MISSING_CODES[kind], f"none of the last day at its regional {child.regional}"
            if age is not None:
                code, why = _STALE_CODES[kind], f"the newest at {child.regional} is {_words(age)} old"
            others = (each.host for each in self.regionals if each.host != child.regional)
            elsewhere = [host for host in others if self._fresh(child, kind, host)]
            if elsewhere:
                code, why = "data-in-another-region", f"{why}, but it arrives at {some(elsewhere)}"
            age = ages[kind]
            since = "" if age is None else _stamp(self.now() - age)
            self._add(
                code=code, host=child.host, what=kind, why=f"{why}; {self._cause(child, regional, kind)}", since=since
            )

    def _newest(self, child: Child, kind: str, host: str) -> float | None:
        times = self.arrived.get(host, _Arrived()).newest.get(kind, {})
        if kind == LOGS:
            return max((times[uid] for uid in child.pods or () if uid in times), default=None)
        return times.get(child.cluster)

    def _fresh(self, child: Child, kind: str, host: str) -> bool:
        newest = self._newest(child, kind, host)
        return newest is not None and self.now() - newest <= self.limits[kind]

    def _cause(self, child: Child, regional: Regional, kind: str) -> str:
        """Why nothing arrives, where its collectors' configuration or the regional shows it; else where to look."""
        if child.collectors is None:
            return "; ".join([*self._shown_by(regional), _CANDIDATES])
        if not child.collectors:
            return "it has no OpenTelemetryCollector: service kof-collectors isn't on it"
        exporter, key, path = _EXPORTERS[kind](self.paths)
        wanted = f"https://{vmauth_of(regional.domain)}{path}"
        found: dict[str, None] = {}
        for each in child.collectors:
            config = dig(each, ("spec", "config"))
            to = dig(config, ("exporters", exporter, key))
            if to not in (None, wanted):
                found[f"its collectors send them to {to}, not to {wanted}"] = None
            name = str(dig(config, ("exporters", exporter, "auth", "authenticator")))
            login = dig(config, ("extensions", name, "client_auth"))
            if login and (dig(login, ("username",)), dig(login, ("password",))) != regional.login:
                found[_OTHER_LOGIN] = None
        return "; ".join(found or [_CANDIDATES])

    def _shown_by(self, regional: Regional) -> list[str]:
        refused = self.arrived[regional.host].refusals
        told = {
            "invalid_auth_token": "a login that isn't its own",
            "missing_route": "a path that it has no route for",
        }
        return [
            f"vmauth of {regional.host} has refused {what} {refused[reason]:g} times since it runs"
            for reason, what in told.items()
            if refused.get(reason)
        ]

    # -- promxy

    def _promxy(self, address: str) -> bool:
        """Each region has to answer through it. Whether it answers at all."""
        # Steps of 5 minutes don't see what has been sending for less.
        of_a_day = f"max_over_time(timestamp(up)[{RANGE}:5m])"
        query = f"max by (promxyCluster) (timestamp(up)) or max by (promxyCluster) ({of_a_day})"
        try:
            status, body = self.ask(f"{address}/api/v1/query", {"query": query}, None)
        except NoAnswer as reason:
            self._add(code="promxy-not-reached", host="", what=address, why=str(reason))
            return False
        found = _vector(body, "promxyCluster") if status == 200 else None
        if found is None:
            # One region that doesn't answer fails the query of all: it has been told then.
            away = [each.host for each in self.regionals if METRICS not in self.arrived[each.host].newest]
            if away:
                self.looked.not_looked_at.append(f"promxy: it answers no query as long as {some(away)} doesn't")
            else:
                self._add(code="promxy-query-failed", host="", what=address, why=f"HTTP {status}{_error_of(body)}")
            return False
        for regional in self.regionals:
            if regional.cluster not in found and self.arrived[regional.host].newest.get(METRICS):
                why = "promxy has no series of this region, and the region itself has some"
                self._add(code="promxy-lacks-region", host=regional.host, what=regional.cluster, why=why)
        return True

    def _dashboards(self, address: str, dashboards: Sequence[Dashboard]) -> None:
        """Where something arrives, each has to have something to choose from."""
        sent = {kind for ages in self.looked.ages.values() for kind, age in ages.items() if age is not None}
        known: dict[tuple[str, str], bool | None] = {}
        for each in dashboards:
            if (COSTS if each.costs else METRICS) not in sent:
                continue
            for variable, series, label in each.variables:
                if (series, label) not in known:
                    known[series, label] = self._any(address, f'{series}{{{label}!=""}}')
                if known[series, label] is False:
                    why = f"its variable {variable}, label_values({series}, {label}), finds nothing through promxy"
                    self._add(code="dashboard-without-data", host="", what=each.title, why=why)
                    break

    def _any(self, address: str, series: str) -> bool | None:
        """Whether promxy has any; None where it doesn't say."""
        try:
            status, body = self.ask(f"{address}/api/v1/query", {"query": f"count({series})"}, None)
        except NoAnswer:
            return None
        found = _vector(body, "") if status == 200 else None
        return None if found is None else bool(found)

    def _add(self, *, code: str, host: str, what: str, why: str, since: str = "") -> None:
        self.looked.findings.append(Seen(code=code, host=host, what=what, why=why, since=since))


_OTHER_LOGIN = (
    "its collectors have another login than the management cluster stores: they keep the one that was there when "
    "kof-collectors was installed"
)
_CANDIDATES = (
    "what can be the reason: its collectors don't run, don't trust the regional's certificate, can't resolve its name, "
    "or reach it through no firewall; their logs tell"
)


def _pods(children: Iterable[Child]) -> list[str]:
    return [uid for child in children for uid in child.pods or ()]


#: Seconds since 1970 that no clock will show.
_NEVER = 1e11


def _vector(text: bytes, label: str) -> dict[str, float] | None:
    """Values of an instant query by a label; None for what isn't its answer."""
    try:
        answer = from_json(text)
        rows = answer["data"]["result"] if answer["status"] == "success" else None
        if rows is None:
            return None
        found = {row["metric"].get(label, ""): float(row["value"][1]) for row in rows}
        return {name: each for name, each in found.items() if 0 <= each < _NEVER}  # nor what is no number
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError):
        return None


def _error_of(text: bytes) -> str:
    """What a Prometheus API says of a query that failed, in short."""
    try:
        return f": {from_json(text)['error']}"[:300]
    except (ValueError, KeyError, TypeError):
        return ""


def _seconds(stamp: str) -> float:
    """RFC 3339, with up to nine digits of a second's parts."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", stamp)
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _words(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60)} s"
