"""Grafana's HTTP API as far as a backup and a restore use it: folders, search, dashboards, data sources.

What it plays, with its refusals and pages, is what the documentation of 10.4 says (grafana.com/docs/grafana/v10.4/
developers/http_api/): folder/ (limit, page and parentUid of GET /api/folders; 409 for one that is there; PUT
/api/folders/:uid with title, and version or overwrite, else 412 version-mismatch; POST /api/folders/:uid/move with
parentUid, empty for the top, which there is only with nested folders),
folder_dashboard_search/ (type, limit of at most 5,000, page), dashboard/ (meta of GET /api/dashboards/uid/:uid; POST
/api/dashboards/db with overwrite, and 400, 404 and 412 with status version-mismatch or name-exists), data_source/,
authentication (Basic; 401). That a provisioned dashboard is refused by 400 is administration/provisioning/'s.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class Grafana:
    """One that runs on loopback until `close`.

    nested: whether folders may be in folders. refuses: HTTP statuses by path, for the questions that are to fail.
    """

    def __init__(self, user: str, password: str, *, nested: bool = True) -> None:
        self.nested = nested
        self.refuses: dict[str, int] = {}
        self.folders: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.sources: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.grafana = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def folder(self, uid: str, title: str, parent: str = "") -> None:
        self.folders[uid] = {"id": len(self.folders) + 1, "uid": uid, "title": title, "parentUid": parent}

    def dashboard(self, uid: str, title: str, folder: str = "", *, provisioned: bool = False, **more: Any) -> None:
        """As somebody made it in the pages."""
        said = {"id": len(self.dashboards) + 1, "uid": uid, "title": title, "version": 1, "panels": [], **more}
        self.dashboards[uid] = {"dashboard": said, "folderUid": folder, "provisioned": provisioned}

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any, login: str | None) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if login != self._login:
            return 401, {"message": "Invalid username or password"}
        if path in self.refuses:
            return self.refuses[path], {"message": "refused"}
        rest = unquote(path.rpartition("/")[2])
        if (method, path) == ("GET", "/api/folders"):
            return 200, self._page(self._children(query.get("parentUid", "")), query, 1000)
        if (method, path) == ("GET", "/api/search"):
            found = [
                {"uid": uid, "title": each["dashboard"]["title"], "type": "dash-db", "folderUid": each["folderUid"]}
                for uid, each in self.dashboards.items()
            ]
            return 200, self._page(found if query.get("type") == "dash-db" else [], query, 5000)
        if (method, path) == ("GET", "/api/datasources"):
            return 200, self.sources
        if method == "GET" and path.startswith("/api/folders/"):
            return (200, self._told(self.folders[rest])) if rest in self.folders else (404, {"message": "not found"})
        if method == "GET" and path.startswith("/api/dashboards/uid/"):
            return self._dashboard(rest)
        if method == "PUT" and path.startswith("/api/folders/"):
            return self._rename_folder(rest, body)
        if method == "POST" and path.startswith("/api/folders/") and path.endswith("/move") and self.nested:
            return self._move_folder(unquote(path.split("/")[3]), body)
        if (method, path) == ("POST", "/api/folders"):
            return self._make_folder(body)
        if (method, path) == ("POST", "/api/dashboards/db"):
            return self._save(body)
        return 404, {"message": "Not found"}

    def _children(self, parent: str) -> list[dict[str, Any]]:
        # Without nested folders the parameter says nothing, and all are told.
        return [self._told(each) for each in self.folders.values() if not self.nested or each["parentUid"] == parent]

    def _told(self, folder: dict[str, Any]) -> dict[str, Any]:
        return {key: each for key, each in folder.items() if key != "parentUid" or (self.nested and each)}

    @staticmethod
    def _page(found: list[dict[str, Any]], query: Mapping[str, str], most: int) -> list[dict[str, Any]]:
        limit, page = min(int(query.get("limit", 1000)), most), int(query.get("page", 1))
        return found[(page - 1) * limit : page * limit]

    def _dashboard(self, uid: str) -> tuple[int, Any]:
        found = self.dashboards.get(uid)
        if found is None:
            return 404, {"message": "Dashboard not found"}
        meta = {"folderUid": found["folderUid"], "provisioned": found["provisioned"], "slug": "s", "isStarred": False}
        return 200, {"meta": meta, "dashboard": found["dashboard"]}

    def _make_folder(self, body: Any) -> tuple[int, Any]:
        parent = body.get("parentUid", "") if self.nested else ""
        if parent and parent not in self.folders:
            return 400, {"message": "parent folder not found"}
        alike = [
            each for each in self.folders.values() if (each["title"], each["parentUid"]) == (body["title"], parent)
        ]
        if body["uid"] in self.folders or alike:
            return 409, {"message": "a folder with the same name already exists in the current location"}
        self.folder(body["uid"], body["title"], parent)
        return 200, self._told(self.folders[body["uid"]])

    def _rename_folder(self, uid: str, body: Any) -> tuple[int, Any]:
        folder = self.folders.get(uid)
        if folder is None:
            return 404, {"message": "folder not found"}
        if not body.get("overwrite") and body.get("version") != folder.get("version", 1):
            message = "the folder has been changed by someone else"
            return 412, {"message": message, "status": "version-mismatch"}
        if self._taken(body["title"], folder["parentUid"], uid):
            return 409, {"message": "a folder with the same name already exists in the current location"}
        folder["title"] = body["title"]
        return 200, self._told(folder)

    def _move_folder(self, uid: str, body: Any) -> tuple[int, Any]:
        folder, parent = self.folders.get(uid), body.get("parentUid", "")
        if folder is None or (parent and parent not in self.folders):
            return 404, {"message": "folder not found"}
        if self._taken(folder["title"], parent, uid):
            return 409, {"message": "a folder with the same name already exists in the current location"}
        folder["parentUid"] = parent
        return 200, self._told(folder)

    def _taken(self, title: str, parent: str, uid: str) -> bool:
        return any(
            each["uid"] != uid and (each["title"], each["parentUid"]) == (title, parent)
            for each in self.folders.values()
        )

    def _save(self, body: Any) -> tuple[int, Any]:
        said, folder, overwrite = body["dashboard"], body.get("folderUid", ""), body.get("overwrite", False)
        uid, there = said["uid"], self.dashboards.get(said["uid"])
        if not said.get("title"):
            return 400, {"message": "Dashboard title cannot be empty"}
        if folder and folder not in self.folders:
            return 404, {"message": "folder not found"}
        if there and there["provisioned"]:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if there and not overwrite and said.get("version") != there["dashboard"]["version"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        for other, each in self.dashboards.items():
            same_place = (each["dashboard"]["title"], each["folderUid"]) == (said["title"], folder)
            if other != uid and same_place and not overwrite:
                message = "A dashboard with the same name in the folder already exists"
                return 412, {"message": message, "status": "name-exists"}
        number = there["dashboard"]["id"] if there else len(self.dashboards) + 1
        version = there["dashboard"]["version"] + 1 if there else 1
        kept = {**said, "id": number, "version": version}
        self.dashboards[uid] = {"dashboard": kept, "folderUid": folder, "provisioned": False}
        return 200, {"id": number, "uid": uid, "status": "success", "version": version}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    grafana: Grafana


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self._do("POST")

    def do_PUT(self) -> None:
        self._do("PUT")

    def do_GET(self) -> None:
        self._do("GET")

    def _do(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        body = json.loads(content) if content else None
        status, said = self.server.grafana.answer(
            method, url.path, dict(parse_qsl(url.query)), body, self.headers.get("Authorization")
        )
        told = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_args: object) -> None:
        pass
