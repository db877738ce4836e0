"""Real task variables out of inventory text, as a fleet action gets them. Helpers only, no test."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

FLEET = """
all:
  vars:
    kof_version: "0.1.1"
    kof_fleet: test
    regional_admin_email: platform@example.com
kof_mothership:
  hosts: {mothership: }
kof_regional:
  hosts:
    eu1: {regional_domain: eu1.example.com}
    us1: {regional_domain: us1.example.com}
kof_child:
  hosts:
    eu1-child1: {child_regional: eu1}
    us1-child1: {child_regional: us1}
"""


def task_vars(
    folder: pathlib.Path,
    text: str = FLEET,
    *,
    batch: list[str] | None = None,
    extra: dict[str, Any] | None = None,
    name: str = "hosts.yml",
) -> dict[str, Any]:
    """What `run(task_vars=...)` gets for the first host of the batch; batch: all hosts unless named."""
    file = folder / name
    file.write_text(text)
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(file)])
    manager = VariableManager(loader, inventory)
    # Not updated: all managers of a process share one.
    manager._extra_vars = dict(extra or {})
    hostvars = HostVars(inventory, manager, loader)
    hosts = batch if batch is not None else [host.name for host in inventory.get_hosts()]
    found: dict[str, Any] = dict(hostvars.raw_get(hosts[0])) if hosts else {}
    found.update(
        hostvars=hostvars,
        groups=inventory.get_groups_dict(),
        ansible_play_batch=hosts,
        inventory_hostname=hosts[0] if hosts else "localhost",
    )
    return found
