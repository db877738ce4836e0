"""A kind of a real API server that can't be listed, as the webhook that converts it is away: the server answers 500.
Helper only, no test."""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Iterator
from typing import Any

from sandbox.api import ApiFailure, connect

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OTHER = "v9"
NONE = {"strategy": "None", "webhook": None}
DEAD = {
    "strategy": "Webhook",
    "webhook": {"clientConfig": {"url": "https://127.0.0.1:9/convert"}, "conversionReviewVersions": ["v1"]},
}


@contextlib.contextmanager
def unconvertible(
    admin: pathlib.Path, definition: str, manifest: dict[str, Any], *, served: bool = False
) -> Iterator[None]:
    """Within this there is one object more, by which no list of its kind is to be had in the version that it had until
    then: it is stored in another.

    :param admin: kubeconfig of who may change definitions.
    :param served: whether that other version is served: there they can be read.
    """
    space, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    with connect(admin) as api:
        path = f"{DEFINITIONS}/{definition}"
        before = api.request("GET", path)["spec"]
        (old,) = [each["name"] for each in before["versions"] if each["storage"]]
        folder = f"/apis/{before['group']}/{old}/namespaces/{space}/{before['names']['plural']}"

        def change(spec: dict[str, Any]) -> None:
            api.request("PATCH", path, {"spec": spec}, "application/merge-patch+json")

        def listed() -> bool:
            try:
                api.request("GET", folder)
            except ApiFailure as failure:
                # A server whose cache of the kind isn't filled yet says so, as that needs a list, too.
                if "conversion webhook" not in str(failure) and failure.status != 429:
                    raise
                return False
            return True

        def until(fine: bool, seconds: float) -> bool:
            end = time.monotonic() + seconds
            while listed() != fine and time.monotonic() < end:
                time.sleep(0.1)
            return listed() == fine

        def steady() -> None:
            """The server makes its cache of the kind anew some time after each change of a definition."""
            end, fine = time.monotonic() + 300, 0
            while fine < 10:
                assert time.monotonic() < end
                fine = fine + 1 if listed() else 0
                time.sleep(0.2)

        def remove() -> None:
            with contextlib.suppress(ApiFailure):
                api.request("DELETE", f"{folder}/{name}")

        copied = [{**each, "name": OTHER, "served": served} for each in before["versions"] if each["storage"]]
        change({"versions": [*({**each, "storage": False} for each in before["versions"]), *copied]})
        end = time.monotonic() + 300
        while True:  # the server takes a moment to store in the other version
            remove()
            api.request("POST", folder, manifest)
            change({"conversion": DEAD})
            if until(False, 3):
                break
            change({"conversion": NONE})
            assert until(True, 300)
            assert time.monotonic() < end
        try:
            yield
        finally:
            change({"conversion": NONE})
            assert until(True, 300)
            remove()
            change({"versions": [*before["versions"], *({**each, "storage": False} for each in copied)]})
            stored = {"status": {"storedVersions": [old]}}
            api.request("PATCH", f"{path}/status", stored, "application/merge-patch+json")
            change({"versions": before["versions"]})
            steady()
