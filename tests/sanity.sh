#!/usr/bin/env bash
# ansible-test sanity on a copy of the tracked files that are shipped: it insists on a real .../ansible_collections/k0rdent/kof path.
# Usage: tests/sanity.sh COLLECTIONS_PATH [ansible-test sanity arguments]
set -eu -o pipefail
collections="$1"
shift
cd "$(dirname "$0")/.."
# Outside the clone: in a git-ignored folder ansible-test would see no file.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
copy="$work/ansible_collections/k0rdent/kof"
mkdir -p "$copy"
# What is shipped (galaxy.yml leaves out tests and molecule, whose Python ruff and mypy judge, whose YAML ansible-lint); what is deleted but not yet committed is left out.
git ls-files -z --cached --others --exclude-standard -- . ':!tests' ':!molecule' |
    while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
    tar --null -T - -cf - | tar -xf - -C "$copy"
# ansible-test makes its virtual environments with a get-pip.py from the network; ensurepip does the same without it.
cache="${HOME}/.ansible/test/cache"
mkdir -p "$cache"
internals="$(python -c 'import ansible_test._internal as internals; print(internals.__path__[0])')"
for version in $(grep -ohE "pip='[0-9.]+'" "$internals/python_requirements.py" | grep -oE '[0-9]+(\.[0-9]+)+' | tr . _ | sort -u); do
    [ -e "$cache/get_pip_$version.py" ] ||
        printf 'import ensurepip\nensurepip.bootstrap(upgrade=True)\n' >"$cache/get_pip_$version.py"
done
cd "$copy"
# The collections it imports from must be beside it.
ln -sfn "$collections/ansible_collections/kubernetes" ../../kubernetes
ln -sfn "$collections/ansible_collections/amazon" ../../amazon
ansible-test sanity --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no "$@"
