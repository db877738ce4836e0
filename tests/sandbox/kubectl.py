"""kubectl's commonest commands by one request each, in this process: the program takes 0.2 s of CPU each time to begin.

May hold: what kubectl sends for a command, and what it prints. May not hold: an option that the program would be
needed to understand, or a message of its own: what isn't known here, or isn't answered as wished, the program runs, as
long as nothing has been written: of what has been it would complain, and not of what went wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from sandbox.api import Api, ApiFailure, connect

Object = dict[str, Any]
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PATCHES = {"merge": "merge-patch", "json": "json-patch", "strategic": "strategic-merge-patch"}
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class _Unknown(Exception):
    """This is for the program."""


_FAILURES = (_Unknown, ApiFailure, OSError, http.client.HTTPException)


def run(
    binary: str | pathlib.Path,
    kubeconfig: pathlib.Path,
    *arguments: str,
    stdin: str | None = None,
    timeout: float = 900,
) -> subprocess.CompletedProcess[str]:
    """kubectl as a kubeconfig's user, to its end. Raises subprocess.TimeoutExpired after `timeout` seconds."""
    command = [str(binary), "--kubeconfig", str(kubeconfig), *arguments]
    # What the server refuses is told by the program, which asks again.
    with contextlib.suppress(*_FAILURES), connect(kubeconfig) as api:
        one = _Command(api, arguments, stdin, timeout)
        try:
            return subprocess.CompletedProcess(command, 0, one.output(), "")
        except _FAILURES as reason:
            if one.wrote:
                return subprocess.CompletedProcess(command, 1, "", f"error: {reason}\n")
    return subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, timeout=timeout)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Unknown(message)


def _made() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("-n", dest="namespace")
    parser.add_argument("-A", dest="everywhere", action="store_true")
    parser.add_argument("-l", dest="selector")
    parser.add_argument("-o", dest="output")
    parser.add_argument("-f", dest="file")
    parser.add_argument("-p", dest="patch")
    parser.add_argument("--type", default="strategic")
    parser.add_argument("--field-manager")
    parser.add_argument("--subresource")
    parser.add_argument("--timeout")
    parser.add_argument("--wait", default="true")
    for flag in ("all", "ignore-not-found", "overwrite", "show-managed-fields"):
        parser.add_argument(f"--{flag}", action="store_true")
    return parser


#: One for all commands: to make it takes as long as most of them. While it parses, it is another.
_PARSER, _PARSING = _made(), threading.Lock()
#: What each command takes of these.
_TAKES = {
    "get": {"namespace", "everywhere", "selector", "output", "ignore_not_found", "show_managed_fields"},
    "create": {"file", "namespace"},
    "apply": {"file", "namespace"},
    "patch": {"namespace", "patch", "type", "field_manager", "subresource"},
    "label": {"namespace", "overwrite"},
    "delete": {"namespace", "everywhere", "selector", "all", "ignore_not_found", "wait", "timeout"},
}


class _Command:
    """One command, as it was given."""

    def __init__(self, api: Api, arguments: tuple[str, ...], stdin: str | None, timeout: float) -> None:
        self.api, self.stdin = api, stdin
        self.wrote = False
        self.timeout, self.end = timeout, time.monotonic() + timeout
        with _PARSING:
            self.given = _PARSER.parse_intermixed_args(arguments)
        words: list[str] = self.given.words or [""]
        self.verb, *self.words = words
        said = {name for name, value in vars(self.given).items() if value != _PARSER.get_default(name)}
        if not said - {"words"} <= _TAKES.get(self.verb, set()):
            raise _Unknown(str(arguments))

    def output(self) -> str:
        return getattr(self, f"_{self.verb}")()

    def _write(self, method: str, path: str, body: Any, content: str = "application/json") -> Any:
        """A request after which the program isn't asked, unless the server refuses it."""
        before, self.wrote = self.wrote, True
        try:
            return self.api.request(method, path, body, content)
        except ApiFailure:
            self.wrote = before
            raise

    def _objects(self) -> Iterator[tuple[_Resource, str | None]]:
        """The kinds that are named, each with each name; None where all of a kind are meant."""
        if not self.words:
            raise _Unknown("no kind")
        if all("/" in word for word in self.words):
            for word in self.words:
                kind, name = word.split("/")
                yield self._resource(kind), name
            return
        kinds, *names = self.words
        for kind in kinds.split(","):
            if not names:
                yield self._resource(kind), None
            for name in names:
                yield self._resource(kind), name

    def _resource(self, word: str) -> _Resource:
        if "." in word:
            raise _Unknown(word)
        return _resource(self.api, word.lower())

    def _path(self, resource: _Resource, name: str | None) -> str:
        space = None if self.given.everywhere else self.given.namespace or "default"
        return resource.path(space, name)

    def _listed(self, resource: _Resource) -> list[Object]:
        query = f"?labelSelector={urllib.parse.quote(self.given.selector)}" if self.given.selector else ""
        return [resource.whole(each) for each in self.api.request("GET", self._path(resource, None) + query)["items"]]

    def _get(self) -> str:
        found: list[Object] = []
        one = None
        for resource, name in self._objects():
            if name is None:
                found += self._listed(resource)
                continue
            if self.given.selector or self.given.everywhere:
                raise _Unknown("a name, and more than it")
            one = self.api.get(self._path(resource, name))
            if one is None and not self.given.ignore_not_found:
                raise _Unknown("it tells what isn't there")
            found += [one] if one else []
        if not self.given.show_managed_fields:
            for each in found:
                each["metadata"].pop("managedFields", None)
        if self.given.output == "name":
            return "".join(f"{_name(each)}\n" for each in found)
        if self.given.output != "json":
            raise _Unknown("another output")
        if len(self.words) == (1 if "/" in self.words[0] else 2) and "," not in self.words[0]:
            return json.dumps(one) if one else ""
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": found, "metadata": {"resourceVersion": ""}})

    def _create(self) -> str:
        told = ""
        for made, resource, path in list(self._read()):
            query = "?fieldManager=kubectl-create&fieldValidation=Strict"
            told += f"{_name(resource.whole(self._write('POST', path + query, made)))} created\n"
        return told

    def _apply(self) -> str:
        """Of what isn't there yet, all of it."""
        all_of_it = list(self._read())
        if any(self.api.get(f"{path}/{made['metadata']['name']}") for made, _resource, path in all_of_it):
            raise _Unknown("what is there is changed by the program")
        told = ""
        for made, resource, path in all_of_it:
            annotations = dict(made["metadata"].get("annotations") or {})
            made["metadata"]["annotations"] = annotations
            text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            annotations[_LAST_APPLIED] = re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
            query = "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict"
            told += f"{_name(resource.whole(self._write('POST', path + query, made)))} created\n"
        return told

    def _read(self) -> Iterator[tuple[Object, _Resource, str]]:
        """What stdin has, each with the path of its siblings."""
        if self.given.file != "-" or self.words or self.stdin is None:
            raise _Unknown("no stdin")
        for document in yaml.load_all(self.stdin, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            for each in (document or {}).get("items", [document] if document else []):
                resource = _resource(self.api, each["kind"].lower(), each["apiVersion"])
                space = each["metadata"].get("namespace") or self.given.namespace or "default"
                if "name" not in each["metadata"]:
                    raise _Unknown("no name")
                if resource.namespaced:
                    each["metadata"]["namespace"] = space
                yield each, resource, resource.path(space, None)

    def _patch(self) -> str:
        content = f"application/{_PATCHES[self.given.type]}+json"
        return self._changed(json.loads(self.given.patch), content, self.given.field_manager or "kubectl-patch") + (
            " patched\n"
        )

    def _label(self) -> str:
        labels = [word for word in self.words if "=" in word or word.endswith("-")]
        self.words = self.words[: len(self.words) - len(labels)]
        pairs = [word.partition("=") for word in labels]
        wanted = {key if sign else key[:-1]: value if sign else None for key, sign, value in pairs}
        if not self.given.overwrite:
            (place,) = self._objects()
            there = self.api.request("GET", self._path(*place))["metadata"].get("labels") or {}
            if any(value is not None and key in there for key, value in wanted.items()):
                raise _Unknown("it tells what it would overwrite")
        patch = {"metadata": {"labels": wanted}}
        done = "labeled" if any(value is not None for value in wanted.values()) else "unlabeled"
        return f"{self._changed(patch, 'application/merge-patch+json', 'kubectl-label')} {done}\n"

    def _changed(self, patch: Any, content: str, manager: str) -> str:
        ((resource, name),) = self._objects()
        if name is None:
            raise _Unknown("no name")
        path = self._path(resource, name) + (f"/{self.given.subresource}" if self.given.subresource else "")
        return _name(resource.whole(self._write("PATCH", f"{path}?fieldManager={manager}", patch, content)))

    def _delete(self) -> str:
        limit = re.fullmatch(r"([1-9]\d*)s", self.given.timeout or "3600s")
        if not limit:
            raise _Unknown("another time-out")
        all_of_it: list[tuple[_Resource, Object]] = []
        for resource, name in self._objects():
            if name is None and not (self.given.all or self.given.selector):
                raise _Unknown("nothing is named")
            there = self._listed(resource) if name is None else [self.api.get(self._path(resource, name))]
            if None in there and not self.given.ignore_not_found:
                raise _Unknown("it tells what isn't there")
            all_of_it += [(resource, each) for each in there if each]
        gone: list[tuple[str, str, str]] = []
        for resource, each in all_of_it:
            path = resource.path(each["metadata"].get("namespace"), each["metadata"]["name"])
            options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            try:
                self._write("DELETE", path, options)
            except ApiFailure as refusal:
                # What goes by itself meanwhile, as what belonged to another does, is missed only by who named it.
                if refusal.status == 404 and (self.given.all or self.given.selector or self.given.ignore_not_found):
                    continue
                raise
            gone.append((path, each["metadata"]["uid"], _name(resource.whole(each))))
        if self.given.wait == "true":
            self._wait(gone, int(limit[1]))
        return "".join(f"{name} deleted\n" for _path, _uid, name in gone)

    def _wait(self, gone: list[tuple[str, str, str]], seconds: int) -> None:
        end, pause = time.monotonic() + seconds, 0.01
        for path, uid, name in gone:
            while (left := self.api.get(path)) and left["metadata"]["uid"] == uid:
                if time.monotonic() > self.end:
                    raise subprocess.TimeoutExpired(f"kubectl delete {name}", self.timeout)
                if time.monotonic() > end:
                    raise TimeoutError(f"timed out waiting for the condition on {'/'.join(path.split('/')[-2:])}")
                time.sleep(pause)
                pause = min(pause * 1.5, 0.3)


class _Resource:
    """A kind as a server has it."""

    def __init__(self, group: str, version: str, facts: Object) -> None:
        self.api_version = f"{group}/{version}" if group else version
        self.plural = facts["resource"]
        self.kind = facts["responseKind"]["kind"]
        self.namespaced = facts["scope"] == "Namespaced"
        self.names = {self.plural, self.kind.lower(), facts.get("singularResource", ""), *facts.get("shortNames", [])}

    def path(self, namespace: str | None, name: str | None) -> str:
        words = ["/apis" if "/" in self.api_version else "/api", self.api_version]
        words += ["namespaces", namespace] if namespace and self.namespaced else []
        return "/".join([*words, self.plural, *([name] if name else [])])

    def whole(self, listed: Object) -> Object:
        """With what an item of a list doesn't say of itself."""
        return {"apiVersion": self.api_version, "kind": self.kind, **listed}


def _name(obj: Object) -> str:
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind'].lower()}{group and '.'}{group}/{obj['metadata']['name']}"


#: By address of a server.
_known: dict[str, list[_Resource]] = {}


def _resource(api: Api, word: str, api_version: str | None = None) -> _Resource:
    """The first that a server has by this name, in the order it prefers; asked anew for what it hadn't."""
    for again in (False, True):
        if again or api.server not in _known:
            _known[api.server] = list(_resources(api))
        for each in _known[api.server]:
            if word in each.names and api_version in (None, each.api_version):
                return each
    raise _Unknown(word)


def _resources(api: Api) -> Iterator[_Resource]:
    for path in ("/api", "/apis"):
        for group in api.request("GET", path, accept=_DISCOVERY)["items"]:
            for version in group["versions"]:
                for facts in version["resources"]:
                    if "responseKind" in facts:
                        yield _Resource(group["metadata"].get("name", ""), version["version"], facts)
