# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to this collection, all of it: no name below is kept from one release to the next. See ARCHITECTURE.md.

Nothing may stand here but folders. Which of them may use which is held by tests/unit/test_arrows.py.
"""
