# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""helm 3: what it stores about releases, its binary, one run for one release. Internal to this collection.

Any chart, any release: which charts are kof's is said in kof/.
"""
