# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found, as rows, and their faces. Internal to this collection.

A face knows no Kubernetes and no kof: it lays out rows.
"""
