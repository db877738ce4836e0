# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names resolve to, many at a time, by dnspython: of a given resolver, or by the system's. Only asks."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

try:
    import dns.exception
    import dns.rdatatype
    import dns.resolver
except ImportError:  # whoever needs it asks THERE
    THERE = False
else:
    THERE = True

#: Questions at a time.
QUESTIONS = 64
TYPES = ("A", "AAAA")
_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?\Z", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """
    :ivar addresses: IPv4 and IPv6; none where the name is unknown, or has none.
    :ivar aliases: names that it goes by on the way there (CNAME), lower case, without a dot at their ends.
    :ivar problem: why that isn't known; empty where it is.
    """

    addresses: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    problem: str = ""


def server(text: str) -> tuple[str, int]:
    """Address and port of a resolver: `192.0.2.53`, `127.0.0.1:5353`, `2001:db8::53`, `[2001:db8::53]:53`.

    :raises ValueError: it is none.
    """
    try:
        return str(ipaddress.ip_address(text)), 53
    except ValueError:
        found = _PORT.match(text)
    port = int(found["port"] or 53) if found else 0
    try:
        if found and 0 < port < 65536:
            return str(ipaddress.ip_address(found["six"] or found["four"])), port
    except ValueError:
        pass
    raise ValueError("is no IP address, with or without a port")


def look_up(names: Iterable[str], resolver: str | None, seconds: float) -> Mapping[str, Answer]:
    """What each name resolves to now.

    :param resolver: as `server`; None for the system's.
    :param seconds: after which nobody is waited for any more, altogether.
    """
    asked = list(dict.fromkeys(names))
    try:
        found = _resolver(resolver)
    except dns.resolver.NoResolverConfiguration:
        return dict.fromkeys(asked, Answer(problem="this machine has no resolver configured"))
    until = time.monotonic() + seconds
    questions = [(name, kind) for name in asked for kind in TYPES]
    with ThreadPoolExecutor(min(QUESTIONS, len(questions) or 1)) as pool:
        answers = list(pool.map(lambda question: _ask(found, question[0], question[1], until), questions))
    by_name = {
        name: answers[n : n + len(TYPES)] for n, name in zip(range(0, len(answers), len(TYPES)), asked, strict=True)
    }
    return {name: _together(parts) for name, parts in by_name.items()}


def _resolver(resolver: str | None) -> Any:
    if resolver is None:
        return dns.resolver.Resolver()
    found = dns.resolver.Resolver(configure=False)
    address, found.port = server(resolver)
    found.nameservers = [address]
    return found


def _ask(resolver: Any, name: str, kind: str, until: float) -> Answer:
    left = until - time.monotonic()
    if left <= 0:
        return Answer(problem="no answer in time")
    try:
        # Absolute: what the system's search list would make of it is none of ours.
        answer = resolver.resolve(f"{name}.", kind, lifetime=left, raise_on_no_answer=False, search=False)
        message = answer.response
    except dns.resolver.NXDOMAIN as unknown:
        message = next(iter(unknown.responses().values()), None)
    except dns.exception.Timeout:
        return Answer(problem="no answer in time")
    except dns.resolver.NoNameservers as refused:
        return Answer(problem=_codes(refused))
    except (dns.exception.DNSException, OSError) as problem:
        return Answer(problem=str(problem) or type(problem).__name__)
    sections = message.answer if message is not None else []
    of_kind = dns.rdatatype.from_text(kind)
    addresses = {item.to_text() for section in sections if section.rdtype == of_kind for item in section}
    aliases = [
        item.target.to_text(omit_final_dot=True).lower()
        for section in sections
        if section.rdtype == dns.rdatatype.CNAME
        for item in section
    ]
    return Answer(frozenset(addresses), tuple(dict.fromkeys(aliases)))


def _codes(refused: Any) -> str:
    """What the name servers said instead, as REFUSED or SERVFAIL."""
    errors = refused.kwargs.get("errors") or ()
    told = dict.fromkeys(str(each[3] or "no answer") for each in errors)
    return f"the resolver says {', '.join(told)}" if told else "no resolver answers"


def _together(parts: Iterable[Answer]) -> Answer:
    parts = list(parts)
    addresses = frozenset[str]().union(*(each.addresses for each in parts))
    aliases = tuple(dict.fromkeys(alias for each in parts for alias in each.aliases))
    # Where one type of address is there, that another wasn't heard of in time is no reason to say nothing.
    problem = "" if addresses or aliases else next((each.problem for each in parts if each.problem), "")
    return Answer(addresses, aliases, problem)
