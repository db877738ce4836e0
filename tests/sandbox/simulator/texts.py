"""How Go programs word what went wrong on the way to an API server, and Go's quoting. Pure."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from urllib.parse import urlsplit

import urllib3

REFUSED = "connect: connection refused"

#: What clientcmd says of a file that holds no mapping; the file's name is new at each attempt.
NO_KUBECONFIG = (
    'BuildConfigFromFlags: error loading config file "/tmp/kubeconfig{number}": couldn\'t get version/kind; '
    "json parse error: json: cannot unmarshal string into Go value of type struct "
    '{{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)


_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


@functools.lru_cache(maxsize=256)  # a thousand clusters share a few values
def quote(text: str) -> str:
    """The text as Go's strconv.Quote writes it."""

    def written(char: str) -> str:
        if char in '"\\':
            return "\\" + char
        if char.isprintable():
            return char
        number = ord(char)
        if char in _NAMED or number < 0x80:
            return _NAMED.get(char, f"\\x{number:02x}")
        return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

    return f'"{"".join(map(written, text))}"'


def values_hash(values: str) -> str:
    """`valuesHash` of a release in a ClusterSummary, without valuesFrom: Sveltos hashes the quoted text."""
    return base64.b64encode(hashlib.sha256(quote(values).encode()).digest()).decode()


def dial_failure(server: str, error: Exception | None = None) -> str:
    """`dial tcp …`: why a connection to `server` came about not (refused, where there is no error to tell)."""
    parts = urlsplit(server)
    place = f"{parts.hostname}:{parts.port or 443}"
    text = str(error or "")
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return f"dial tcp {place}: i/o timeout"
    if "resolve" in text or "Name or service" in text or "nodename" in text:
        return f"dial tcp: lookup {parts.hostname}: no such host"
    if "certificate" in text:
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    return f"dial tcp {place}: {REFUSED}"


def no_discovery(server: str, error: Exception | None = None) -> str:
    """What Sveltos' SveltosCluster manager says of a server that it can't reach."""
    return (
        "failed to get API group resources: unable to retrieve the complete list of server APIs: "
        f"v1: Get {json.dumps(server + '/api/v1')}: {dial_failure(server, error)}"
    )


def no_helm(server: str, error: Exception | None = None) -> str:
    """What helm says of a server that it can't reach."""
    return f"Kubernetes cluster unreachable: Get {json.dumps(server + '/version')}: {dial_failure(server, error)}"
