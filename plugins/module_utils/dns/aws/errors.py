# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the AWS SDK, to be caught also where there is no SDK: then nothing raises them. Nothing else."""

from __future__ import annotations

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # whoever needs the SDK says that it is missing

    class BotoCoreError(Exception):  # type: ignore[no-redef]
        """Never raised."""

    class ClientError(Exception):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["BotoCoreError", "ClientError"]
