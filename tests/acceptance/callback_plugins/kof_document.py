"""A stdout callback for programs, as ansible.posix.json is: nothing but one JSON document, at the end."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kof_document
type: stdout
short_description: Statistics as one JSON document
description: Statistics as one JSON document.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "kof_document"

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._display.display(json.dumps({"stats": hosts}))
