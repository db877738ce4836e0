# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where something can't be written: what, where, why, and what moves it elsewhere. Only words; who writes
catches the OSError and raises what its callers know.
"""

from __future__ import annotations

import errno

#: What an OSError says where it isn't the file's or the program's fault.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: What moves the folder of Python's temporary files.
TMPDIR = "the environment variable TMPDIR"
#: What moves the folder that ansible-core has on the controller while it runs.
LOCAL_TMP = "the environment variable ANSIBLE_LOCAL_TEMP (local_tmp in ansible.cfg)"
#: What moves the folder in which a module writes.
REMOTE_TMP = "the variable ansible_remote_tmp (remote_tmp in ansible.cfg)"


def unwritable(error: OSError, what: str, folder: object, moves: str) -> str:
    """
    :param what: what was to be written.
    :param folder: where; a path.
    :param moves: the option or variable that names another folder.
    """
    reason = error.strerror or type(error).__name__
    return f"can't write {what} to {folder}: {reason}. Mend that there, or name another folder by {moves}"
