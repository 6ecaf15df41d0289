"""The command that lets agents ask a gateway."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from genrec.errors import ConfigError

Transport = Literal["stdio", "http"]


def mcp(
    url: Annotated[
        str, typer.Option(envvar="GENREC_URL", help="Address of the gateway.")
    ] = "http://127.0.0.1:8080",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="GENREC_API_KEY",
            help="Sent to the gateway where a caller brings no key; better in the environment.",
        ),
    ] = None,
    transport: Annotated[
        Transport, typer.Option(help="stdio: started by the agent; http: streamable HTTP at /mcp.")
    ] = "stdio",
    host: Annotated[str, typer.Option(help="Address to listen at, with http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at, with http.")] = 8765,
) -> None:
    """Let agents ask a gateway: its questions as tools of the Model Context Protocol."""
    try:
        from genrec.agents.tools import make_server
    except ModuleNotFoundError as error:
        raise ConfigError(f"agents need {error.name}: pip install 'genrec[mcp]'") from None
    from genrec.agents.gateway import Gateway

    server = make_server(Gateway(url, api_key))
    if transport == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host=host, port=port)
