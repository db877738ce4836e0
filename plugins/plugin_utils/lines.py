# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people while an action works: tables, progress, summaries, warnings. Where they go; not what they say."""

from __future__ import annotations

import functools
import inspect

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving

#: Beside `default` and what is derived from it (yaml, unixy, awx_display): to their output a line does no harm.
_OF_LINES = ("minimal", "oneline")


def say(text: str) -> None:
    """Show lines, in which a cluster's text may be, at once: on stdout, or on stderr where the stdout callback may
    write something to be parsed."""
    # A callback may have put a wrapper around Display.display, as ansible-runner's does. What that writes here, in a
    # worker, is "errantly sent data": core's own method hands the line to the controller's process, where the wrapper
    # has its turn.
    own = inspect.unwrap(Display.display, stop=lambda each: each.__globals__["__name__"] == Display.__module__)
    own(Display(), leaving(text), stderr=not takes_lines(C.DEFAULT_STDOUT_CALLBACK))


def warn(text: str) -> None:
    """Show a warning at once; it may hold a cluster's text, as a line may."""
    Display().warning(leaving(text))


@functools.cache
def takes_lines(name: str) -> bool:
    """Is a stdout callback of this name for people, so that a line more on stdout can't break what reads it?"""
    name = name.removeprefix("ansible.builtin.")
    if name in _OF_LINES:
        return True
    found = callback_loader.get(name, class_only=True)
    return isinstance(found, type) and issubclass(found, DefaultCallback)
