"""The roles' specs: defaults/main.yml says the same, kof_* options are one block in all, everything is described."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
import yaml

ROLES = pathlib.Path(__file__).parents[2] / "roles"
NAMES = ("mothership", "dns_credentials", "regional", "child")
TYPES = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict, "raw": str}


def spec(role: str) -> dict[str, dict[str, Any]]:
    text = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["argument_specs"]["main"]["options"]


def kof_block(role: str) -> str:
    """The text of the shared options, from the first to the last."""
    lines = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8").splitlines()
    inside, block = False, []
    for line in lines:
        if line.startswith("      ") and not line.startswith("       ") and line.endswith(":"):
            inside = line.strip().startswith("kof_")
        if inside and line.strip() and not line.strip().startswith("#"):
            block.append(line)
    return "\n".join(block)


def test_these_are_all_roles() -> None:
    assert sorted(folder.name for folder in ROLES.iterdir() if folder.is_dir()) == sorted(NAMES)


@pytest.mark.parametrize("role", NAMES)
def test_defaults_equal_the_spec_in_keys_types_and_values(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    wanted = {
        name: option["default"]
        for name, option in spec(role).items()
        if "default" in option and not name.startswith("kof_")
    }
    assert defaults == wanted
    assert {name: type(value) for name, value in defaults.items()} == {
        name: type(value) for name, value in wanted.items()
    }


@pytest.mark.parametrize("role", NAMES)
def test_the_shared_options_are_the_same_text_in_every_role(role: str) -> None:
    # What AWS gives goes by no release of kof: that role alone asks for none.
    wanted = kof_block("regional").replace(
        "        required: true\n", "" if role == "dns_credentials" else "        required: true\n"
    )
    assert kof_block(role) == wanted
    assert kof_block(role).count("\n") > 100


@pytest.mark.parametrize("role", NAMES)
def test_every_option_is_described_and_of_a_known_type(role: str) -> None:
    for name, option in spec(role).items():
        assert name.startswith((f"{role}_", "kof_")), name
        assert option.get("description"), name
        assert option["type"] in TYPES, name
        if option["type"] == "list":
            assert option["elements"] in TYPES, name
        if "default" in option:
            kind = type(option["default"])  # exactly: True is no int
            assert kind is TYPES[option["type"]], name
            assert not option.get("required"), name
        if "choices" in option and "default" in option:
            assert option["default"] in option["choices"], name


@pytest.mark.parametrize("role", NAMES)
def test_whatever_sounds_secret_is_not_logged(role: str) -> None:
    for name, option in spec(role).items():
        secret = name.endswith(("password", "api_key", "secret_access_key", "secret_key"))
        assert bool(option.get("no_log")) >= secret, name


def test_no_task_defaults_a_shared_option_by_itself() -> None:
    """Null, an empty text and omit would go past it: the filters give what is set, with every default."""
    defaulted = [
        f"{path.name}: {name}"
        for path in ROLES.rglob("*.yml")
        for name in re.findall(r"\b(kof_\w+) \| default\('[^']*'\)", path.read_text(encoding="utf-8"))
    ]
    assert defaulted == []
