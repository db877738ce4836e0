# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of kof: the data of each, and a file per style of what its clusters are made of. Internal to this
collection.

A style knows manifests and judges; no job (apply, wait, delete …) may be known here, and no request is made.
"""
