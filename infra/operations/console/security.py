"""What stands before every page: nobody but the operator, from no other page, and nothing that stays behind.

| threat | answer |
|---|---|
| another machine | the server listens on 127.0.0.1 |
| another user of this machine | the code of the terminal; the cookie; the path that only a signed-in browser knows |
| a web page that names our address (DNS rebinding) | the `Host` header must be ours |
| a web page that sends a form (CSRF) | cookie `SameSite=Strict`, `Origin` must be ours, a token in each form |
| script that was smuggled into a message | autoescaping; a Content-Security-Policy that allows none |
| what a browser keeps | `no-store`; nothing personal in a URL, a title or a header |
"""

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.operations.console.operators import COOKIE, Operators, SignedIn

FORM_BYTES = 64 * 1024
"""No form of ours comes near it."""

_SAFE = {"GET", "HEAD"}
_METHODS = {*_SAFE, "POST"}
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it a browser calls the origin of our own forms `null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class SecurityMiddleware:
    """Passes on to `private` what an operator asks for, to `public` what anybody may see, and refuses the rest.

    For `private`, `request.state.operator` says who asks, and the operator's own path is taken off.
    """

    def __init__(self, *, public: ASGIApp, private: ASGIApp, operators: Operators, hosts: frozenset[str]) -> None:
        """`hosts` are the values that the `Host` header may have, such as `127.0.0.1:8765`."""
        self._public = public
        self._private = private
        self._operators = operators
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._public(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        headers = Headers(scope=scope)
        if refusal := self._refusal(scope["method"], headers):
            await refusal(scope, receive, guarded)
            return
        first, stroke, _ = scope["path"].removeprefix("/").partition("/")
        operator = self._operators.who(first, _cookie(headers))
        if operator is not None and not stroke:
            await RedirectResponse(f"/{first}/", status_code=303)(scope, receive, guarded)
        elif operator is not None:
            inner = {**scope, "root_path": f"/{first}", "state": {**scope.get("state", {}), "operator": operator}}
            await self._private(inner, receive, guarded)
        elif first not in {"", "static"}:
            # Somebody who is not signed in, or not any more: whatever was asked, the way in comes first.
            await RedirectResponse("/?again=yes", status_code=303)(scope, receive, guarded)
        else:
            await self._public(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        if headers.get("host") not in self._hosts:
            return _plain(
                "This console answers to its own address only. Open the one that it wrote to its terminal.", 421
            )
        if method not in _METHODS:
            return _plain("The console does not do that.", 405)
        if method in _SAFE:
            return None
        if not _from_ourselves(headers, self._hosts):
            return _plain(
                "That form was not sent by this console, so nothing was done. Go back and send it again.", 403
            )
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > FORM_BYTES:
            return _plain("That is more than any form of this console holds, so nothing was done.", 413)
        return None


def form_is_ours(operator: SignedIn, token: object) -> bool:
    """Whether a form carries the token that this operator's pages put into it."""
    return isinstance(token, str) and secrets.compare_digest(token.encode(), operator.form_token.encode())


def set_cookie(response: Response, operator: SignedIn) -> None:
    """Have the browser keep the operator's cookie, for the operator's own path, until it is closed."""
    response.set_cookie(COOKIE, operator.cookie, path=f"/{operator.path}", httponly=True, samesite="strict")


def operator_of(request: Request) -> SignedIn:
    """Who makes the request."""
    operator: SignedIn = request.state.operator
    return operator


def _from_ourselves(headers: Headers, hosts: frozenset[str]) -> bool:
    """Whether a form comes from a page of ours: every browser says so by `Origin`."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = urlsplit(headers.get("origin", ""))
    return origin.scheme == "http" and origin.netloc in hosts and origin.netloc == headers.get("host")


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _plain(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status)
