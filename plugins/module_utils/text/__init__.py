# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values, YAML text, versions, words, and what may be told of them. Internal to this collection.

No network, no Kubernetes, no kof; of Ansible only the door through which its values come in (plain.py).
"""
