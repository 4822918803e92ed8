"""nginx as a gRPC proxy in front of a daemon: in clear over HTTP/2 on both sides."""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.conformance.languages import Tool

# Debian has it where only root looks for programs.
PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or "nginx"
NGINX = Tool(
    command=PROGRAM,
    version=(PROGRAM, "-v"),
    at_least=(1, 14),
    remedy="install the package nginx-light, or nginx",
)
PATIENCE = 20.0  # seconds; far more than a start takes
READY = b"start worker process"

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    server {{
        listen unix:{folder}/nginx.sock http2;
        location / {{
            grpc_pass grpc://unix:{target};
            {settings}
        }}
    }}
}}
"""


@asynccontextmanager
async def nginx_proxying(target: Path, folder: Path, settings: str = "") -> AsyncIterator[str]:
    """Run nginx with its socket in this folder; gives its address.

    Args:
        target: The socket of the daemon.
        folder: For its files; private.
        settings: Directives for the place that leads to the daemon.
    """
    file = folder / "nginx.conf"
    # Its workers must reach a socket that only its user may use; none but root can change users.
    user = "" if os.geteuid() else "user root;"
    file.write_text(
        CONFIGURATION.format(folder=folder, user=user, target=target, settings=settings)
    )
    options = ("-p", str(folder), "-e", "stderr", "-c", str(file))
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *options, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    assert process.stderr is not None
    try:
        said = b""
        with anyio.fail_after(PATIENCE):
            while READY not in said:
                line = await process.stderr.readline()
                said += line
                assert line, f"nginx did not start: {said.decode()}"
        reading = asyncio.create_task(process.stderr.read())  # or it would wait for a reader
        yield f"unix://{folder}/nginx.sock"
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
            await process.wait()
    await reading
