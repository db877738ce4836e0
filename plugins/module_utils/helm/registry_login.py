# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program helm asks for a login at a registry, by the files of `helm registry login` and `docker login`.

Looks whether it is there, and whether the registry would be worth asking it; reads no login.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import urllib.error
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

#: A table must not wait for a registry that isn't there (seconds).
_PATIENCE = 5.0


def missing_helper(reference: str, environment: Mapping[str, str]) -> str | None:
    """The credential helper that is named for a registry and isn't there, in words.

    helm looks into its own file, then into Docker's, and asks the helper of the host, else the one of all hosts, when a
    registry answers 401; many do, and give a token to anybody then, but helm doesn't get that far.

    :param reference: of a chart, `oci://registry.example.com/charts`.
    """
    host = urlsplit(reference).netloc
    for path in _files(environment):
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
        except (OSError, ValueError):
            continue  # helm goes on without it, or says what is wrong
        content = content if isinstance(content, dict) else {}
        of_hosts = content.get("credHelpers")
        helper = (of_hosts.get(host) if isinstance(of_hosts, dict) else None) or content.get("credsStore")
        program = f"docker-credential-{helper}"
        if isinstance(helper, str) and helper and not shutil.which(program, path=environment.get("PATH")):
            return f"{path} has helm ask {program} for the login at {host}, and there is no such program on PATH"
    return None


def wants_login(reference: str, *, plain_http: bool, ca_file: str | None) -> bool:
    """Whether a registry answers somebody without a login with 401; one that can't be asked is not said to."""
    from ansible.module_utils import urls

    address = f"{'http' if plain_http else 'https'}://{urlsplit(reference).netloc}/v2/"
    try:
        urls.open_url(address, timeout=_PATIENCE, ca_path=ca_file, use_netrc=False).close()
        return False
    except urllib.error.HTTPError as answer:
        return answer.code == 401
    except (OSError, ValueError, http.client.HTTPException, urls.ConnectionError):
        return False


def _files(environment: Mapping[str, str]) -> Iterator[str]:
    home = environment.get("HOME") or os.path.expanduser("~")
    configuration = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    helm = environment.get("HELM_CONFIG_HOME") or os.path.join(configuration, "helm")
    yield environment.get("HELM_REGISTRY_CONFIG") or os.path.join(helm, "registry", "config.json")
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
