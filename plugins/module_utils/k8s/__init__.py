# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kubernetes API server: the way to it, objects made equal to wanted ones, waiting for them. Internal to this
collection.

Knows Kubernetes' own kinds and no others: nothing of kof, of helm or of any cloud.
"""
