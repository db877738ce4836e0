# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of plugin that runs in the controller ends: with what nobody expected, see telling.quotes_nothing,
which modules use as it is; and an action's result and errors go through the gate of leaving.py. Decorators of a
plugin's whole entry, and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import (
    AnsibleAction,
    AnsibleActionFail,
    AnsibleConnectionFailure,
    AnsibleError,
    AnsibleFilterError,
    AnsibleParserError,
)
from jinja2.exceptions import UndefinedError

from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quotes_nothing
from ansible_collections.k0rdent.kof.plugins.plugin_utils import lines
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving, of_action

_SAID = (AnsibleAction, AnsibleConnectionFailure)
_quotes_nothing = quotes_nothing(AnsibleActionFail, _SAID)


def action(run: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Of an action's run(). What is raised to skip, fail or say that a host is away is said by core or by us.

    Keys of the result that later tasks go by, and whose texts must stay what they are, are the class's GOES_BY.
    """

    @_quotes_nothing
    @functools.wraps(run)
    def gated(self: Any, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with of_action(self, task_vars or {}):
            try:
                return dict(leaving(run(self, tmp, task_vars), getattr(self, "GOES_BY", ())))
            except _SAID as error:
                said = (error.message, error.result if isinstance(error, AnsibleAction) else {})
                message, result = leaving(said)
                if (message, result) == said:
                    raise
                raise type(error)(message, **({"result": result} if result else {})) from None
            finally:
                lines.show_requests()

    return gated


#: Of a filter. An undefined value is core's to tell.
template = quotes_nothing(AnsibleFilterError, (AnsibleFilterError, UndefinedError))
#: Of an inventory plugin's parse().
inventory = quotes_nothing(AnsibleParserError, (AnsibleParserError,))


def of_configuration(error: AnsibleError) -> str:
    """Why an inventory plugin's file can't be its configuration; an option's name, never its value."""
    chain: list[BaseException] = [error]
    while (behind := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(behind)
    # Of options that have the wrong type core says which, and quotes the value only as the cause; what it says of YAML
    # quotes aliases and tags.
    if error.args and (len(chain) == 1 or "Option" in type(error).__name__):
        return str(error.args[0])
    line = next(filter(None, (getattr(getattr(each, "obj", None), "line_num", None) for each in chain)), None)
    return f"it can't be read as YAML{f', line {line}' if line else ''}"
