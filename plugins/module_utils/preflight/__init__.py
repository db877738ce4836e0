# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be known before a change. Internal to this collection.

facts.py reads, checks/ judges (no network there), run.py puts both together with the inventory.
"""
