# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions as charts, Kubernetes, helm and k0rdent's object names write them. Pure text and numbers."""

from __future__ import annotations

import re
from functools import total_ordering

_VERSION = re.compile(r"^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$")
_DASHED = re.compile(r"^v?(\d+)-(\d+)-(\d+)(?:-([0-9A-Za-z.-]+))?$")


@total_ordering
class Version:
    """A semantic version (semver.org 2.0.0 precedence); minor and patch may be absent and count as 0.

    Build metadata is ignored, a pre-release is older than its release, numeric identifiers are older than text.
    """

    def __init__(self, numbers: tuple[int, int, int], prerelease: str = "") -> None:
        self.numbers = numbers
        self.prerelease = prerelease

    def _key(self) -> tuple:
        identifiers = tuple(
            (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
            for part in self.prerelease.split(".")
        )
        return (self.numbers, not self.prerelease, identifiers if self.prerelease else ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers)) + (f"-{self.prerelease}" if self.prerelease else "")

    def __repr__(self) -> str:
        return f"Version({self})"

    def at_least(self, minimum: Version) -> bool:
        """Whether this fulfils `>= minimum`. A pre-release of the minimum itself does: distributions write
        v1.32.0-eks-1 or v1.32.1-gke.100 for what is no pre-release at all."""
        return self.numbers >= minimum.numbers


def parse(text: object) -> Version | None:
    """`v1.34.4`, `0.75`, `1.32.3+k3s1`, `0.1.0-rc1` -> Version; None for anything else."""
    match = _VERSION.match(text.strip()) if isinstance(text, str) else None
    return _version(match) if match else None


def parse_dashed(text: str) -> Version | None:
    """`0-1-0`, `v1-16-4`, `0-2-0-rc1`: as k0rdent writes a version into an object's name; None for anything else."""
    match = _DASHED.match(text)
    return _version(match) if match else None


def of_name(name: str) -> Version | None:
    """The version at the end of a k0rdent object's name: `kcm-0-1-0` -> 0.1.0; None if it has none."""
    match = re.search(r"-(v?\d+-\d+-\d+(?:-[0-9A-Za-z.-]+)?)$", name)
    return parse_dashed(match.group(1)) if match else None


def _version(match: re.Match[str]) -> Version:
    major, minor, patch, prerelease = match.groups()
    return Version((int(major), int(minor or 0), int(patch or 0)), prerelease or "")
