# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet of kof is made of: variables, clusters, manifests, whose an object is, when it is ready, what may not
be done to it. Internal to this collection.

No job is done here: who applies, waits, deletes or looks is in fleet/, preflight/ or plugin_utils/.
"""
