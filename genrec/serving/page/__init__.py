"""The pages at ``/`` and ``/operator``: the files in ``static/``, sent as they are.

Must not know users, items or models: the page calls the same ``/v1`` routes as any other client.
The headers block everything from other origins and keep text from becoming markup.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
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


class PageFiles(StaticFiles):
    """Static files with the page's headers."""

    def file_response(self, full_path: Any, *args: Any, **options: Any) -> Response:
        """See ``StaticFiles.file_response``."""
        response = super().file_response(full_path, *args, **options)
        is_font = Path(full_path).suffix == ".woff2"
        response.headers.update({**HEADERS, "Cache-Control": KEEP if is_font else ASK_EACH_TIME})
        return response


def install(app: FastAPI) -> None:
    """Serve the pages, and their files below ``/page/``."""
    # A machine's own tables of types need not know these.
    mimetypes.add_type("font/woff2", ".woff2")
    mimetypes.add_type("text/javascript", ".js")
    files = PageFiles(directory=STATIC)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    @app.api_route("/operator", methods=["GET", "HEAD"], include_in_schema=False)
    async def operator(request: Request) -> Response:
        return await files.get_response("operator.html", request.scope)

    app.mount("/page", files)
