# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task gives to an action of ours, before ansible-core makes text of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import became_typed


def mistyped(args: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]]) -> str:
    """The first text option that is no text, in words; empty where there is none.

    ansible-core would turn it into text again: 1.10 has become 1.1 by then, a password 0123 the number 83, and a list
    becomes what Python writes for it.
    """
    for name, option in spec.items():
        for each in (name, *option.get("aliases", ())):
            value = args.get(each)
            problem = became_typed(option, value)
            if problem and isinstance(value, (list, dict)):
                return f"{each}: {problem}"
            if problem:
                return f"{each}: {problem}; quote it where it is said: without quotes YAML reads 1.10 as the number 1.1"
    return ""
