"""Packages the stand-in charts, pushes them to the sandbox's OCI registry or puts them into repositories with an index.

May know the charts' folders, which CRDs each chart brings and where the real charts are published. May not know
what is in a chart.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import yaml

from sandbox import binaries
from sandbox.chart_index import ASSETS, MOVED
from sandbox.lines import LINE_0_0, LINE_0_1, Line

_HERE = pathlib.Path(__file__).resolve().parent
CHARTS = _HERE / "charts"
CRDS = _HERE / "crds"
#: In a work folder: digests of what was pushed.
_NOTE = "pushed.json"
#: Of how many sets of charts a registry's files are kept.
_KEPT = 12


@dataclass(frozen=True)
class Chart:
    """A stand-in chart and where it goes.

    ``repository`` is the path in the registry, the same as in the real one (ghcr.io/k0rdent/<repository>); with
    ``http`` it is a repository with an index. ``variant`` may be a folder of the chart's, whose files are laid over
    the others.
    ``crds`` are files under tests/sandbox/crds which helm installs once (the chart's crds/ folder). ``files`` are those
    which templates render: of the chart itself ("") or of a subchart, by its name. ``lines`` is the size to which the
    files' CRDs are grown.
    """

    name: str
    version: str
    repository: str
    crds: Sequence[str] = ()
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: int = 0
    variant: str = ""
    http: bool = False


#: Of kof-operators 0.1.1's manifest; and of one that has all that is ugly in it, in a few fields of each CRD.
REAL_LINES, SMALL_LINES = 22_800, 400

_GRAFANA = "charts/grafana.integreatly.org.yaml"
_VICTORIA_METRICS = "charts/operator.victoriametrics.com.yaml"

ALL: tuple[Chart, ...] = (
    Chart(
        "kof-operators",
        "0.1.1",
        "kof/charts",
        files={
            "prometheus-operator-crds": ("charts/monitoring.coreos.com.yaml",),
            "opentelemetry-operator": ("charts/opentelemetry.io.yaml",),
        },
        lines=REAL_LINES,
    ),
    Chart(
        "kof-mothership",
        "0.1.1",
        "kof/charts",
        crds=("charts/kof.k0rdent.mirantis.com.yaml", _GRAFANA, _VICTORIA_METRICS),
    ),
    Chart("kof-storage", "0.1.1", "kof/charts", crds=(_GRAFANA, _VICTORIA_METRICS)),
    Chart("kof-collectors", "0.1.1", "kof/charts"),
    Chart("cert-manager", "1.16.2", "catalog/charts", files={"": ("cert-manager.io.yaml",)}),
    Chart("ingress-nginx", "4.11.3", "catalog/charts"),
)


def _of_line_0_0(chart: Chart) -> tuple[Chart, ...]:
    """What line 0.0 has instead: kof's own charts and cert-manager's, and what kcm 0.0.7 wraps itself."""
    if chart.repository == "kof/charts":
        return (replace(chart, version=LINE_0_0.kof, repository="kof", variant="0.0", http=True),)
    wrapped = replace(chart, repository="kcm/charts")
    if chart.name == "cert-manager":
        return (wrapped, replace(chart, version="v1.16.1", repository="jetstack", variant="0.0", http=True))
    return (wrapped,)


OF_LINE: Mapping[str, tuple[Chart, ...]] = {
    LINE_0_1.name: ALL,
    LINE_0_0.name: tuple(made for chart in ALL for made in _of_line_0_0(chart)),
}


def of_line(line: Line, small: bool = False) -> tuple[Chart, ...]:
    """The charts of a line, grown to their real size or to a small one."""
    found = OF_LINE[line.name]
    return tuple(replace(each, lines=min(each.lines, SMALL_LINES)) for each in found) if small else found


class ChartPackagingFailed(Exception):
    """helm could not package or push a chart; the message holds helm's own words."""


@dataclass
class _Helm:
    """helm with every folder of its own below ``home``, so that nobody's registry login or repository list takes
    part."""

    binary: pathlib.Path
    home: pathlib.Path
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
            "HELM_REGISTRY_CONFIG": str(self.home / "config" / "registry.json"),
        }

    def __call__(self, *arguments: str) -> str:
        ran = subprocess.run(
            [str(self.binary), *arguments], env=dict(self.environment), capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise ChartPackagingFailed(f"helm {' '.join(arguments)}: {ran.stderr.strip() or ran.stdout.strip()}")
        return ran.stdout


def assemble(chart: Chart, folder: pathlib.Path) -> pathlib.Path:
    """Lays the chart out in ``folder``/<name> with the shared templates and its CRDs, ready for helm; returns that
    path.

    A folder that is there already is replaced.
    """
    target = folder / chart.name
    shutil.rmtree(target, ignore_errors=True)
    variants = {made.variant for charts in OF_LINE.values() for made in charts if made.variant}
    shutil.copytree(CHARTS / chart.name, target, ignore=shutil.ignore_patterns(*variants))
    if chart.variant:
        if (CHARTS / chart.name / chart.variant).exists():
            shutil.copytree(CHARTS / chart.name / chart.variant, target, dirs_exist_ok=True)
        about = yaml.safe_load((target / "Chart.yaml").read_text()) | {"version": chart.version}
        (target / "Chart.yaml").write_text(yaml.safe_dump(about | {"appVersion": chart.version}))
    (target / "templates").mkdir(exist_ok=True)  # a chart of subcharts only has none, and git keeps no empty folder
    shutil.copy(CHARTS / "shared" / "_workloads.tpl", target / "templates" / "_workloads.tpl")
    places = {"crds": chart.crds}
    places |= {f"charts/{name}/files" if name else "files": files for name, files in chart.files.items()}
    for place, names in places.items():
        for name in names:
            (target / place).mkdir(exist_ok=True)
            shutil.copy(CRDS / name, target / place / pathlib.Path(name).name)
    if chart.lines:
        _grow([target / place / pathlib.Path(name).name for place in places for name in places[place]], chart.lines)
    return target


def _grow(files: Sequence[pathlib.Path], lines: int) -> None:
    """Gives every CRD of the files as many more fields below `spec` as make `lines` lines of all files.

    The fields are like those of the Prometheus operator: long texts, and an enum with an unquoted `=`, as
    controller-gen writes it: text for helm and kubectl, though YAML 1.1 has a type of its own for it.
    """
    anchor = f"\n{' ' * 12}spec:\n"
    texts = {path: path.read_text() for path in files}
    fields = (lines - sum(text.count("\n") for text in texts.values())) // _FIELD.count("\n")
    crds = sum(text.count(anchor) for text in texts.values())
    added = "".join(_FIELD.format(number=number) for number in range(fields // crds))
    for path, text in texts.items():
        head, *rest = text.split(anchor)
        grown = [_with_fields(part, added) for part in rest]
        path.write_text(anchor.join([head, *grown]))


def _with_fields(spec: str, added: str) -> str:
    """The text behind `spec:` of a CRD with more fields, beside those that it has."""
    properties = f"{' ' * 14}properties:\n"
    before, found, behind = spec.partition(properties)
    # Of this CRD, not of the next in the file, whose metadata begins at the margin.
    if found and "\n---" not in before:
        return before + properties + added + behind
    return properties + added + spec


_FIELD = """\
                matcher{number}:
                  description: |-
                    Matcher {number} selects what the operator looks at: a label's name, how it is compared, and with
                    what. It's taken as it is written; `{{{{ braces }}}}` and "quotes" aren't looked into.

                    More info: https://prometheus.io/docs/prometheus/latest/querying/basics/#time-series-selectors
                  properties:
                    matchType:
                      description: How the value is compared.
                      enum:
                        - '!='
                        - =
                        - =~
                        - '!~'
                      type: string
                    name:
                      description: Label to match.
                      minLength: 1
                      type: string
                    value:
                      type: string
                  type: object
"""


def package(helm: pathlib.Path, chart: Chart, work: pathlib.Path) -> pathlib.Path:
    """Packages one chart below ``work``; returns the .tgz. Raises ChartPackagingFailed."""
    packages = work / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    _Helm(helm, work / "helm")("package", str(assemble(chart, work / "assembled")), "--destination", str(packages))
    return packages / f"{chart.name}-{chart.version}.tgz"


def push_all(
    helm: pathlib.Path, registry: str, work: pathlib.Path, line: Line = LINE_0_1, small: bool = False
) -> list[str]:
    """Packages the charts of a line and pushes them to ``registry`` ("127.0.0.1:PORT", plain HTTP); returns the names
    of those it pushed.

    What the registry holds already, made of the same files, is left alone. ``work`` keeps the packages and a note
    of what was pushed. Raises ChartPackagingFailed.
    """
    work.mkdir(parents=True, exist_ok=True)
    note = work / _NOTE
    pushed: dict[str, str] = json.loads(note.read_text()) if note.exists() else {}
    done = []
    for chart in of_line(line, small):
        if chart.http:
            continue
        content = _content_digest(chart)
        if pushed.get(chart.name) == content and _is_in_registry(registry, chart):
            continue
        archive = package(helm, chart, work)
        _Helm(helm, work / "helm")("push", str(archive), f"oci://{registry}/{chart.repository}", "--plain-http")
        pushed[chart.name] = content
        note.write_text(json.dumps(pushed, indent=1, sort_keys=True))
        done.append(chart.name)
    return done


def restore(line: Line, small: bool, data: pathlib.Path, work: pathlib.Path) -> None:
    """Put what an earlier sandbox pushed, of the same files, into the folder of a registry that is still empty, and the
    note of it into ``work``: `push_all` then finds it all there."""
    kept = _kept(line, small)
    if data.exists() or not kept.is_dir():
        return
    try:
        shutil.copytree(kept / "data", data)
        work.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept / _NOTE, work / _NOTE)
    except OSError:  # another has just tidied up there: then it's pushed
        shutil.rmtree(data, ignore_errors=True)


def keep(line: Line, small: bool, data: pathlib.Path, work: pathlib.Path) -> None:
    """Keep what `push_all` has pushed for the sandboxes to come, whole or not at all."""
    kept = _kept(line, small)
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = pathlib.Path(tempfile.mkdtemp(dir=kept.parent, prefix=".charts-"))
    try:
        shutil.copytree(data, unfinished / "data")
        shutil.copy(work / _NOTE, unfinished / _NOTE)
        with contextlib.suppress(OSError):  # another was quicker
            unfinished.rename(kept)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for old in sorted(kept.parent.glob("charts-*"), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _kept(line: Line, small: bool) -> pathlib.Path:
    """Where the registry's files for these charts are kept."""
    how = pathlib.Path(__file__).read_text(encoding="utf-8")
    parts = [how, binaries.HELM, binaries.DISTRIBUTION, *map(_content_digest, of_line(line, small))]
    return binaries.cache() / f"charts-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def index_all(
    helm: pathlib.Path, address: str, work: pathlib.Path, folder: pathlib.Path, line: Line, small: bool = False
) -> None:
    """Makes the line's repositories with an index in ``folder``, which is served at ``address``.

    They are as such mirrors are: other people's charts beside ours, of which some can't be read; versions that were
    published and withdrawn, or are higher and older; addresses of packages relative, with a query, and on another host
    that sends one on. Nothing is done where all is there already. Raises ChartPackagingFailed.
    """
    charts = [chart for chart in of_line(line, small) if chart.http]
    note = work / "indexed.json"
    content = [address, *map(_content_digest, charts)]
    if note.exists() and json.loads(note.read_text()) == content:
        return
    entries: dict[str, dict[str, list[dict[str, object]] | None]] = {}
    for number, chart in enumerate(charts):
        archive = package(helm, chart, work)
        if number % 2:
            elsewhere = address.replace("127.0.0.1", "localhost")
            place, url = ASSETS.strip("/"), f"{elsewhere}{MOVED}{archive.name}"
        else:
            place, url = f"{chart.repository}/packages", f"packages/{archive.name}?raw=true"
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, folder / place / archive.name)
        about = yaml.safe_load((work / "assembled" / chart.name / "Chart.yaml").read_text())
        entry = about | {
            "created": "2025-01-28T14:14:14.027410124Z",
            "digest": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "urls": [url],
        }
        entries.setdefault(chart.repository, {})[chart.name] = [
            # Published eight days before, and withdrawn; still here, and higher: who names no version gets it.
            entry | {"version": _WITHDRAWN, "created": "2025-01-20T09:00:00Z", "urls": [f"gone/{chart.name}.tgz"]},
            entry,
            entry | {"version": "0.0.1", "digest": "", "urls": [f"{address}/gone/{chart.name}.tgz"]},
        ]
    for repository, ours in entries.items():
        index = {"apiVersion": "v1", "entries": {**ours, **_OTHERS}, "generated": "2025-01-28T14:14:14.187615554Z"}
        (folder / repository / "index.yaml").write_text(_PREFACE + yaml.safe_dump(index, allow_unicode=True))
    note.write_text(json.dumps(content))


_WITHDRAWN = "0.1.11"
_PREFACE = "# Geändert: Sammlung aller Teams\n"
#: Of other people, in the same index: a name like one of ours; a version that is none; nothing at all.
_OTHERS: Mapping[str, list[dict[str, object]] | None] = {
    "kof": [{"apiVersion": "v1", "name": "kof", "version": "0.1.0", "deprecated": True, "urls": []}],
    "mothership": [{"apiVersion": "v2", "name": "mothership", "version": "1.1", "urls": ["mothership-1.1.tgz"]}],
    "würfel": [{"apiVersion": "v2", "name": "würfel", "version": "latest", "urls": ["https://example.com/w.tgz"]}],
    "withdrawn": None,
}


def _content_digest(chart: Chart) -> str:
    """Digest over every file the package is made of."""
    sources = sorted(path for path in (CHARTS / chart.name).rglob("*") if path.is_file())
    names = [*chart.crds, *(name for files in chart.files.values() for name in files)]
    sources += [CHARTS / "shared" / "_workloads.tpl", *(CRDS / name for name in names)]
    digest = hashlib.sha256(repr((chart, _FIELD)).encode())
    for path in sources:
        digest.update(str(path.relative_to(_HERE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_in_registry(registry: str, chart: Chart) -> bool:
    """Whether the registry has the chart's version; a registry that doesn't answer has nothing (the push will say
    why)."""
    request = urllib.request.Request(
        f"http://{registry}/v2/{chart.repository}/{chart.name}/manifests/{chart.version}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        method="HEAD",
    )
    # The registry is on loopback: a proxy from the environment must not be asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
