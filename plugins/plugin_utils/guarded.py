# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of plugin that runs in the controller ends with what nobody expected: see telling.quotes_nothing, which
modules use as it is. Decorators of a plugin's whole entry, and nothing else.
"""

from __future__ import annotations

from ansible.errors import (
    AnsibleAction,
    AnsibleActionFail,
    AnsibleConnectionFailure,
    AnsibleError,
    AnsibleFilterError,
    AnsibleParserError,
)
from jinja2.exceptions import UndefinedError

from ansible_collections.k0rdent.kof.plugins.module_utils.telling import quotes_nothing

#: Of an action's run(). What is raised to skip, fail or say that a host is away is said by core or by us.
action = quotes_nothing(AnsibleActionFail, (AnsibleAction, AnsibleConnectionFailure))
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
