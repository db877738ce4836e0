# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a request goes: what a server's or a proxy's URL says, and which proxy stands before which server, as Go's
net/url and golang.org/x/net/http/httpproxy have it, by which kubectl and helm go.

Texts and values only: resolves no name, connects to nothing.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

#: By scheme, the port that is meant where none is said.
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
SERVERS = ("https", "http")
PROXIES_OF_KUBECONFIGS: tuple[str, ...] = ("http", "https", "socks5")
PROXIES = (*PROXIES_OF_KUBECONFIGS, "socks5h")
_USERINFO = re.compile(r"[\w.~!$&'()*+,;=:%@-]*", re.ASCII)
_NAME = re.compile(r"[\w.-]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class NoAddress(ValueError):
    """A text that is no URL of a server or proxy; the message says why and quotes nothing of it."""


@dataclass(frozen=True)
class Address:
    """What a URL says.

    :ivar host: lower case, of an IPv6 address without brackets.
    :ivar path: with its escapes, without a slash at its end.
    :ivar login: user name and password, None without.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    login: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """host:port as a request names it: whose zone an address is in concerns this machine alone."""
        host = self.host.partition("%")[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def address(url: str, schemes: tuple[str, ...] = SERVERS) -> Address:
    """What `url` says; its query and fragment are dropped. Raises NoAddress."""
    if not url.isprintable() or " " in url:
        raise NoAddress("it has white space or control characters in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoAddress("it has no usable port, or no usable IPv6 address in brackets") from None
    if parts.scheme not in schemes:
        raise NoAddress(f"it starts with {' or '.join(f'{each}://' for each in schemes)}")
    login, _at, where = parts.netloc.rpartition("@")
    if ":" in host:
        host = host.replace("%25", "%", 1)  # RFC 6874: how a URL says a zone
    elif not _NAME.fullmatch(host) or where.startswith("["):
        raise NoAddress("it names no host")
    if not _USERINFO.fullmatch(login) or _BAD_ESCAPE.search(login + parts.path):
        raise NoAddress("it has characters in it that a URL writes as %XX")
    name, _colon, password = login.partition(":")
    path = quote(posixpath.normpath("/" + unquote(parts.path).lstrip("/")), safe="/$&+,:;=@")
    return Address(
        parts.scheme,
        host,
        PORTS[parts.scheme] if port is None else port,
        path.rstrip("/"),
        (unquote(name), unquote(password)) if login else None,
    )


def proxy_of_environment(server: Address, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """(value, name of its variable) of the proxy that the environment says for `server`, None if it says none: never
    for this machine itself. What NO_PROXY says isn't asked."""
    if is_this_machine(server.host):
        return None
    for name in (f"{server.scheme}_proxy".upper(), f"{server.scheme}_proxy"):
        if environ.get(name):
            return environ[name], name
    return None


def no_proxy_of_environment(environ: Mapping[str, str]) -> str:
    return environ.get("NO_PROXY") or environ.get("no_proxy") or ""


def is_this_machine(host: str) -> bool:
    ip = _ip(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)


def excepted(server: Address, exceptions: str) -> bool:
    """Whether a NO_PROXY list names `server`: by a name (its subdomains are meant, too), `.name` or `*.name` (only
    these), an IP address, each perhaps with a port; a network, or `*`. What is none of these is ignored."""
    ip = _ip(server.host)
    for entry in (part.strip() for part in exceptions.lower().split(",")):
        network = _network(entry)
        if entry == "*" or (network is not None and ip is not None and ip in network):
            return True
        if network is not None:
            continue
        host, port = _host_and_port(entry)
        if port not in ("", str(server.port)) or not host:
            continue
        entry_ip = None if "%" in host else _ip(host)
        if entry_ip is not None or ip is not None:
            if entry_ip == ip:
                return True
            continue
        suffix = host.removeprefix("*") if host.startswith("*.") else host
        if server.host == suffix or server.host.endswith(suffix if suffix.startswith(".") else f".{suffix}"):
            return True
    return False


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IPv4 address also where it is written as IPv6's stand-in for one; without its zone."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """`address/bits`; a mask instead of bits is none to Go."""
    start, _slash, bits = text.partition("/")
    if not (bits.isascii() and bits.isdigit()) or "%" in start:
        return None
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    return ipaddress.ip_network((mapped, max(0, found.prefixlen - 96))) if mapped else found


def _host_and_port(entry: str) -> tuple[str, str]:
    """As Go's net.SplitHostPort; an entry that is none of its forms is a host without port."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        split = bracket and rest.startswith(":") and not re.search(r"[\[\]:]", rest[1:]) and "[" not in host
        return (host, rest[1:]) if split else (entry, "")
    host, colon, port = entry.rpartition(":")
    return (host, port) if colon and ":" not in host and not re.search(r"[\[\]]", entry) else (entry, "")
