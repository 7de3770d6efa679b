"""An ASGI application around `service`."""

import asyncio

from infra.local.mesh.faults import Application, Receive, Scope, Send
from infra.local.pds.service import Asked, LocalPds


def application(service: LocalPds) -> Application:
    """Wrap the service for a server."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        response = service.answer(Asked(scope["method"], scope["path"], headers, body))
        await asyncio.sleep(response.delay)
        fields = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        fields.append((b"Content-Length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": fields})
        await send({"type": "http.response.body", "body": response.body})

    return serve


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
