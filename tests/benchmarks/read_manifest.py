"""`read_manifest.py ours|pyyaml FILE`: reads a manifest once, as a process to be measured; prints how many documents.

Ours is the collection's reader of foreign YAML. PyYAML is its fastest safe loader as it comes, but for the one tag that
ends it on such a manifest, which is taken for text here.
"""

from __future__ import annotations

import os
import pathlib
import sys

import yaml


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's, with text for an unquoted `=`."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def main() -> None:
    how, file = sys.argv[1:]
    text = pathlib.Path(file).read_text(encoding="utf-8")
    if how == "ours":
        sys.path.append(os.environ["ANSIBLE_COLLECTIONS_PATH"])
        from ansible_collections.k0rdent.kof.plugins.module_utils.text.foreign_yaml import documents

        read = list(documents(text))
    else:
        read = list(yaml.load_all(text, Loader=Loader))
    print(len([each for each in read if each]))


if __name__ == "__main__":
    main()
