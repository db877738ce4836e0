"""Status conditions as kcm 0.1.0 keeps them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Condition = dict[str, Any]

SUCCEEDED = "Succeeded"
FAILED = "Failed"
PROGRESSING = "Progressing"
READY = "Ready"


def now() -> str:
    """The time as the API server writes it (UTC, whole seconds)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_condition(conditions: list[Condition], kind: str, status: str, reason: str, message: str = "") -> None:
    """Set a condition in place; lastTransitionTime moves only when the status does."""
    for condition in conditions:
        if condition["type"] == kind:
            if condition["status"] != status:
                condition["lastTransitionTime"] = now()
            condition.update(status=status, reason=reason, message=message)
            return
    conditions.append(
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}
    )


def find(conditions: list[Condition] | None, kind: str) -> Condition | None:
    """The condition of that type."""
    return next((c for c in conditions or [] if c["type"] == kind), None)


def is_true(conditions: list[Condition] | None, kind: str) -> bool:
    condition = find(conditions, kind)
    return condition is not None and condition["status"] == "True"


def aggregate_ready(conditions: list[Condition]) -> None:
    """Set `Ready` from all others: any False fails it, else any Unknown keeps it progressing; their messages joined."""
    others = [condition for condition in conditions if condition["type"] != READY]
    for status, reason in (("False", FAILED), ("Unknown", PROGRESSING)):
        found = [condition for condition in others if condition["status"] == status]
        if found:
            set_condition(conditions, READY, status, reason, "".join(f"{c['message']}. " for c in found))
            return
    set_condition(conditions, READY, "True", SUCCEEDED, "ClusterDeployment is ready")
