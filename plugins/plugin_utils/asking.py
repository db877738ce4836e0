# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to a server that is no Kubernetes API, by Ansible's own HTTP client: with the user's proxies and CAs."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import queue
import socket
import ssl
import threading
import urllib.error
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer

#: Seconds of silence, seconds for a whole answer, and bytes of it: regions may be slow, and an answer is read whole.
TIMEOUT, LONGEST, LARGEST = 30, 60.0, 64 * 2**20
#: Seconds of silence in an answer that takes long: a store may be at its disks. Bytes of it that are read at a time.
SILENCE, READ_AHEAD = 120, 2**18


def ask(
    url: str,
    form: Mapping[str, str] | None,
    login: tuple[str, str] | None,
    content: Any = None,
    method: str = "POST",
) -> tuple[int, bytes]:
    """HTTP status and body, as `fleet.data.Ask`. A redirection is an answer: a login goes nowhere else.

    :param content: sent as JSON, in the place of a form.
    :param method: by which something is sent.
    :raises NoAnswer: nobody answered, or not in time; its text names neither login nor form.
    """
    done: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(_asked(url, form, login, content, method))
        except Exception as error:  # whatever it is, who asks must hear of it
            done.put(error)

    # Nobody waits for that thread: a byte now and then is no silence, and a name's resolution can't be ended.
    threading.Thread(target=run, daemon=True).start()
    try:
        answer = done.get(timeout=LONGEST)
    except queue.Empty:
        raise NoAnswer("refused", f"no whole answer within {LONGEST:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _asked(
    url: str, form: Mapping[str, str] | None, login: tuple[str, str] | None, content: Any, method: str
) -> tuple[int, bytes]:
    posted = json.dumps(content) if content is not None else urlencode(form) if form else None
    with _told():
        answer = _opened(url, posted, "application/json" if content is not None else None, login, TIMEOUT, method)
        return answer.status, answer.read(LARGEST)


def _opened(
    url: str,
    posted: str | bytes | None,
    kind: str | None,
    login: tuple[str, str] | None,
    timeout: int,
    method: str = "POST",
) -> Any:
    """The answer, whatever its status."""
    user, password = login or (None, None)
    try:
        return open_url(
            url,
            data=posted,
            headers={"Content-Type": kind} if kind else None,
            method=method if posted else "GET",
            url_username=user,
            url_password=password,
            force_basic_auth=login is not None,
            timeout=timeout,
            follow_redirects="none",
            use_netrc=False,
        )
    except urllib.error.HTTPError as refusal:
        return refusal


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """
    :raises NoAnswer: what went wrong on the way.
    """
    try:
        yield
    except (EOFError, zlib.error):
        raise NoAnswer("refused", "its answer can't be unpacked") from None
    except (OSError, http.client.HTTPException, ValueError) as reason:  # a name may be one that no name can be
        cause = getattr(reason, "reason", reason)
        raise NoAnswer(_kind(cause), str(cause) or type(cause).__name__) from None


def _kind(cause: object) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "certificate"
    return "name" if isinstance(cause, socket.gaierror) else "refused"


class Stores:
    """The way to the stores of a region, as `fleet.stores.Way`."""

    def ask(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> tuple[int, bytes]:
        return ask(url, form, login)

    @contextlib.contextmanager
    def read(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> Iterator[tuple[int, _Answer]]:
        with _told():
            answer = _opened(url, urlencode(form), None, login, SILENCE)
        with contextlib.closing(answer):
            yield answer.status, _Answer(answer)

    def send(self, url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        # As a form, which urllib says of all that it is given, it would be parsed and thrown away.
        with _told():
            answer = _opened(url, body, "application/octet-stream", login, SILENCE)
            return answer.status, answer.read(LARGEST)


class _Answer:
    """A long answer, as `fleet.stores.Reader`."""

    def __init__(self, answer: Any) -> None:
        self._stream = io.BufferedReader(answer, READ_AHEAD)

    def read(self, size: int) -> bytes:
        with _told():
            return self._stream.read(size)

    def readline(self) -> bytes:
        with _told():
            return self._stream.readline(LARGEST)


def grafana(address: str, login: tuple[str, str]) -> Callable[..., tuple[int, bytes]]:
    """To ask Grafana, as `fleet.in_grafana.Ask`."""

    def asked(path: str, query: Mapping[str, str], content: Any, method: str = "POST") -> tuple[int, bytes]:
        return ask(
            f"{address.rstrip('/')}{path}{f'?{urlencode(query)}' if query else ''}", None, login, content, method
        )

    return asked
