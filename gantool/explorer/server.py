"""A page on this machine alone: 127.0.0.1, with nothing loaded from elsewhere and nothing told to anybody."""

import errno
import importlib
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, final

HOST = "127.0.0.1"
FIRST = 7860  # the port of gradio
TRIES = 100  # ports that are tried from there on
SILENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
OWN = b"'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
POLICY = (b"content-security-policy", b"default-src " + OWN)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


@final
class Alone:
    """An ASGI app whose pages the browser lets load nothing from any other place."""

    def __init__(self, app: App):
        self.app = app

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), POLICY]
            await send(message)

        await self.app(scope, receive, limited)


@contextmanager
def silent() -> Iterator[Path]:
    """A folder for what browsers send and get, gone in the end; to be entered before gradio is imported."""
    with tempfile.TemporaryDirectory(prefix="gantool-explore-") as folder:
        os.environ.update(SILENT | {"GRADIO_TEMP_DIR": folder})
        yield Path(folder)


def listening(port: int | None) -> socket.socket:
    """A socket on this port; 0 = any that is free, None = the first free one from 7860 on.

    Raises ValueError for a port that cannot be had.
    """
    if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 65536):
        raise ValueError(f"port={port}: give 0 to 65535, where 0 is any that is free, or null.")
    for number in range(FIRST, FIRST + TRIES) if port is None else [port]:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere this would take the port of another program
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((HOST, number))
            opened.listen()
        except OSError as error:
            opened.close()
            if port is not None:
                taken = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
                raise ValueError(f"port={port} {taken}; give another, or port=0 for any free one.") from error
        else:
            return opened
    raise ValueError(f"port=null: {FIRST} to {FIRST + TRIES - 1} are all taken; use port=0.")


def address(opened: socket.socket) -> str:
    return f"http://{HOST}:{opened.getsockname()[1]}"


def serve(page: Any, folder: Path, opened: socket.socket, browser: bool) -> None:
    """Until Ctrl-C, which is raised, or SIGTERM, which ends in exit code 143.

    Args:
        page: of gradio.
        folder: whose files it may offer.
        opened: where it listens.
        browser: open one.
    """
    if browser:
        webbrowser.open(address(opened))
    uvicorn = importlib.import_module("uvicorn")
    config = uvicorn.Config(app_of(page, folder), log_level="critical", timeout_graceful_shutdown=1)
    before = signal.signal(signal.SIGTERM, terminated)  # uvicorn hands it on when it has ended
    try:
        uvicorn.Server(config).run(sockets=[opened])
    finally:
        signal.signal(signal.SIGTERM, before)


def terminated(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def app_of(page: Any, folder: Path) -> Any:
    """The page as an ASGI app that answers only to the names of this machine."""
    gr, fastapi = importlib.import_module("gradio"), importlib.import_module("fastapi")
    hosts = importlib.import_module("starlette.middleware.trustedhost")
    look = importlib.import_module("gantool.explorer.look")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # A page elsewhere whose name is made to mean 127.0.0.1 still sends its own name.
    app.add_middleware(hosts.TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_middleware(Alone)
    style = {"theme": look.theme(), "css": look.CSS}
    return gr.mount_gradio_app(
        app, page, "/", server_name=HOST, allowed_paths=[str(folder.resolve())], ssr_mode=False, **style
    )
