"""What an execution environment is made of has all that our plugins import, at the versions of requirements.txt."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
from importlib import metadata

import yaml

REPOSITORY = pathlib.Path(__file__).parents[2]
ENVIRONMENT = yaml.safe_load((REPOSITORY / "execution-environment.yml").read_text())
#: ansible-core's own; it is installed beside the requirements.
_WITH_CORE = ("ansible", "jinja2")


def lines(name: str) -> dict[str, str]:
    """What a file of requirements asks for, by the distribution's name."""
    wanted = [line for line in (REPOSITORY / name).read_text().splitlines() if line and not line.startswith("#")]
    return {re.split(r"[<>=!~]", line)[0].lower(): line for line in wanted}


def imported() -> dict[str, str]:
    """Modules that aren't Python's or ours, each with a plugin that imports it."""
    found: dict[str, str] = {}
    for path in (REPOSITORY / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            names += (
                [*re.findall(r"import_module\(['\"](\w+)", ast.unparse(node))] if isinstance(node, ast.Call) else []
            )
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "ansible_collections":
                    found[top] = str(path.relative_to(REPOSITORY))
    return found


def test_every_import_of_our_plugins_is_in_the_environment() -> None:
    # A distribution that is asked for brings those that it needs itself: boto3 has botocore.
    provided = metadata.packages_distributions()
    asked = lines("meta/ee-requirements.txt")
    brought = set(asked) | {
        re.split(r"[^\w.-]", each)[0].lower()
        for name in asked
        for each in metadata.requires(name) or ()
        if "extra ==" not in each
    }
    modules = imported()
    assert {"yaml", "kubernetes", "botocore", "socks", "urllib3", "cryptography"} <= set(modules)
    for module, where in modules.items():
        if module not in _WITH_CORE:
            names = {each.lower() for each in provided[module]}
            assert names & brought, f"{where} imports {module}, of {names}, which meta/ee-requirements.txt hasn't"


def test_it_asks_for_what_everybody_is_asked_for() -> None:
    environment = lines("meta/ee-requirements.txt")
    for name, line in lines("requirements.txt").items():
        assert environment[name] == line


def test_the_built_one_has_runner_and_a_core_that_we_support() -> None:
    parts = ENVIRONMENT["dependencies"]
    assert parts["ansible_runner"]["package_pip"] == "ansible-runner>=2.4.2"
    assert parts["ansible_core"]["package_pip"] == "ansible-core>=2.19,<2.20"
    for key in ("galaxy", "python", "system"):
        assert (REPOSITORY / parts[key]).is_file()
    collection = yaml.safe_load((REPOSITORY / "meta" / "execution-environment.yml").read_text())["dependencies"]
    assert collection == {key: parts[key] for key in ("python", "system")}


def test_what_is_downloaded_has_a_version_and_a_checksum_for_each_architecture() -> None:
    steps = ENVIRONMENT["additional_build_steps"]["append_final"]
    downloads = re.findall(r'curl -fsSLo \S+ "([^"]+)"', steps)
    assert len(downloads) == 2
    for url in downloads:
        assert re.search(r"v\d+\.\d+\.\d+", url), url
        assert "latest" not in url
    for architecture in ("amd64", "arm64"):
        (said,) = re.findall(rf"{architecture}\) (.*?);;", steps.replace("\\\n", " "))
        assert re.findall(r"(helm|kubectl)=[0-9a-f]{64}\b", said) == ["helm", "kubectl"]
    assert "sha256sum --check --strict" in steps
