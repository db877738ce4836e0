# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people while an action works: tables, progress, summaries, warnings, requests at -vvv. Where they go; not
what they say."""

from __future__ import annotations

import functools
import inspect
import threading
from collections import deque

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.observed import VERBOSITY, Observer, Request
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving

#: Beside `default` and what is derived from it (yaml, unixy, awx_display): to their output a line does no harm.
_OF_LINES = ("minimal", "oneline")
#: Requests that nobody was shown yet.
_requests: deque[Request] = deque()


def say(text: str) -> None:
    """Show lines, in which a cluster's text may be, at once: on stdout, or on stderr where the stdout callback may
    write something to be parsed."""
    # A callback may have put a wrapper around Display.display, as ansible-runner's does. What that writes here, in a
    # worker, is "errantly sent data": core's own method hands the line to the controller's process, where the wrapper
    # has its turn.
    show_requests()
    own = inspect.unwrap(Display.display, stop=lambda each: each.__globals__["__name__"] == Display.__module__)
    own(Display(), leaving(text), stderr=not takes_lines(C.DEFAULT_STDOUT_CALLBACK))


def warn(text: str) -> None:
    """Show a warning at once; it may hold a cluster's text, as a line may."""
    show_requests()
    Display().warning(leaving(text))


def observer() -> Observer | None:
    """What shows each request, as Ansible shows at -vvv what it does itself; None where nobody wants to see them, so
    that nothing is spent on it."""
    display = Display()
    return _observed if max(display.verbosity, display.log_verbosity) >= VERBOSITY else None


def _observed(request: Request) -> None:
    _requests.append(request)
    show_requests()


def show_requests() -> None:
    """Those that are waiting. By the main thread alone: the gate has what it found out for one at a time, and a thread
    that ended while it displays, as those of watches may, would keep the lock of all processes' lines for ever. It
    comes by with its next request or line, and at the action's end."""
    while _requests and threading.current_thread() is threading.main_thread():
        show_verbose(str(_requests.popleft()))


def show_verbose(text: str) -> None:
    """Show a line at -vvv; it may hold a cluster's text."""
    Display().vvv(leaving(text))


@functools.cache
def takes_lines(name: str) -> bool:
    """Is a stdout callback of this name for people, so that a line more on stdout can't break what reads it?"""
    name = name.removeprefix("ansible.builtin.")
    if name in _OF_LINES:
        return True
    found = callback_loader.get(name, class_only=True)
    return isinstance(found, type) and issubclass(found, DefaultCallback)
