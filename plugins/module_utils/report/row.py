# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one check of the preflight says. The type, its wording, its narrowing to a batch; makes no check."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import coded, first_lines, some

OK = "ok"
WARNING = "warning"
FAILED = "failed"
ANNOUNCED = "announced"  #: not there yet, and this run will bring it
STATUSES = (FAILED, WARNING, ANNOUNCED, OK)

#: Name of the checks that only repeat what is wrong with a variable.
INPUT = "inventory"
#: How many failures the message of a failed preflight has.
MESSAGE_SHOWS = 10


@dataclass(frozen=True)
class Check:
    """One row of the preflight table.

    :ivar name: what is checked, a noun ("storage class").
    :ivar found: what is there. Never a secret value.
    :ivar wanted: what would be right; empty where found says it all.
    :ivar remedy: what to do about it; empty when there is nothing to do.
    :ivar status: ok | warning | failed | announced.
    :ivar hosts: the inventory hosts it is about; empty when it concerns the whole run.
    :ivar variable: the variable that decides it, if there is one.
    :ivar code: of the finding (docs/findings.md) that it is on a live fleet, if it is one.
    """

    name: str
    found: str
    wanted: str = ""
    remedy: str = ""
    status: str = OK
    hosts: tuple[str, ...] = ()
    variable: str | None = None
    code: str = ""

    def line(self) -> str:
        """The check as one sentence for `msg` and `errors`: `host: variable: what is checked: problem [code];
        remedy`.

        A fault of the variables themselves (INPUT) needs no word on what is checked.
        """
        about = [some(self.hosts)] if self.hosts else []
        about += [self.variable] if self.variable else []
        about += [self.name] if self.name != INPUT or not about else []
        told = coded(self.found + (f" (wanted: {self.wanted})" if self.wanted else ""), self.code)
        return ": ".join([*about, told]) + (f"; {self.remedy}" if self.remedy else "")


def narrowed(check: Check, batch: Collection[str]) -> Check:
    """A fault of clusters outside the batch is worth a warning, but must not stop the others."""
    if check.status != FAILED or not check.hosts or any(host in batch for host in check.hosts):
        return check
    return replace(check, status=WARNING)


def failures(checks: Iterable[Check]) -> list[Check]:
    """The checks that must stop the run."""
    return [check for check in checks if check.status == FAILED]


def message(checks: Sequence[Check], shown: int = MESSAGE_SHOWS) -> str:
    """What a failed preflight says: how many failed, and the first of them, one line each; empty if none failed."""
    failed = failures(checks)
    if not failed:
        return ""
    head = f"preflight: {len(failed)} of {len(checks)} checks failed; nothing was changed."
    return "\n".join([head, *first_lines([check.line() for check in failed], shown)])
