# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a Kubernetes API server, speaking plain JSON: requests with retries, lists, watches, discovery.

Knows the API's conventions (paths, Status, pages, watch events) and no kind of object; decides nothing.
"""

from __future__ import annotations

import email.utils
import functools
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin, pem, validity
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.encoding import encode
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import (
    ApiError,
    ApiUnavailable,
    UnsendableString,
    one_line,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import (
    CONNECTION_OPTIONS,
    Said,
    Settings,
    settings,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lease, is_write
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.observed import Observer, Request
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.transport import (
    Answer,
    Failure,
    OutOfTime,
    Pace,
    TooMuch,
    Transport,
    describe,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import from_json

__all__ = [
    "CONNECTION_OPTIONS",
    "ApiError",
    "ApiUnavailable",
    "Connection",
    "Resource",
    "UnsendableString",
    "connect",
    "encode",
    "warned",
]

USER_AGENT = "k0rdent.kof"
POOL_SIZE = 8  # 32 are no faster and cost twice the CPU
REQUEST_TIMEOUT = 30.0  # seconds for one answer
# The API server answers the first page of a LIST from its memory, and each further one from etcd, which takes it three
# times as long. So most fleets are one page, of some 15 MB at most.
PAGE = 2500
# How long one request is tried again while the server is away or overloaded, unless a deadline comes first.
PATIENCE = 90.0
# A server that has never answered is more likely a wrong address than a restart.
FIRST_PATIENCE = 3.0
# A restarted API server answers before it knows its roles and custom resources: seconds after a broken connection in
# which it isn't believed when it says "not allowed" or "no such path".
SETTLING = 15.0
_SERVER_ERROR_TRIES = 5  # of one request answered with 500


@dataclass(frozen=True)
class Resource:
    """How the API serves one kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...]


def connect(
    options: Mapping[str, Any], environ: Mapping[str, str] | None = None, said: Mapping[str, Said] | None = None
) -> Connection:
    """A connection for kubernetes.core's options (see CONNECTION_OPTIONS), each standing in for by its K8S_AUTH_*
    variable in `environ` (None: this process's); `said`: who said them, see kubeconfig.settings. Reads kubeconfig
    files, sends nothing. Raises ApiUnavailable."""
    chosen, surroundings = dict(options), dict(os.environ if environ is None else environ)

    def renew(refused: Settings) -> Settings:
        token = (refused.authorization or "").removeprefix("Bearer ")
        exec_plugin.forget(token, refused.client_pem, surroundings)
        return settings(chosen, surroundings, said)

    return Connection(settings(chosen, surroundings, said), renew)


def warned(connection: Connection, warn: Callable[[str], Any], observe: Observer | None = None) -> Connection:
    """The connection, when `warn` has been told what a person must know of it before anything is sent; `observe` will
    be told of each request."""
    for each in connection.warnings:
        warn(each)
    connection.observe = observe
    return connection


def get_or_none(
    connection: Connection, where: str | tuple[str, str, str | None, str], **options: Any
) -> dict[str, Any] | None:
    """What stands at a path; None where nothing does (404), or where its kind isn't served.

    :param where: the path, or what `Connection.path` makes one of: API version, kind, namespace, name.
    :param options: of `Connection.request`.
    """
    try:
        return connection.request("GET", where if isinstance(where, str) else connection.path(*where), **options)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


class Connection:
    """Requests to one API server over kept-alive connections. Thread-safe; at most POOL_SIZE requests fly at once,
    fewer while the server says it is overloaded."""

    def __init__(
        self, chosen: Settings, renew: Callable[[Settings], Settings] | None = None, most: int | None = None
    ) -> None:
        """chosen: see kubeconfig.settings; renew: reads them again, given those that the server answered 401 to; most:
        bytes that all answers together may have, of a server that nobody here vouches for."""
        self._settings = chosen
        self._renew = renew
        self._transport = Transport(chosen, POOL_SIZE, most)
        self._lock = threading.Lock()
        self._generation = 0  # how often the credentials were renewed
        self._answered = False
        self._trouble = "no reason known"  # why requests have to wait for their turn
        self._resources: dict[str, dict[str, Resource]] = {}
        self.pace = Pace(POOL_SIZE)
        self.server = chosen.address
        self.reached = chosen.reached  # which server answers there, see Settings
        self.place = chosen.place  # server, context and who said so, for people
        self.unsaid = chosen.unsaid  # nobody did: it is kubectl's default
        self.exact = chosen.exact  # see Settings
        self.warnings = chosen.warnings  # for people, before anything is sent
        self.by_plugin = chosen.by_plugin
        self.user_agent = USER_AGENT
        self.observe: Observer | None = None
        self.lease: Lease | None = None  # asked before something is written; None where nobody asks for one
        self.counts: dict[str, int] = {}  # requests sent by method, for benchmarks and tests

    def settings_for(self, seconds: float) -> Settings:
        """The settings, for a program that can't renew them and runs for so long: renewed where they would expire
        before, as far as they say when. Raises ApiUnavailable."""
        expires = self._settings.expires
        if expires is not None and expires - time.time() < seconds:
            self._renew_after(self._generation)
        return self._settings

    def close(self) -> None:
        if self.lease is not None:
            self.lease.stop()
        self._transport.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- requests

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float | None = None,
        retries: bool = True,
        deadline: float | None = None,
    ) -> dict[str, Any]:
        """Send one request and give the decoded answer.

        body: an object to encode, or bytes that are encoded already; timeout: seconds for one answer; deadline:
        time.monotonic() after which nothing is tried again. Retried (unless `retries` is false): 429 and 503 after
        the time the server asks for, other 5xx but a schema refusal a few times, broken connections while the server
        may be restarting; a POST only when it can't have been executed.
        Raises ApiError (an error status, `status` holds 200 for 201 too), ApiUnavailable, UnsendableString; where this
        run may not write, what `Lease.take` raises.
        """
        status, decoded = self.request_status(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            timeout=timeout,
            retries=retries,
            deadline=deadline,
        )
        del status
        return decoded

    def request_status(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float | None = None,
        retries: bool = True,
        deadline: float | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """As `request`, with the HTTP status (201: the object was created)."""
        data = body if isinstance(body, (bytes, type(None))) else encode(body)
        target = self._target(path, query)
        limit = timeout or REQUEST_TIMEOUT
        held = self.lease if self.lease is not None and is_write(method, path, query) else None
        if held is not None and not held.owns(path):
            held.take()
        # Last: it may have waited long for its turn.
        before = functools.partial(held.check, path) if held is not None else None
        started = time.monotonic()
        give_up = started + PATIENCE if deadline is None else min(deadline, started + PATIENCE)
        tries, errors, renewed = 0, 0, False
        while True:
            tries += 1
            generation = self._generation
            began = time.monotonic()
            answer, error = self._once(method, target, data, content_type, limit, give_up, before)
            if answer is not None:
                self._answered = True
                if answer.status < 300:
                    return answer.status, self._decoded(answer)
                refusal = self._refusal(answer)
                errors += answer.status == 500 or (refusal.is_of_one_kind and not refusal.is_filling)
                if answer.status == 401 and not renewed and self._renew_after(generation):
                    renewed = True
                    continue
                if not retries or not (self._worth_a_retry(refusal, errors) or self._still_settling(refusal)):
                    raise refusal
                # For how long a kind was not to be had the server asks to wait, too: half a minute, in the end.
                asked = None if refusal.is_of_one_kind and not refusal.is_filling else refusal.retry_after
                pause = _backoff(tries) if asked is None else asked
                if time.monotonic() + pause >= give_up:
                    raise refusal
                time.sleep(pause)
                continue
            if error is None:
                raise AssertionError("neither an answer nor an error")
            patience = give_up if self._answered else min(give_up, started + FIRST_PATIENCE)
            not_executed = isinstance(error, ConnectionRefusedError)
            pause = _backoff(tries)
            hopeless = _is_final(error) or time.monotonic() + pause >= patience
            if not retries or hopeless or (method == "POST" and not not_executed):
                raise self._unavailable(error, time.monotonic() - began) from None
            time.sleep(pause)

    def _once(
        self,
        method: str,
        target: str,
        data: bytes | None,
        content_type: str,
        limit: float,
        give_up: float,
        before: Callable[[], None] | None,
    ) -> tuple[Answer | None, BaseException | None]:
        """One try: the answer, or why there is none. Tells the pace how it went."""
        if not self.pace.enter(give_up):
            return None, _NoTurn()
        overloaded, wait = False, None
        began = time.monotonic()
        try:
            until = min(time.monotonic() + limit, max(give_up, time.monotonic() + 1.0))
            answer = self._transport.ask(method, target, self._headers(data, content_type), data, until, before)
            self._sent(method, target, began, answer.status)
            # A 500 may be about the object that was sent: then the server has no trouble.
            overloaded = answer.status in (502, 503, 504)
            if answer.status in (429, 500):
                refusal = self._refusal(answer)
                overloaded = not (refusal.is_schema_refusal or refusal.is_of_one_kind)
            wait = _retry_after(answer) if overloaded else None
            if overloaded:
                self._trouble = f"it answered with HTTP status {answer.status}"
            return answer, None
        except Failure as error:
            self._trouble = describe(error)
            self._sent(method, target, began, self._trouble)
            overloaded = True
            return None, error
        finally:
            self.pace.leave(overloaded, wait)

    def _sent(self, method: str, target: str, began: float, came_of_it: int | str) -> None:
        """Count a request and tell who observes of it; `began`: time.monotonic(); `came_of_it`: see Request."""
        with self._lock:
            self.counts[method] = self.counts.get(method, 0) + 1
        if self.observe is not None:
            target = target.removeprefix(self._transport.prefix)
            self.observe(Request(self.server, method, target, came_of_it, time.monotonic() - began))

    def _headers(self, data: bytes | None, content_type: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": self.user_agent}
        if data is not None:
            headers["Content-Type"] = content_type
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization
        return headers

    def _target(self, path: str, query: Mapping[str, str] | None) -> str:
        return self._transport.prefix + path + (f"?{urlencode(query)}" if query else "")

    def _decoded(self, answer: Answer) -> dict[str, Any]:
        if not answer.body.strip():
            return {}
        try:
            decoded = from_json(answer.body)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            raise ApiUnavailable(
                f"{self.server} ({self._settings.source}) doesn't answer in JSON: is this an API server's address?"
            )
        return decoded

    def _refusal(self, answer: Answer) -> ApiError:
        """The ApiError of an answer that isn't a success."""
        try:
            body = from_json(answer.body)
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            body = {}
        message = str(body.get("message") or "")
        if answer.status in (301, 302, 303, 307, 308):
            message = f"{self.server} answers with a redirect, which an API server doesn't: check the address"
        elif answer.status == 401:
            message = f"{self.server} doesn't accept the credentials of {self._settings.source}: renew them"
            message += self._own_certificate()
        elif not message:
            message = f"{self.server} answered with HTTP status {answer.status}"
        details = body.get("details")
        return ApiError(
            answer.status,
            str(body.get("reason") or ""),
            message,
            details if isinstance(details, dict) else {},
            _retry_after(answer),
        )

    @staticmethod
    def _worth_a_retry(refusal: ApiError, errors: int) -> bool:
        if refusal.is_of_one_kind:
            return refusal.is_filling or errors < _SERVER_ERROR_TRIES
        if refusal.status in (429, 502, 503, 504):
            return True
        if refusal.status != 500 or refusal.is_schema_refusal:
            return False
        return refusal.retry_after is not None or errors < _SERVER_ERROR_TRIES

    def _still_settling(self, refusal: ApiError) -> bool:
        """May this be the answer of a server that has only just been started again?"""
        if time.monotonic() - self._transport.broken_at > SETTLING:
            return False
        unknown_path = refusal.status == 404 and not refusal.reason
        return unknown_path or (refusal.status == 403 and 'User "' in refusal.message)

    def _renew_after(self, generation: int) -> bool:
        """Read the credentials again, once for all threads that saw `generation` fail. False if that can't help."""
        if not self._settings.renewable or self._renew is None:
            return False
        with self._lock:
            if self._generation != generation:
                return True
            fresh = self._renew(self._settings)
            if fresh.client_pem != self._settings.client_pem or fresh.ca_pem != self._settings.ca_pem:
                self._transport.close()
                self._transport = Transport(fresh, POOL_SIZE)
            self._settings = fresh
            self._generation += 1
            return True

    def _unavailable(self, error: BaseException, waited: float) -> ApiUnavailable:
        """waited: seconds that the last try took."""
        if isinstance(error, _NoTurn):
            return ApiUnavailable(
                f"the API server {self.server} ({self._settings.source}) can't keep up ({self._trouble}), and no time "
                "was left for this request's turn: run again when it has less to do"
            )
        cause = describe(error)
        if isinstance(error, ssl.SSLError):  # a server may refuse ours in the handshake
            cause += self._own_certificate()
        if isinstance(error, TimeoutError):
            cause = f"no answer within {waited:.2g} s"
        via = ""
        if self._settings.proxy:
            via = f" through the proxy of {self._settings.proxy_source}"
        remedy = "check that it runs and that the address is right"
        if isinstance(error, OutOfTime):
            remedy = "put this machine's clock right, or have the certificate renewed"
        elif "TLS certificate" in cause:
            remedy = "give the right ca_cert, or reach the server by a name in its certificate"
        elif "proxy" in cause:
            remedy = "check the proxy, or name the server in no_proxy"
        return ApiUnavailable(
            f"can't reach the API server {self.server} ({self._settings.source}){via}: {cause}; {remedy}"
        )

    def _own_certificate(self) -> str:
        """What is wrong with the times of the client certificate, as the end of a sentence; empty for nothing."""
        found = validity.out_of_time(pem.certificates(self._settings.client_pem or b""))
        return f" (the client certificate {found})" if found else ""

    # -- conventions of the API

    def api_groups(self, group: str) -> dict[str, Any] | None:
        """The versions served of API group `group` ("" is the core group): {"preferred": "v1", "versions": ["v1", …]};
        None when it isn't served. One GET, not cached: groups appear while charts are installed."""
        answer = get_or_none(self, f"/apis/{group}" if group else "/api")
        if answer is None:
            return None
        versions = [entry["version"] if isinstance(entry, dict) else entry for entry in answer.get("versions") or []]
        preferred = (answer.get("preferredVersion") or {}).get("version") or (versions[0] if versions else None)
        return {"preferred": preferred, "versions": versions}

    def resource(self, api_version: str, kind: str, *, deadline: float | None = None) -> Resource | None:
        """How `kind` is served, None if it isn't. What is there is cached, what is absent is asked for again."""
        known = self._resources.get(api_version, {}).get(kind)
        if known is not None:
            return known
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        answer = get_or_none(self, root, deadline=deadline)
        if answer is None:
            return None
        self._resources[api_version] = {
            entry["kind"]: Resource(
                api_version, entry["kind"], entry["name"], bool(entry["namespaced"]), tuple(entry.get("verbs") or ())
            )
            for entry in answer.get("resources") or []
            if "/" not in entry["name"]
        }
        return self._resources[api_version].get(kind)

    def path(self, api_version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """The request path of one object, or of the kind (in `namespace`, or in all). Raises ApiError 404 when the
        kind isn't served."""
        found = self.resource(api_version, kind)
        if found is None:
            raise ApiError(404, "NotFound", f"the API server doesn't serve {kind} ({api_version})")
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if found.namespaced and namespace:
            root += f"/namespaces/{quote(namespace, safe='')}"
        root += f"/{found.plural}"
        return f"{root}/{quote(name, safe='')}" if name else root

    def list_objects(
        self, path: str, *, query: Mapping[str, str] | None = None, page: int = PAGE, deadline: float | None = None
    ) -> tuple[list[dict[str, Any]], str]:
        """All objects under `path`, each with apiVersion and kind, and the resourceVersion to watch from.

        Consistent reads in pages of `page`; begins again (three times at most) when a page has expired. Raises as
        `request`.
        """
        for attempt in range(4):
            items: list[dict[str, Any]] = []
            following = ""
            try:
                while True:
                    ask = {**(query or {}), "limit": str(page)}
                    if following:
                        ask["continue"] = following
                    answer = self.request("GET", path, query=ask, deadline=deadline, timeout=60)
                    kind = str(answer.get("kind", "")).removesuffix("List")
                    for item in answer.get("items") or []:
                        item.setdefault("apiVersion", answer.get("apiVersion"))
                        item.setdefault("kind", kind)
                        items.append(item)
                    metadata = answer.get("metadata") or {}
                    following = metadata.get("continue") or ""
                    if not following:
                        return items, str(metadata.get("resourceVersion", ""))
            except ApiError as error:
                if error.status != 410 or attempt == 3:
                    raise
        raise AssertionError("unreachable")

    def watch(
        self,
        path: str,
        resource_version: str,
        *,
        timeout_seconds: int = 290,
        read_timeout: float = 90,
        query: Mapping[str, str] | None = None,
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """The raw events after `resource_version`, bookmarks and ERROR events included, until the server ends it.

        timeout_seconds: after which the server ends it; read_timeout: seconds of silence; opened: called with
        a function that ends the watch from another thread. Raises ApiError (410: the
        version is too old, list again), ApiUnavailable (silence or a broken stream: list again).
        """
        ask = {
            **(query or {}),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        for renewed in (False, True):
            generation = self._generation
            headers = self._headers(None, "")
            headers.pop("Accept-Encoding")  # events must not wait in a compressor
            target, began, head_came = self._target(path, ask), time.monotonic(), False
            try:
                with self._transport.stream(target, headers, silence=read_timeout, opened=opened) as (head, lines):
                    head_came = True
                    self._sent("WATCH", target, began, head.status)
                    # A watch may outlive the token that the next one begins with.
                    if head.status == 401 and not renewed and self._renew_after(generation):
                        continue
                    if head.status != 200:
                        refusal = self._refusal(head)
                        if self._still_settling(refusal):
                            raise ApiUnavailable(one_line(f"{self.server} is just starting: {refusal.message}"))
                        raise refusal
                    self._answered = True
                    for line in lines:
                        try:
                            event = from_json(line)
                        except ValueError:
                            raise ApiUnavailable(f"{self.server}: the watch of {path} broke off") from None
                        yield event
                    return
            except Failure as error:
                if not head_came:
                    self._sent("WATCH", target, began, describe(error))
                raise ApiUnavailable(
                    one_line(f"{self.server}: the watch of {path} broke off: {describe(error)}")
                ) from None


class _NoTurn(TimeoutError):
    """While everybody waited because the server asked for it, or few could send, the time was up."""


def _is_final(error: BaseException) -> bool:
    """Failures that trying again can't heal."""
    told = describe(error)
    return isinstance(error, TooMuch) or "TLS" in told or told.startswith("the proxy refused")


def _backoff(tries: int) -> float:
    """Seconds before the next try: 0.25 doubling to 5, with jitter so that eight threads don't march in step."""
    return min(5.0, 0.25 * 2 ** min(tries - 1, 6)) * (0.75 + random.random() / 2)


def _retry_after(answer: Answer) -> float | None:
    """Seconds of a Retry-After header (a number or a date), else of the Status' details, None without."""
    text = answer.headers.get("Retry-After")
    if text:
        try:
            return max(0.0, float(text))
        except ValueError:
            try:
                return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
            except (TypeError, ValueError):
                return None
    return None
