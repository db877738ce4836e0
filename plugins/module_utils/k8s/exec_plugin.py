# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kubeconfig's exec plugin gives: one run of its command by client-go's protocol, remembered for the whole run.

Runs a command and reads its answer; opens no kubeconfig and no connection. Nothing goes to a disk: what a plugin gave
is kept in memory that the processes of one run share (`shared_memory`), where the system has such memory, and is gone
with them. The `kubernetes` library isn't asked: it waits for ever, shows what the plugin writes to stderr, and leaves
keys in the temporary folder of each process that a signal or ansible-core ends.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable, one_line

#: Seconds that a plugin may take.
PATIENCE = 60.0
#: Bytes that a plugin may write: a credential has some thousand.
LONGEST = 1 << 20
#: Seconds that a remembered credential must be good for still.
MARGIN = 60.0
#: A failure that took more seconds than this is remembered, and for how many: a run's processes ask one after another,
#: and each would wait as long. Quick ones cost nothing and may be chance, and a run that waits for its clusters must
#: get over one. The next run knows of none: its memory is another.
SLOW, SLOW_FAILURE_LASTS = 5.0, 60.0
#: The environment variable with the path of the memory that the processes of one run share.
SHARED = "K0RDENT_KOF_CREDENTIALS"
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
#: What no argument and no variable of a process can have in it.
_UNSAYABLE = re.compile(r"[\0\ud800-\udfff]")
_MODES = ("Never", "IfAvailable", "Always")
#: Shells set these anew for each process; nothing else may differ between two that share a credential.
_OF_EACH_PROCESS = frozenset({SHARED, "PWD", "OLDPWD", "SHLVL", "_"})
#: POSIX locks keep processes apart, not the threads of one.
_threads = threading.Lock()


class _TooMuch(Exception):
    """A plugin wrote more than LONGEST."""


@dataclass(frozen=True)
class Credential:
    """What a plugin gave. `expires`: seconds since 1970, None where it doesn't say."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float | None = None

    def lasts(self, span: float) -> bool:
        """Is it good for `span` seconds from now?"""
        return self.expires is None or self.expires - time.time() > span

    @property
    def pem(self) -> bytes | None:
        """Certificate and key as Settings take them."""
        return f"{self.certificate}\n{self.key}".encode() if self.certificate else None


def credential(
    spec: Mapping[str, Any],
    cluster: Mapping[str, Any],
    where: str,
    environ: Mapping[str, str],
    *,
    lasting: float = MARGIN,
) -> Credential:
    """What the plugin gave to this run, if that is good for `lasting` seconds more, else what it gives now.

    :param spec: `exec` of a kubeconfig's user, its command absolute where it has a "/".
    :param cluster: `spec.cluster` of ExecCredential, for a plugin that wants it (provideClusterInfo).
    :param where: the kubeconfig and its context, for messages.
    :param environ: of the plugin; its SHARED says where credentials are remembered.
    :raises ApiUnavailable: the plugin is missing, fails, hangs or gives nothing of use, or has just done so for long in
        this run. Its words are in no message.
    """
    command, environment = checked(spec, where), of_a_child(environ)
    for each in spec.get("env") or []:
        environment[each["name"]] = each["value"]
    question: dict[str, Any] = {
        "apiVersion": spec["apiVersion"],
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    if spec.get("provideClusterInfo"):
        question["spec"]["cluster"] = dict(cluster)
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(question)
    own = sorted(pair for pair in environment.items() if pair[0] not in _OF_EACH_PROCESS)
    name = hashlib.sha256(json.dumps([command, own], ensure_ascii=True).encode()).hexdigest()
    with _remembered(environ.get(SHARED, "")) as known:
        found = Credential(**known[name]) if name in known else None
        if found is None or not found.lasts(lasting):
            # Beside what it gave, which may be good for another; by the machine's monotonic clock.
            failed = known.get(f"{_FAILED}{name}")
            began = time.monotonic()
            if failed and 0 <= began - failed["when"] < SLOW_FAILURE_LASTS:
                raise ApiUnavailable(failed["why"])
            try:
                found = _asked(command, environment, spec, where)
            except ApiUnavailable as problem:
                if time.monotonic() - began > SLOW:
                    known[f"{_FAILED}{name}"] = {"why": str(problem), "when": time.monotonic()}
                raise
            known[name] = asdict(found)
    return found


def of_a_child(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that isn't ours: without the way to the credentials of this run."""
    return {name: text for name, text in environ.items() if name != SHARED}


#: How the name of a failure begins in what is remembered.
_FAILED = "failed "


def forget(token: str, pem: bytes | None, environ: Mapping[str, str]) -> None:
    """Don't give these again, which a server refused. What another process got instead of them meanwhile is kept."""
    with _remembered(environ.get(SHARED, "")) as known:
        for name, each in list(known.items()):
            if name.startswith(_FAILED):
                continue
            held = Credential(**each)
            if (held.token and held.token == token) or (held.pem and held.pem == pem):
                del known[name]


def shared_memory() -> str:
    """The path of memory that only processes of this user can open, while this process lives: "" where the system has
    none. To be called in the process that starts all others of a run."""
    if not hasattr(os, "memfd_create") or not os.path.isdir("/proc/self/fd"):
        return ""
    descriptor = os.memfd_create("kof-credentials")  # kept open by never being closed
    os.fchmod(descriptor, 0o600)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


@contextlib.contextmanager
def _remembered(path: str) -> Iterator[dict[str, Any]]:
    """What is remembered, to be changed: meanwhile no other process of the run asks a plugin."""
    known: dict[str, Any] = {}
    with _threads, contextlib.ExitStack() as stack:
        memory = None
        # Nobody shares it with another user's process or another machine's, or where the system has no such memory.
        with contextlib.suppress(OSError):
            memory = stack.enter_context(open(path, "r+b"))
        if memory is None:
            yield known
            return
        fcntl.lockf(memory, fcntl.LOCK_EX)
        before = memory.read()
        with contextlib.suppress(ValueError):  # a process was killed while it wrote
            known = json.loads(before or b"{}")
        try:
            yield known
        finally:
            after = json.dumps(known).encode()
            if after != before:
                memory.seek(0)
                memory.write(after)
                memory.truncate()


def checked(spec: Mapping[str, Any], where: str) -> list[str]:
    """The command line of a plugin's spec. Raises ApiUnavailable for what client-go refuses; quotes no arguments."""
    if spec.get("apiVersion") not in _VERSIONS:
        raise ApiUnavailable(
            f"{where}: exec.apiVersion must be {' or '.join(_VERSIONS)}, as kubectl takes it: make the kubeconfig anew "
            "with a newer version of the tool that made it"
        )
    command, arguments = spec.get("command"), spec.get("args") or []
    if not isinstance(command, str) or not command:
        raise ApiUnavailable(f"{where}: exec.command must be the name or the path of a program")
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise ApiUnavailable(f"{where}: exec.args must be a list of texts")
    pairs = spec.get("env") or []
    if not isinstance(pairs, list) or not all(
        isinstance(each, Mapping)
        and each.get("name")
        and all(isinstance(each.get(key), str) for key in ("name", "value"))
        for each in pairs
    ):
        raise ApiUnavailable(f"{where}: exec.env must be a list of maps of name and value, both text")
    texts = [command, *arguments, *(each[key] for each in pairs for key in ("name", "value"))]
    if any(map(_UNSAYABLE.search, texts)) or any("=" in each["name"] for each in pairs):
        raise ApiUnavailable(
            f"{where}: exec can't be a command line: NUL characters, halves of surrogate pairs, or = in the name of a "
            "variable"
        )
    mode = spec.get("interactiveMode") or ("" if spec["apiVersion"] == _VERSIONS[0] else "IfAvailable")
    if mode not in _MODES:
        raise ApiUnavailable(f"{where}: exec.interactiveMode must be {', '.join(_MODES[:-1])} or {_MODES[-1]}")
    if mode == "Always":
        raise ApiUnavailable(
            f"{where}: its credential plugin {one_line(command)} wants to talk to somebody (interactiveMode: Always), "
            "and a run has no terminal for it: log in before, and set interactiveMode: IfAvailable"
        )
    return [command, *arguments]


def _asked(command: list[str], environment: dict[str, str], spec: Mapping[str, Any], where: str) -> Credential:
    name = one_line(command[0])
    hint = one_line(spec["installHint"]) if isinstance(spec.get("installHint"), str) else ""
    hint = f": {hint}" if hint else ""
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        how = "it can't be found, or isn't executable" if "/" in command[0] else "it isn't on PATH"
        raise ApiUnavailable(f"can't run {name}, the credential plugin of {where} ({how}){hint}")
    try:
        answer = _output([path, *command[1:]], environment)
    except OSError as error:
        raise ApiUnavailable(f"can't run {name}, the credential plugin of {where} ({error.strerror}){hint}") from None
    except subprocess.TimeoutExpired:
        raise ApiUnavailable(
            f"{name}, the credential plugin of {where}, gave no answer within {PATIENCE:g} s and was ended: it may be "
            f"waiting for somebody to log in, or for a server; log in, and run it by hand as the same user{hint}"
        ) from None
    except _TooMuch:
        raise ApiUnavailable(
            f"{name}, the credential plugin of {where}, wrote more than {LONGEST >> 20} MiB and was ended: that is no "
            f"credential; run it by hand as the same user to see what it writes{hint}"
        ) from None
    except subprocess.CalledProcessError as error:
        code = error.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        # What it wrote isn't shown, it may hold a token.
        raise ApiUnavailable(
            f"{name}, the credential plugin of {where}, {how}: run it by hand as the same user to see why{hint}"
        ) from None
    try:
        return _read(answer, spec["apiVersion"])
    except ValueError as problem:
        raise ApiUnavailable(
            f"{name}, the credential plugin of {where}, gave no credential ({problem}): log in again, or see with "
            f"`kubectl get namespaces` as the same user{hint}"
        ) from None


def _output(command: list[str], environment: dict[str, str]) -> bytes:
    """What the command writes to stdout. Whatever ends it ends its children, too."""
    # AnsibleModule.run_command has no time limit and no group of its own, and no module is at hand in an action.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            with _ended_with_us(process.pid):
                out = _written(process)
        except BaseException:
            _end(process.pid)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[0])
    return out


def _written(process: subprocess.Popen[bytes]) -> bytes:
    """All that the process writes until it ends; not communicate(), which keeps whatever comes."""
    if process.stdout is None:
        raise AssertionError("started without a pipe")
    end, out, poll = time.monotonic() + PATIENCE, bytearray(), select.poll()
    poll.register(process.stdout, select.POLLIN)
    while poll.poll(max(0.0, end - time.monotonic()) * 1000):
        piece = os.read(process.stdout.fileno(), 1 << 16)
        if not piece:
            process.wait(max(0.0, end - time.monotonic()))
            return bytes(out)
        out += piece
        if len(out) > LONGEST:
            raise _TooMuch
    raise subprocess.TimeoutExpired(process.args, PATIENCE)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def _ended_with_us(group: int) -> Iterator[None]:
    """A signal that ends this process ends the plugin: in a group of its own it wouldn't hear of it."""
    before: dict[int, Any] = {}

    def handle(number: int, frame: Any) -> None:
        _end(group)
        earlier = before[number]
        if callable(earlier):
            earlier(number, frame)
        else:
            signal.signal(number, earlier if earlier is not None else signal.SIG_DFL)
            os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for which, earlier in before.items():
            signal.signal(which, earlier if earlier is not None else signal.SIG_DFL)


def _read(answer: bytes, version: str) -> Credential:
    """The credential of a plugin's answer. Raises ValueError with what is wrong, quoting nothing of it."""
    try:
        told = json.loads(answer)
    except ValueError:
        raise ValueError("its answer is no JSON") from None
    if not isinstance(told, dict) or told.get("kind") != "ExecCredential":
        raise ValueError("its answer is no ExecCredential")
    if told.get("apiVersion") != version:
        raise ValueError(f"its answer isn't of {version}, which the kubeconfig asks for")
    status = told.get("status")
    if not isinstance(status, dict):
        raise ValueError("its answer has no status")
    names = ("token", "clientCertificateData", "clientKeyData")
    token, certificate, key = (status.get(name) or "" for name in names)
    if not all(isinstance(each, str) for each in (token, certificate, key)):
        raise ValueError(f"{', '.join(names)} of its answer aren't all texts")
    if bool(certificate) != bool(key):
        raise ValueError("its answer has a certificate without a key, or a key without one")
    token = token.strip()
    if not token and not certificate:
        raise ValueError("its answer has neither a token nor a certificate")
    if token and not (token.isascii() and token.isprintable()):
        raise ValueError("its token holds characters that no header can carry")
    return Credential(token, certificate, key, _seconds(status.get("expirationTimestamp")))


def _seconds(timestamp: Any) -> float | None:
    if timestamp is None:
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except (TypeError, ValueError):
        raise ValueError("its expirationTimestamp is no time") from None
    if moment.tzinfo is None:
        raise ValueError("its expirationTimestamp has no time zone")
    return moment.timestamp()


def cluster_info(settings: Any, config: Any) -> dict[str, Any]:
    """`spec.cluster` of ExecCredential.

    :param settings: of the connection, as the kubeconfig says it.
    :param config: the cluster's extension for exec plugins, None without.
    """
    found: dict[str, Any] = {"server": settings.server}
    if settings.tls_server_name:
        found["tls-server-name"] = settings.tls_server_name
    if not settings.verify:
        found["insecure-skip-tls-verify"] = True
    elif settings.ca_pem:
        found["certificate-authority-data"] = base64.b64encode(settings.ca_pem).decode()
    if settings.proxy:
        found["proxy-url"] = settings.proxy
    if config is not None:
        found["config"] = config
    return found
