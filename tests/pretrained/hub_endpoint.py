"""A Hugging Face Hub on this machine: the part of its HTTP interface that models need."""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

COMMIT = "a" * 40


@dataclass
class Hub:
    """Repositories by name, each a mapping from path to bytes."""

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    url: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/api/repos/create")
        async def create(request: Request):
            asked = await request.json()
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.repos.setdefault(name, {})
            self.private[name] = asked.get("private", False) or asked.get("visibility") == "private"
            return {"url": f"{self.url}/{name}", "name": name, "id": name}

        @app.get("/api/whoami-v2")
        async def whoami():
            return {"name": "owner", "type": "user"}

        @app.post("/api/validate-yaml")
        async def validate():
            return {"errors": [], "warnings": []}

        @app.post("/api/models/{owner}/{name}/preupload/{revision}")
        async def preupload(request: Request):
            files = (await request.json())["files"]
            return {
                "files": [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for each in files
                ]
            }

        @app.post("/api/models/{owner}/{name}/commit/{revision}")
        async def commit(owner: str, name: str, request: Request):
            for line in (await request.body()).splitlines():
                entry = json.loads(line)
                if entry["key"] == "header":
                    self.messages.append(entry["value"]["summary"])
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.repos[f"{owner}/{name}"][entry["value"]["path"]] = content
            return {"commitUrl": f"{self.url}/{owner}/{name}/commit/{COMMIT}", "commitOid": COMMIT}

        @app.get("/api/models/{owner}/{name}/revision/{revision}")
        @app.get("/api/models/{owner}/{name}")
        async def info(owner: str, name: str):
            files = self.repos.get(f"{owner}/{name}")
            if files is None:
                headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no such model"}
                return JSONResponse({"error": "no such model"}, 404, headers)
            listed = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
            return {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": listed}

        @app.get("/api/models/{owner}/{name}/tree/{revision}")
        @app.get("/api/models/{owner}/{name}/tree/{revision}/{rest:path}")
        async def tree(owner: str, name: str):
            files = self.repos[f"{owner}/{name}"]
            return [
                {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
                for path, content in files.items()
            ]

        @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
        async def resolve(owner: str, name: str, path: str, request: Request):
            content = self.repos[f"{owner}/{name}"].get(path)
            if content is None:
                return Response(status_code=404, headers={"X-Error-Code": "EntryNotFound"})
            headers = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": COMMIT}
            if request.method == "HEAD":
                return Response(headers={**headers, "Content-Length": str(len(content))})
            return Response(content, headers=headers, media_type="application/octet-stream")

        return app


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def serve(hub: Hub) -> uvicorn.Server:
    """Start it in a thread; its address is then in ``hub.url``."""
    server = uvicorn.Server(uvicorn.Config(hub.app(), port=0, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    hub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    return server
