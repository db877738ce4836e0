"""What the API server's audit log says about a measurement: who sent which requests, and in which order."""

from __future__ import annotations

import json
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

READS = ("get", "list", "watch")
#: Posting one asks a question and creates nothing.
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews")


@dataclass(frozen=True)
class Request:
    """One answered request.

    :ivar verb: Kubernetes' own: get, list, watch, create, update, patch, delete, deletecollection.
    :ivar group: of the API, empty for Kubernetes' own first one.
    :ivar changes: whether it could have changed something: no dry run, no review.
    """

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    changes: bool
    group: str = ""


def requests_since(log: pathlib.Path, mark: int) -> Iterator[Request]:
    """The requests logged behind `mark`, a size of the file in bytes. Each is in the log before it is answered."""
    with open(log, "rb") as stream:
        stream.seek(mark)
        for line in stream:
            yield parse(line)


def parse(line: bytes | str) -> Request:
    entry = json.loads(line)
    what = entry.get("objectRef", {})
    resource, verb = what.get("resource", ""), entry["verb"]
    asks = verb in READS or resource in REVIEWS or "dryRun=All" in entry["requestURI"]
    return Request(
        entry["user"]["username"],
        verb,
        resource,
        what.get("namespace", ""),
        what.get("name", ""),
        entry.get("responseStatus", {}).get("code", 0),
        not asks,
        what.get("apiGroup", ""),
    )


def by_verb(requests: Iterable[Request]) -> dict[str, int]:
    """How many of each verb; those that change nothing although their verb does are counted as `<verb>, asking`."""
    return dict(
        sorted(
            Counter(each.verb + ("" if each.changes or each.verb in READS else ", asking") for each in requests).items()
        )
    )


def deleted_before(requests: Iterable[Request], first: set[str], then: set[str]) -> bool:
    """Whether every successful deletion of a ClusterDeployment in `first` came before any in `then`."""
    names = [
        each.name
        for each in requests
        if each.verb == "delete" and each.resource == "clusterdeployments" and each.code < 300 and each.changes
    ]
    last = max((number for number, name in enumerate(names) if name in first), default=-1)
    return all(number > last for number, name in enumerate(names) if name in then)
