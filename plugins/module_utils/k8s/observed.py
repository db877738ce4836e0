# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to an API server as a person may see it at -vvv: verb, path, status, time. Not who shows it.

Never a body, a header, a login, or a value of a query that nobody here knows to be harmless.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line

#: The verbosity from which on requests are shown, by `-v`s.
VERBOSITY = 3
#: Parameters whose values are words of the API, names or numbers. Of all others only the name is told.
_HARMLESS = frozenset({
    "allowWatchBookmarks", "dryRun", "fieldManager", "fieldSelector", "force", "labelSelector", "limit",
    "propagationPolicy", "resourceVersion", "resourceVersionMatch", "timeoutSeconds", "watch",
})  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request that was answered, or wasn't.

    :ivar server: its address, without login or query.
    :ivar verb: the HTTP method; WATCH for an answer that goes on, of which this is the head.
    :ivar target: path and query as they were sent, without a path that is the server's own.
    :ivar came_of_it: the status, or why there is none.
    :ivar seconds: until the whole answer was there, or it was clear that there is none; without waiting for a turn.
    """

    server: str
    verb: str
    target: str
    came_of_it: int | str
    seconds: float

    def __str__(self) -> str:
        path, _mark, query = self.target.partition("?")
        told = "&".join(
            f"{name}={value if name in _HARMLESS else '…'}" for name, value in parse_qsl(query, keep_blank_values=True)
        )
        # As text and not as coded for a URL, so that what hides secrets finds them in it.
        asked = f"{self.verb} {unquote(path)}{'?' if told else ''}{told}"
        return one_line(f"<{self.server}> {asked}: {self.came_of_it} in {self.seconds * 1000:.0f} ms", 1000)


#: Told of each request, from the thread that sent it: it may not take long, nor raise.
Observer = Callable[[Request], None]


def by_module(module: Any) -> Observer | None:
    """What keeps the requests of a module, for its result to bring them as `requests` to the action, which shows them;
    None where nobody wants to see them.

    :param module: an AnsibleModule that has not ended yet.
    """
    if module._verbosity < VERBOSITY:
        return None
    kept: list[str] = []
    for end in ("exit_json", "fail_json"):
        setattr(module, end, functools.partial(getattr(module, end), requests=kept))
    return lambda request: kept.append(str(request))
