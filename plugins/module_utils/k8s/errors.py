# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and a Kubernetes API server: the exceptions, and nothing that sends or decides.

No message may hold a credential: callers show them to people and to AWX as they are.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut

REASON_LIMIT = 300  # characters of a refusal that a person sees
# What is said of an object as read at the API version of a field owner's entry: that version doesn't know a field which
# a newer one fills with a default, or the kind doesn't have the version any more.
_OF_ANOTHER_VERSION = ("field not declared in schema", "request to convert CR to an invalid group/version")

_FILLS = "storage is (re)initializing"  # and where it has failed, a colon and why


class ApiUnavailable(Exception):
    """The API server can't be spoken to: no connection, TLS, time-out, unusable kubeconfig. The message names the
    server, the cause and what to do."""


class UnsendableString(ValueError):
    """A string that would not arrive unchanged: the server parses apply bodies as YAML."""

    def __init__(self, path: str, why: str) -> None:
        """path: dotted path of the field, e.g. ``spec.config.region``; why: one clause."""
        super().__init__(f"{path or 'the object'}: {why}")
        self.path = path
        self.why = why


class ApiError(Exception):
    """The API server answered with an error status.

    status: HTTP status; reason: the server's CamelCase reason or ""; message: its text; details: ``Status.details``
    (causes, name, kind) or {}; retry_after: seconds the server asks to wait, None if it doesn't say.
    """

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.message = message or reason or f"HTTP {status}"
        self.details = details or {}
        self.retry_after = retry_after

    @property
    def causes(self) -> list[dict[str, str]]:
        """``details.causes`` as a list of dicts with any of reason, message, field."""
        causes = self.details.get("causes")
        return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []

    @property
    def field_conflicts(self) -> list[dict[str, str]]:
        """The causes of a 409 that name fields owned by other field managers; [] for any other error."""
        if self.status != 409:
            return []
        return [cause for cause in self.causes if cause.get("reason") == "FieldManagerConflict"]

    @property
    def is_of_one_kind(self) -> bool:
        """A 429 that isn't about how much is asked: the server can't fill its cache of the kind, for example as the
        webhook that converts it is away. All other kinds are had as ever."""
        return self.status == 429 and _FILLS in self.message

    @property
    def is_filling(self) -> bool:
        """One of these without a reason: the cache is only being filled. Of a definition that is new, or after a
        restart, that may take the server half a minute, and it passes."""
        return self.is_of_one_kind and not self.message.partition(_FILLS)[2].startswith(":")

    @property
    def is_schema_refusal(self) -> bool:
        """A 500 that says that something doesn't fit the schema: final, a retry can't help. Other than an InternalError
        it has no reason. Server-side apply only."""
        return (
            self.status == 500
            and not self.reason
            and (self._is_about_the_body or any(text in self.message for text in _OF_ANOTHER_VERSION))
        )

    @property
    def _is_about_the_body(self) -> bool:
        """ "failed to create typed patch object …", "failed to convert …"."""
        return self.message.startswith("failed to ")

    @property
    def is_of_another_version(self) -> bool:
        """A schema refusal of what is there, not of the body: it can't be read at the API version of a field owner's
        entry. See ownership.migrated."""
        return self.is_schema_refusal and not self._is_about_the_body


def one_line(text: str, limit: int = REASON_LIMIT) -> str:
    """`text` on one line of at most `limit` characters."""
    return cut(" ".join(text.split()), limit)
