# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the helm 3 binary: what it gets to read, where it may write, what it says when it fails. Decides nothing.

No secret goes on a command line, into the environment or into a lasting file: values go through standard input, the
kubeconfig and the registry's login through memory files where the system has them, else through files of mode 0600
that are removed.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import fault_of_version, version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.encoding import encode
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.exec_plugin import of_a_child
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import EXTRA, Settings
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.route import no_proxy_of_environment
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import logins, scrubbed, without_login
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import REMOTE_TMP, TMPDIR, unwritable

#: Characters of helm's own words in a message.
_WORDS_LIMIT = 800
#: Seconds for what doesn't wait for the cluster: the version, one chart from a registry.
_SHORT = 120.0

_UNREACHABLE = re.compile(
    r"dial tcp|connection refused|connection reset|no such host|i/o timeout|context deadline exceeded"
    r"|TLS handshake timeout|network is unreachable|no route to host|unexpected EOF"
    r"|proxyconnect|50[234] (Bad Gateway|Service Unavailable|Gateway Timeout)"
    r"|server misbehaving|tls: |x509: ",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"ensure CRDs are installed first|no matches for kind"
    r"|could not find the requested resource|namespaces \"[^\"]*\" not found"
)
_NO_INDEX = b"Unable to get an update"
_KINDS_NOT_SERVED = re.compile(r"no matches for kind \"([^\"]+)\" in version \"([^\"]+)\"")
_NO_ROOM = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
#: What helm (pkg/action, pkg/storage) says where another one began, ended or tidied up between our look and our act.
_OVERTAKEN = re.compile(
    r"another operation \(install/upgrade/rollback\) is in progress"
    r"|cannot re-use a name that is still in use"
    r"|release: (already exists|not found)"
    r"|has no deployed releases"
    r"|release has no \d+ version"
    r"|secrets \"sh\.helm\.release\.v1\.[^\"]*\" (already exists|not found)"
)
#: A helm that does one of these notes on SIGTERM that the release failed; any other is just cut off.
_STOPPABLE = ("install", "upgrade")


class HelmUnusable(Exception):
    """There is no helm, or none that we can use; the message says what to do."""


class HelmFailed(Exception):
    """helm ended with an error. The message holds its own words, secrets taken out."""

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words

    @property
    def unreachable(self) -> bool:
        """Was it that a server (for `pull`: the registry) could not be reached?"""
        return bool(_UNREACHABLE.search(self.words))

    @property
    def overtaken(self) -> bool:
        """Was another helm quicker?"""
        return bool(_OVERTAKEN.search(self.words))

    @property
    def forbidden(self) -> bool:
        """Was it that a right is missing?"""
        return "is forbidden: User" in self.words

    @property
    def lacking(self) -> str | None:
        """What the cluster does not have yet and the chart needs ("CustomResourceDefinition of ServiceMonitor
        (…)"), else None."""
        kinds = sorted(set(_KINDS_NOT_SERVED.findall(self.words)))
        if kinds:
            return "needs CustomResourceDefinition of " + ", ".join(f"{kind} ({version})" for kind, version in kinds)
        return "needs something the cluster doesn't serve yet" if _NOT_YET.search(self.words) else None


class HelmInterrupted(Exception):
    """This process was told to end while helm changed the cluster. helm has ended since; the message says how."""


@dataclass(frozen=True)
class Registry:
    """How to reach the registry of an oci:// chart. Empty is unset: then whoever `helm registry login` has logged
    in counts."""

    username: str = ""
    password: str = ""
    ca_file: str = ""
    plain_http: bool = False

    def flags(self) -> list[str]:
        """helm's flags for it; no credentials among them."""
        return [*(["--ca-file", self.ca_file] if self.ca_file else []), *(["--plain-http"] if self.plain_http else [])]


def find_helm(binary: str | None) -> str:
    """The path of the helm binary: the one named, else the one on PATH. Raises HelmUnusable."""
    if binary:
        path = os.path.expanduser(binary)
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            raise HelmUnusable(f"binary_path {binary} is no program that can be run")
        return path
    found = shutil.which("helm")
    if not found:
        raise HelmUnusable("there is no helm on PATH: install helm 3, or name it with binary_path")
    return found


def chart_on_disk(reference: str, version: str | None = None) -> str | None:
    """The path of the chart folder or package that `reference` names, ~ expanded, or with a version; None where it is
    a URL, an oci:// reference or a repository's chart, that is, where nothing of that name is on this disk."""
    if "://" in reference:
        return None
    path = os.path.expanduser(reference)
    return next(filter(os.path.exists, (path, f"{path}-{version}.tgz")), None)


class Helm:
    """The helm binary on one cluster. A context manager: leaving it takes all private files away."""

    def __init__(
        self,
        binary: str,
        settings: Settings,
        registry: Registry,
        *,
        scratch: str | None = None,
        values: Sequence[str] = (),
    ) -> None:
        """
        :param scratch: folder under which the private one is made.
        :param values: what of the release's values must never be in a message.
        """
        self._binary = binary
        self._settings = settings
        self._registry = registry
        self._secrets = [registry.password, *_credentials(settings)]
        self._values = values
        self._scratch_parent = scratch
        self._moves = REMOTE_TMP if scratch else TMPDIR
        self._folder = ""
        self._descriptors: list[int] = []
        self._kubeconfig = ""
        self._login = ""

    def __enter__(self) -> Helm:
        try:
            self._folder = tempfile.mkdtemp(prefix="helm-", dir=self._scratch_parent)
            self._kubeconfig = self._hidden_file("kubeconfig", json.dumps(kubeconfig(self._settings)).encode())
        except OSError as error:
            self.__exit__()
            raise HelmUnusable(self._unwritable(error)) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def _unwritable(self, error: OSError) -> str:
        return unwritable(
            error, "helm's files", self._folder or self._scratch_parent or "a temporary folder", self._moves
        )

    def __exit__(self, *_exception: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def check_version(self) -> tuple[int, int, int]:
        """The helm's version. Raises HelmUnusable unless it is a helm 3 that is new enough."""
        try:
            said = self._run(["version", "--template", "{{.Version}}"], _SHORT, on_cluster=False)
        except HelmFailed as error:
            raise HelmUnusable(f"{self._binary} can't be used: {error}") from None
        fault, version = fault_of_version(said), version_of(said)
        if fault or version is None:
            raise HelmUnusable(f"{self._binary} can't be used: {fault}")
        return version

    def pull(self, chart: str, version: str | None, repository: str | None = None) -> str:
        """Fetch a chart that isn't on this disk, or of the repository of this URL; returns the path of its package.
        Raises HelmFailed."""
        target = os.path.join(self._folder, "chart")
        try:
            os.makedirs(target, exist_ok=True)
        except OSError as error:
            raise HelmUnusable(self._unwritable(error)) from None
        flags = self._registry.flags()
        if repository:
            # `pull --repo` takes a login from its command line alone.
            known = self._hidden_file("repositories", _repositories(repository, self._registry))
            flags = ["--repository-config", known]
            self._run(["repo", "update", "it", "--fail-on-repo-update-fail", *flags], _SHORT, on_cluster=False)
            chart = f"it/{chart}"
        elif self._registry.username:
            self._login = self._login or self._hidden_file("registry", _login(chart, self._registry))
            flags += ["--registry-config", self._login]
        wanted = ["--version", version] if version else []
        # helm keeps an index of classic repositories in its own cache; an OCI chart needs no cache at all.
        self._run(
            ["pull", chart, *wanted, "--destination", target, *flags],
            _SHORT,
            on_cluster=False,
            own_cache="://" in chart or repository is not None,
        )
        packages = [entry for entry in os.listdir(target) if entry.endswith(".tgz")]
        if len(packages) != 1:
            raise HelmFailed(f"helm pull {chart} brought {len(packages)} packages instead of one", "")
        return os.path.join(target, packages[0])

    def act(self, arguments: Sequence[str], timeout: float, values: Mapping[str, Any] | None = None) -> str:
        """Run `helm` on the cluster with its own time-out in seconds; `values` go through standard input.

        Signals that would end this process wait until helm has ended: nothing is left half-way because of them.

        :raises HelmFailed: helm ended with an error.
        :raises HelmInterrupted: there was such a signal.
        """
        return self._on_cluster(arguments, timeout, values, changes=True)

    def rendered(self, arguments: Sequence[str], timeout: float, values: Mapping[str, Any]) -> dict[str, Any]:
        """The release that an install or upgrade with these `arguments` would make, rendered against the API server:
        helm's own record of it, with ``manifest`` and ``hooks``. Changes nothing. Raises HelmFailed."""
        flags = ["--dry-run=server", "--output", "json"]
        return json.loads(self._on_cluster([*arguments, *flags], timeout, values, changes=False))

    def template(
        self, arguments: Sequence[str], timeout: float, values: Mapping[str, Any], *, lookups: bool = True
    ) -> str:
        """What a chart gives, as YAML, whether the cluster serves its kinds or not. What the chart looks up there is
        read, or with `lookups` false isn't there. Raises HelmFailed."""
        command = ["template", *arguments, *(["--dry-run=server"] if lookups else [])]
        return self._on_cluster(command, timeout, values, changes=False)

    def _on_cluster(
        self, arguments: Sequence[str], timeout: float, values: Mapping[str, Any] | None, *, changes: bool
    ) -> str:
        flags = ["--timeout", f"{round(timeout * 1000)}ms"]
        # helm counts its time-out anew for each thing it waits for; far beyond it, it hangs.
        limit = 3 * timeout + 60
        if values is None:
            return self._run([*arguments, *flags], limit, changes=changes)
        given = encode(values)
        return self._run([*arguments, *flags, "--values", "-"], limit, standard_input=given, changes=changes)

    def _run(
        self,
        arguments: Sequence[str],
        limit: float,
        *,
        standard_input: bytes = b"",
        on_cluster: bool = True,
        own_cache: bool = True,
        changes: bool = False,
    ) -> str:
        command = [self._binary, *arguments, *(["--kubeconfig", self._kubeconfig] if on_cluster else [])]
        what = without_login(f"helm {' '.join(arguments[:2])}")
        with _Signals(stoppable=arguments[0] in _STOPPABLE) if changes else contextlib.nullcontext() as signals:
            out, err, code = self._ended(command, what, limit, standard_input, own_cache, signals)
        # Of an index that can't be had, it says why where it says what it does.
        no_index = arguments[0] == "repo" and _NO_INDEX in out
        words = (out[out.index(_NO_INDEX) :] if no_index else err).decode(errors="replace")
        if signals and signals.received:
            how = self._told(words, code) if code else "it did what it was to do"
            raise HelmInterrupted(f"{what} was at work when this run was told to end, and was waited for: {how}")
        if code:
            raise HelmFailed(f"{what}: {self._told(words, code)}", words)
        return out.decode(errors="replace")

    def _ended(
        self,
        command: Sequence[str],
        what: str,
        limit: float,
        standard_input: bytes,
        own_cache: bool,
        signals: _Signals | None,
    ) -> tuple[bytes, bytes, int]:
        try:
            # AnsibleModule.run_command has no time limit and no session of its own.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command,
                env=self._environment(own_cache),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=self._descriptors,
                # Out of reach of a signal to our process group: it gets what we pass on.
                start_new_session=signals is not None,
            )
        except OSError as error:
            raise HelmUnusable(f"{self._binary} can't be run: {error.strerror}") from None
        if signals:
            signals.of(process)
        with process:
            try:
                out, err = process.communicate(standard_input, timeout=limit)
            except subprocess.TimeoutExpired:
                # On SIGTERM helm still notes in the release that it failed.
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=20)
                process.kill()
                raise HelmFailed(f"{what} did not end within {limit:g} s and was stopped", "") from None
            except BaseException:
                process.send_signal(signal.SIGTERM)
                raise
        return out, err, process.returncode

    def _told(self, words: str, code: int) -> str:
        """The error of helm's, without its chatter and without secrets."""
        at = words.rfind("Error: ")
        text = words[at + len("Error: ") :] if at >= 0 else words
        text = text.split("\nUse --debug flag")[0]
        if _NO_ROOM.search(text):
            # helm writes charts, indexes and what the API server serves to there.
            text = f"{self._unwritable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))} ({text.strip()})"
        return (
            one_line(scrubbed(text, self._secrets, self._values), _WORDS_LIMIT)
            or f"it ended with code {code} and said nothing"
        )

    def _environment(self, own_cache: bool) -> dict[str, str]:
        # HELM_KUBE*, HELM_NAMESPACE and HELM_DRIVER would win over what we were asked for; K8S_AUTH_* say helm nothing.
        chosen = {
            name: value
            for name, value in of_a_child(os.environ).items()
            if not name.startswith(("HELM_KUBE", "K8S_AUTH_"))
            and name not in ("HELM_NAMESPACE", "HELM_DRIVER", "HELM_DEBUG", "KUBECONFIG")
        }
        if own_cache:
            chosen["HELM_CACHE_HOME"] = os.path.join(self._folder, "cache")
            chosen.pop("HELM_REPOSITORY_CACHE", None)
        # What the API server serves is asked afresh: the release before may have brought the CRDs.
        chosen["KUBECACHEDIR"] = os.path.join(self._folder, "kube")
        # Of the two spellings Go takes the upper-case one, if that isn't empty, and what helm starts often the other.
        exceptions = [no_proxy_of_environment(chosen)]
        if not self._settings.proxy:
            exceptions.append(urlsplit(self._settings.server).hostname or "")
        chosen["NO_PROXY"] = chosen["no_proxy"] = ",".join(filter(None, exceptions))
        return chosen

    def _hidden_file(self, name: str, content: bytes) -> str:
        """A path under which the helm that we start, and nobody else, can read `content`."""
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            descriptor = os.memfd_create(name)
            self._descriptors.append(descriptor)
            os.fchmod(descriptor, 0o600)
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                stream.write(content)
            return f"/proc/self/fd/{descriptor}"
        path = os.path.join(self._folder, name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
        return path


class _Signals:
    """A context in which SIGINT and SIGTERM don't end this process, but are noted while helm goes on.

    SIGINT lets helm come to its end. SIGTERM has it stop, where it then says so in the release. Only the main thread
    hears signals; in any other this does nothing.
    """

    def __init__(self, *, stoppable: bool) -> None:
        self.received: list[int] = []
        self._stoppable = stoppable
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._note) for each in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_exception: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def of(self, process: subprocess.Popen[bytes]) -> None:
        """The helm that the signals concern; one that came before it was started counts."""
        self._process = process
        self._stop_if_told()

    def _note(self, number: int, _frame: object) -> None:
        self.received.append(number)
        self._stop_if_told()

    def _stop_if_told(self) -> None:
        if signal.SIGTERM in self.received and self._stoppable and self._process:
            self._process.send_signal(signal.SIGTERM)


def kubeconfig(settings: Settings) -> dict[str, Any]:
    """A kubeconfig that says the same as `settings`, so that helm speaks to the cluster that we speak to."""
    cluster: dict[str, Any] = {"server": settings.server}
    if not settings.verify:
        cluster["insecure-skip-tls-verify"] = True
    elif settings.ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(settings.ca_pem).decode()
    if settings.tls_server_name:
        cluster["tls-server-name"] = settings.tls_server_name
    if settings.proxy:
        # Go resolves no name itself for either, and in a kubeconfig it knows the one alone.
        cluster["proxy-url"] = _proxy_with_login(settings).replace("socks5h://", "socks5://", 1)
    user: dict[str, Any] = {}
    if settings.client_pem:
        # Certificate and key in one text: of each Go's TLS reads its own blocks.
        pem = base64.b64encode(settings.client_pem).decode()
        user.update({"client-certificate-data": pem, "client-key-data": pem})
    kind, _blank, credentials = (settings.authorization or "").partition(" ")
    if kind == "Bearer":
        user["token"] = credentials
    elif kind == "Basic":
        name, _colon, password = base64.b64decode(credentials).decode().partition(":")
        user.update({"username": name, "password": password})
    user.update(_impersonation(settings.headers))
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
    }


def _impersonation(headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for header, value in headers:
        if header == "Impersonate-User":
            said["as"] = value
        elif header == "Impersonate-Uid":
            said["as-uid"] = value
        elif header == "Impersonate-Group":
            said.setdefault("as-groups", []).append(value)
        elif header.startswith(EXTRA):
            extra = said.setdefault("as-user-extra", {})
            extra.setdefault(unquote(header.removeprefix(EXTRA)), []).append(value)
    return said


def _proxy_with_login(settings: Settings) -> str:
    """The proxy's URL; a login that came as a header goes into it, for a kubeconfig knows no other place."""
    parts = urlsplit(settings.proxy or "")
    for header, value in settings.proxy_headers:
        if header == "Proxy-Authorization" and value.startswith("Basic ") and "@" not in parts.netloc:
            name, _colon, password = base64.b64decode(value.removeprefix("Basic ")).decode().partition(":")
            netloc = f"{quote(name, safe='')}:{quote(password, safe='')}@{parts.netloc}"
            return urlunsplit(parts._replace(netloc=netloc))
    return settings.proxy or ""


def _login(chart: str, registry: Registry) -> bytes:
    """A registry configuration (Docker's format) with the login for the host of an oci:// chart."""
    host = urlsplit(chart).netloc
    auth = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": auth}}}).encode()


def _repositories(url: str, registry: Registry) -> bytes:
    """helm's file of repositories (helm.sh/helm/v3/pkg/repo, Entry) with the one of this URL, called `it`."""
    login = {"username": registry.username, "password": registry.password, "caFile": registry.ca_file}
    return json.dumps({"apiVersion": "", "repositories": [{"name": "it", "url": url, **login}]}).encode()


def _credentials(settings: Settings) -> list[str]:
    """What of `settings` must not be in a message."""
    headers = [settings.authorization or "", *(value for _name, value in settings.proxy_headers)]
    found = [*logins(settings.proxy or "")]
    for kind, _blank, credentials in (each.partition(" ") for each in headers):
        found.append(credentials)
        if kind == "Basic":
            found.append(base64.b64decode(credentials).decode().partition(":")[2])
    return found
