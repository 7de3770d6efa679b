"""Reads and checks the forms of all pages, and turns every error into a page that says what to do."""

from collections.abc import Awaitable, Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gpcm.console.screens import Screens
from gpcm.console.security import form_is_ours, operator_of
from gpcm.environment import OperatorEnvironmentError
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.storage import StorageError

Form = Mapping[str, str]
Answer = Callable[[Request, Form], Response]
_FIELDS = 20


def form(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Handle the form of a signed-in operator, in a thread. A form without the operator's token is refused."""

    async def handle(request: Request) -> Response:
        fields = await fields_of(request)
        if not form_is_ours(operator_of(request), fields.get("form")):
            raise HTTPException(403, "The form belongs to another sign-in, so nothing was done. Open the page again.")
        return await run_in_threadpool(answer, request, fields)

    return handle


async def fields_of(request: Request) -> Form:
    """Read the text fields of a form. No form has files."""
    async with request.form(max_fields=_FIELDS, max_files=0) as fields:
        return {name: value for name, value in fields.items() if isinstance(value, str)}


def back_to(request: Request, path: str) -> RedirectResponse:
    """Redirect to another page, so that going back does not send the form again."""
    return RedirectResponse(f"{request.scope['root_path']}{path}", status_code=303)


def error_pages(screens: Screens) -> Mapping[type[Exception] | int, Callable[[Request, Exception], Response]]:
    """Return the exception handlers for Starlette. They answer with a page that says what to do."""

    def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        title = {404: "There is nothing here", 403: "Not done", 405: "The console does not do that"}.get(
            error.status_code, "The console cannot do that"
        )
        words = {404: "The console has no such page, or the ledger has no such message.",
                 405: "This address does not work this way: open it from another page."}  # fmt: skip
        standard = {404: "Not Found", 405: "Method Not Allowed"}.get(error.status_code)
        sentence = words.get(error.status_code, "") if error.detail == standard else error.detail
        return screens.page(request, "problem.html", code=error.status_code, title=title, sentences=[sentence])

    def aws(request: Request, error: Exception) -> Response:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        sentences = [
            f"AWS answers {code}. The action may not be complete: check the message before you repeat it.",
            "If your sign-in to AWS has expired, sign in again in the terminal. Otherwise try again in a minute.",
        ]
        return screens.page(
            request, "problem.html", code=503, title="The environment cannot be reached", sentences=sentences
        )

    def busy(request: Request, _error: Exception) -> Response:
        sentences = ["Others are changing the same message. Nothing was done: go back and try again."]
        return screens.page(request, "problem.html", code=503, title="Try again", sentences=sentences)

    def environment(request: Request, error: Exception) -> Response:
        return screens.page(request, "problem.html", code=409, title="Not possible", sentences=[str(error)])

    return {
        HTTPException: http,
        ClientError: aws,
        BotoCoreError: aws,
        StorageError: aws,
        LedgerBusyError: busy,
        OperatorEnvironmentError: environment,
    }
