"""The page at ``/``: files sent as they lie in ``static/``.

Knows nothing of users, items or models: the page asks the gateway's own ``/v1`` routes, like any
other client. The headers let nothing foreign in and no text become markup.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
HEADERS = {
    # Trusted types make the browser itself refuse text that would be parsed as markup.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ASK_EACH_TIME = "no-cache"
"""Names carry no version, so a browser asks whether its copy is the newest (304 if so)."""
KEEP = "public, max-age=604800"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    etag: str
    cache: str


@cache
def _files() -> dict[str, _File]:
    """Read every static file once; only names found here are served, so no path can escape."""
    files = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in TYPES:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            kept = KEEP if path.suffix == ".woff2" else ASK_EACH_TIME
            name = path.relative_to(STATIC).as_posix()
            files[name] = _File(content, TYPES[path.suffix], etag, kept)
    return files


@router.api_route("/", methods=["GET", "HEAD"])
def index(request: Request) -> Response:
    """Send the page."""
    return _send("index.html", request)


@router.api_route("/page/{name:path}", methods=["GET", "HEAD"])
def static_file(name: str, request: Request) -> Response:
    """Send a part of the page: a script, a style, a font."""
    return _send(name, request)


def _send(name: str, request: Request) -> Response:
    file = _files().get(name)
    if file is None:
        error = {"code": "not_found", "message": "the page has no such file; it starts at /"}
        return JSONResponse({"error": error}, status_code=404, headers=HEADERS)
    headers = {**HEADERS, "ETag": file.etag, "Cache-Control": file.cache}
    known = (tag.strip() for tag in request.headers.get("if-none-match", "").split(","))
    if any(tag.removeprefix("W/") == file.etag for tag in known):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
