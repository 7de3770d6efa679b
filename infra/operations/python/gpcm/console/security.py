"""The console's defences, applied before every page.

| threat | answer |
|---|---|
| another machine | the server listens on 127.0.0.1 |
| another user of this machine | the code in the terminal; the cookie; the path that only a signed-in browser knows |
| a web page that names the console's address (DNS rebinding) | the `Host` header must be the console's |
| a web page that sends a form (CSRF) | cookie `SameSite=Strict`; `Origin` must be the console; a token in every form |
| a script in a message | autoescaping; a Content-Security-Policy that allows no scripts |
| data in the browser's cache or history | `no-store`; no personal data in a URL, a title or a header |
"""

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpcm.console.operators import COOKIE, Operators, SignedIn

FORM_BYTES = 64 * 1024
"""The largest form, in bytes. The console's forms are far smaller."""

_SAFE = {"GET", "HEAD"}
_METHODS = {*_SAFE, "POST"}
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it a browser sends `null` as the origin of the console's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class SecurityMiddleware:
    """Routes requests of operators to `private`, and requests for open pages to `public`. Refuses the rest.

    For `private`, it sets `request.state.operator` and removes the operator's path.
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
            # Not signed in, or expired: go to the sign-in page.
            await RedirectResponse("/?again=yes", status_code=303)(scope, receive, guarded)
        else:
            await self._public(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        if headers.get("host") not in self._hosts:
            return _plain("The console answers at one address only. Open the address in the terminal.", 421)
        if method not in _METHODS:
            return _plain("The console does not do that.", 405)
        if method in _SAFE:
            return None
        if not _same_origin(headers, self._hosts):
            return _plain(
                "That form was not sent by this console, so nothing was done. Go back and send it again.", 403
            )
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > FORM_BYTES:
            return _plain("The form is too large, so nothing was done.", 413)
        return None


def form_is_ours(operator: SignedIn, token: object) -> bool:
    """Whether a form has the operator's token."""
    return isinstance(token, str) and secrets.compare_digest(token.encode(), operator.form_token.encode())


def set_cookie(response: Response, operator: SignedIn) -> None:
    """Set the session cookie, for the operator's path only."""
    response.set_cookie(COOKIE, operator.cookie, path=f"/{operator.path}", httponly=True, samesite="strict")


def operator_of(request: Request) -> SignedIn:
    """Return the operator of the request."""
    operator: SignedIn = request.state.operator
    return operator


def _same_origin(headers: Headers, hosts: frozenset[str]) -> bool:
    """Whether a form comes from the console. Every browser sends `Origin`."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = urlsplit(headers.get("origin", ""))
    return origin.scheme == "http" and origin.netloc in hosts and origin.netloc == headers.get("host")


def _cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _plain(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status)
