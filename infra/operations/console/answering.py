"""How a page answers: forms are read and checked in one place, and every error becomes a page that says what to do."""

from collections.abc import Awaitable, Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gpconnect_messaging.ledger.search import SearchBusyError
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.storage import StorageError
from infra.operations.console.screens import Screens
from infra.operations.console.security import form_is_ours, operator_of
from infra.operations.environment import OperatorEnvironmentError

Form = Mapping[str, str]
Answer = Callable[[Request, Form], Response]
_FIELDS = 20


def form(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Answer a form of a signed-in operator's, in a thread of its own; one without our token does nothing."""

    async def answered(request: Request) -> Response:
        fields = await fields_of(request)
        if not form_is_ours(operator_of(request), fields.get("form")):
            raise HTTPException(403, "That form is not one of this sign-in, so nothing was done. Open the page again.")
        return await run_in_threadpool(answer, request, fields)

    return answered


async def fields_of(request: Request) -> Form:
    """Read a form's texts; files are none of ours."""
    async with request.form(max_fields=_FIELDS, max_files=0) as given:
        return {name: value for name, value in given.items() if isinstance(value, str)}


def back_to(request: Request, path: str) -> RedirectResponse:
    """Send the browser to another page of the operator's, so that going back sends no form again."""
    return RedirectResponse(f"{request.scope['root_path']}{path}", status_code=303)


def error_pages(screens: Screens) -> Mapping[type[Exception] | int, Callable[[Request, Exception], Response]]:
    """Give Starlette's exception handlers: each error as a page with a sentence that says what to do."""

    def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        title = {404: "There is nothing here", 403: "Not done", 405: "The console does not do that"}.get(
            error.status_code, "The console cannot do that"
        )
        words = {404: "The address is not one of the console’s, or what it names is not in the ledger.",
                 405: "This page is read, or it is a form to be sent: open it from another page."}  # fmt: skip
        standard = {404: "Not Found", 405: "Method Not Allowed"}.get(error.status_code)
        said = words.get(error.status_code, "") if error.detail == standard else error.detail
        return screens.page(request, "problem.html", code=error.status_code, title=title, sentences=[said])

    def aws(request: Request, error: Exception) -> Response:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        sentences = [
            f"AWS answers {code}. Nothing was done that you have not been told of.",
            "If your sign-in to AWS has ended, sign in again in the terminal. Otherwise try again in a minute.",
        ]
        return screens.page(
            request, "problem.html", code=503, title="The environment cannot be reached", sentences=sentences
        )

    def busy(request: Request, _error: Exception) -> Response:
        sentences = ["Others are changing the same message just now. Nothing was done: go back and try again."]
        return screens.page(request, "problem.html", code=503, title="Try again", sentences=sentences)

    def environment(request: Request, error: Exception) -> Response:
        return screens.page(request, "problem.html", code=409, title="Not possible", sentences=[str(error)])

    return {
        HTTPException: http,
        ClientError: aws,
        BotoCoreError: aws,
        StorageError: aws,
        LedgerBusyError: busy,
        SearchBusyError: busy,
        OperatorEnvironmentError: environment,
    }
