"""The door to the local PDS: an ASGI application around `service`."""

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
        answered = service.answer(Asked(scope["method"], scope["path"], headers, body))
        await asyncio.sleep(answered.delay)
        fields = [(name.encode(), value.encode()) for name, value in answered.headers.items()]
        fields.append((b"Content-Length", str(len(answered.body)).encode()))
        await send({"type": "http.response.start", "status": answered.status, "headers": fields})
        await send({"type": "http.response.body", "body": answered.body})

    return serve


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
