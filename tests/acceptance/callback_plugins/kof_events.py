"""Writes every task result as a JSON line, as AWX's job events do: what a run did, and what its output would leak.

Test tool only. The file is named by KOF_EVENTS_FILE.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kof_events
type: notification
short_description: Task results as JSON lines
description: Task results as JSON lines, to the file that KOF_EVENTS_FILE names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kof_events"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, event: str, **data: Any) -> None:
        with open(os.environ["KOF_EVENTS_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **data}, default=str) + "\n")

    def _result(self, event: str, result: Any) -> None:
        data = json.loads(self._dump_results(result.result))
        self._write(
            event, host=result.host.get_name(), task=result.task.get_name(), action=result.task.action, result=data
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
