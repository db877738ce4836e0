"""docs/rights.md grants what preflight asks for, and nothing else."""

from __future__ import annotations

import pathlib

import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import needs_of

REPOSITORY = pathlib.Path(__file__).parents[2]
#: (verb, API group, resource, namespace)
Right = tuple[str, str, str, str | None]


def granted() -> set[Right]:
    text = (REPOSITORY / "docs" / "rights.md").read_text()
    roles = [each for each in yaml.safe_load_all(text.split("```yaml\n")[1].split("```")[0]) if "rules" in each]
    return {
        (verb, group, resource, role["metadata"].get("namespace"))
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_documented_rights_are_those_that_regional_and_child_need() -> None:
    needed: set[Right] = {
        (need.verb, need.group, need.resource, need.namespace)
        for need in needs_of({"regional", "child"}, "kof", "kcm-system", replace=True)
    }
    assert needed - granted() == set()
    # delete.yml's own; the two others are among what kof_replace_guide_objects needs.
    assert granted() - needed == {
        ("delete", "k0rdent.mirantis.com", "clusterdeployments", "kcm-system"),
        ("list", "k0rdent.mirantis.com", "clusterdeployments", None),
        ("list", "k0rdent.mirantis.com", "multiclusterservices", None),
    }
