"""The console as a web application: the routes and their handlers."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gpcm.console.actions import ActionPages
from gpcm.console.answering import error_pages, form
from gpcm.console.context import ConsoleContext
from gpcm.console.documents import Documents
from gpcm.console.login import Login
from gpcm.console.message_pages import MessagePages
from gpcm.console.notification_pages import NotificationPages
from gpcm.console.operators import OperatorsAtThisMachine
from gpcm.console.screens import STATIC, Screens
from gpcm.console.security import SecurityMiddleware


def console(
    context: ConsoleContext, operators: OperatorsAtThisMachine, *, hosts: frozenset[str], suggested_actor: str
) -> ASGIApp:
    """Build the console. The sign-in page is pre-filled with `suggested_actor`."""
    screens = Screens(context.environment.name, context.cache)
    login = Login(operators, screens, suggested_actor)
    messages, notifications = MessagePages(context, screens), NotificationPages(context, screens)
    documents, actions = Documents(context, screens), ActionPages(context, screens)
    errors = error_pages(screens)
    public = Starlette(
        routes=[
            Route("/", login.ask, methods=["GET"]),
            Route("/", login.sign_in, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers=errors,
    )
    one = "/messages/{message_id}"
    private = Starlette(
        routes=[
            Route("/", messages.today),
            Route("/messages", messages.messages),
            Route("/find", form(messages.find), methods=["POST"]),
            Route("/encounter", form(messages.encounter), methods=["POST"]),
            Route(one, messages.message),
            Route(f"{one}/document", documents.show),
            Route(f"{one}/reveal", form(documents.reveal), methods=["POST"]),
            Route(f"{one}/attachment", form(documents.attachment), methods=["POST"]),
            Route(f"{one}/{{action}}", actions.ask, methods=["GET"]),
            Route(f"{one}/{{action}}", form(actions.do), methods=["POST"]),
            Route("/notifications", notifications.open),
            Route("/notifications/acknowledge", form(notifications.acknowledge), methods=["POST"]),
            Route("/notifications/retry", form(notifications.retry), methods=["POST"]),
            Route("/sign-out", form(login.sign_out), methods=["POST"]),
        ],
        exception_handlers=errors,
    )
    for application in (public, private):
        application.router.redirect_slashes = False
    return SecurityMiddleware(public=public, private=private, operators=operators, hosts=hosts)
