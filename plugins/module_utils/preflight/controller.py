# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be on the machine that runs Ansible beside it: collections, Python packages. Looks, imports nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Mapping

#: Least versions, as galaxy.yml and requirements.txt have them.
COLLECTIONS = {"amazon.aws": "10.1.2", "kubernetes.core": "6.2.0"}
PACKAGES = {"boto3": "1.34", "kubernetes": "29"}
MINIMUM = {**COLLECTIONS, **PACKAGES}
#: What dns_credentials works at AWS with.
FOR_AWS = ("amazon.aws", "boto3")
#: What the namespace of kof is made with.
FOR_NAMESPACE = ("kubernetes.core", "kubernetes")


def versions() -> Mapping[str, str | None]:
    """Their versions; empty where there is one that doesn't say, None where there is none."""
    return {**{name: _of_collection(name) for name in COLLECTIONS}, **{name: _of_package(name) for name in PACKAGES}}


def own_version() -> str:
    """Of this collection; empty where it is no release."""
    return _of_collection("k0rdent.kof") or ""


def _of_package(name: str) -> str | None:
    try:
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    except (ImportError, ValueError):
        return None


def _of_collection(name: str) -> str | None:
    try:
        spec = importlib.util.find_spec(f"ansible_collections.{name}")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations if spec else None) or ():
        try:
            with open(os.path.join(folder, "MANIFEST.json"), encoding="utf-8") as file:
                return str(json.load(file)["collection_info"]["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return "" if spec else None
