"""``python -m genrec.serving``: start the server, migrate its store, make an API key."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from genrec.errors import GenrecError
from genrec.imports import without_garbage_collection
from genrec.serving.http.security.keys import hash_key, make_key
from genrec.serving.http.server import server_config
from genrec.serving.monitoring import configure_logging, log
from genrec.serving.settings import read_settings
from genrec.serving.store import connect, migrate
from genrec.serving.workers import prepare_process, serve_with_workers

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    run: Annotated[Path | None, typer.Option(help="The run to serve; GENREC_RUN.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; GENREC_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for a free one; GENREC_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; GENREC_WORKERS.")] = None,
) -> None:
    """Start the server. Settings are environment variables GENREC_*: see docs/serve.md."""
    if context.invoked_subcommand is None:
        start(run, host, port, workers)


def start(
    run: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> None:
    """Start the server; what is None is read from the environment.

    Raises:
        GenrecError: A setting, the run or the store cannot be used.
    """
    settings = read_settings(run=run, host=host, port=port, workers=workers)
    if settings.workers > 1:
        configure_logging(settings.log_level)
        serve_with_workers(settings, _announce)
        return
    # Brings torch along, which the other commands do without.
    with without_garbage_collection():
        from genrec.serving.http.app import create_app

    prepare_process(settings)
    config = server_config(create_app(settings), settings, lifespan="off")
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config)))


@cli.command("migrate")
def migrate_store() -> None:
    """Bring the store's tables up to date (starting the server does so too)."""
    settings = read_settings()
    engine = connect(settings.store.get_secret_value())
    migrate(engine)
    typer.echo(f"{engine.url.render_as_string(hide_password=True)} is up to date")


@cli.command("hash-key")
def print_hash(
    name: Annotated[str, typer.Argument(help="Who will use the key.")],
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Hash the key on standard input; else make one.")
    ] = False,
) -> None:
    """Make an API key and the line to put into GENREC_API_KEYS or GENREC_API_KEYS_FILE."""
    if stdin:
        key = sys.stdin.readline().strip()
    else:
        key = make_key()
        typer.echo(f"key, shown only now: {key}", err=True)
    typer.echo(f"{name}:{hash_key(key)}")


async def _serve(server: uvicorn.Server) -> None:
    """Load the run, then answer until told to stop.

    Raises:
        GenrecError: The run or the store cannot be used: said before anything listens.
    """
    service = server.config.app.state.service  # type: ignore[union-attr]
    await service.start()
    config = server.config
    listener = config.bind_socket()
    listener.listen(config.backlog)  # or who connects right after it is announced is refused
    _announce(listener)
    try:
        await server.serve([listener])
    finally:
        await service.stop()


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}/"
    log("listening", url=url)
    typer.echo(f"genrec listens on {url}")


def main() -> None:
    """Run the command line; a fault with a name is one line and exit code 2."""
    try:
        cli()
    except GenrecError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
