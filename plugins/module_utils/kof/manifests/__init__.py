# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects and values as kof wants them, a file a kind: a pure function of one cluster. Internal to this collection.

Nothing is read or sent; what is common to all is in common.py.
"""
