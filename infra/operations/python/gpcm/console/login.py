"""The pages for signing in and out."""

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gpcm.console.answering import Form, fields_of
from gpcm.console.operators import CodeError, OperatorsAtThisMachine
from gpcm.console.screens import Screens
from gpcm.console.security import operator_of, set_cookie
from gpconnect_messaging.operators import ActorError

AFTER_WRONG_CODE_SECONDS = 1.0
_LONGEST_ACTOR_SHOWN = 128


class Login:
    """The sign-in page, and signing out."""

    def __init__(self, operators: OperatorsAtThisMachine, screens: Screens, suggested_actor: str) -> None:
        self._operators = operators
        self._screens = screens
        self._suggested_actor = suggested_actor
        self._one_at_a_time = asyncio.Lock()

    def ask(self, request: Request) -> Response:
        """Ask for the code."""
        again = request.query_params.get("again") == "yes"
        return self._screens.page(request, "entrance.html", again=again, actor=self._suggested_actor)

    async def sign_in(self, request: Request) -> Response:
        """Sign an operator in who knows the code."""
        fields = await fields_of(request)
        code, actor = fields.get("code", ""), fields.get("actor", "").strip()
        problems: dict[str, str] = {}
        try:
            operator = self._operators.sign_in(code, actor)
        except CodeError:
            problems["code"] = "Enter the code as the console’s terminal shows it" if code else "Enter the code"
            async with self._one_at_a_time:  # parallel guesses wait for one another
                await asyncio.sleep(AFTER_WRONG_CODE_SECONDS)
        except ActorError:
            problems["actor"] = "Enter your id as one word of letters, digits and @._:/+=-, and no patient’s number"
            actor = ""
        if problems:
            shown = actor[:_LONGEST_ACTOR_SHOWN] or self._suggested_actor
            return await run_in_threadpool(
                self._screens.page, request, "entrance.html", code=422, again=False, actor=shown, errors=problems
            )
        response = RedirectResponse(f"/{operator.path}/", status_code=303)
        set_cookie(response, operator)
        return response

    def sign_out(self, request: Request, _form: Form) -> Response:
        """Sign the operator out."""
        self._operators.sign_out(operator_of(request))
        return RedirectResponse("/", status_code=303)
