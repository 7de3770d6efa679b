"""The console as a web application: its addresses, and who answers them."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from infra.operations.console.actions import ActionPages
from infra.operations.console.answering import error_pages, form
from infra.operations.console.context import ConsoleContext
from infra.operations.console.documents import Documents
from infra.operations.console.login import Login
from infra.operations.console.message_pages import MessagePages
from infra.operations.console.notification_pages import NotificationPages
from infra.operations.console.operators import OperatorsAtThisMachine
from infra.operations.console.screens import STATIC, Screens
from infra.operations.console.security import SecurityMiddleware


def console(
    context: ConsoleContext, operators: OperatorsAtThisMachine, *, hosts: frozenset[str], suggested_actor: str
) -> ASGIApp:
    """Make the console of a desk; `suggested_actor` is the id that the sign-in page begins with."""
    screens = Screens(context.environment.name, context.cache)
    entrance = Login(operators, screens, suggested_actor)
    looking, notifications = MessagePages(context, screens), NotificationPages(context, screens)
    documents, doing = Documents(context, screens), ActionPages(context, screens)
    errors = error_pages(screens)
    public = Starlette(
        routes=[
            Route("/", entrance.ask, methods=["GET"]),
            Route("/", entrance.sign_in, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers=errors,
    )
    one = "/messages/{message_id}"
    private = Starlette(
        routes=[
            Route("/", looking.today),
            Route("/messages", looking.messages),
            Route("/find", form(looking.find), methods=["POST"]),
            Route("/encounter", form(looking.encounter), methods=["POST"]),
            Route(one, looking.message),
            Route(f"{one}/document", documents.show),
            Route(f"{one}/reveal", form(documents.reveal), methods=["POST"]),
            Route(f"{one}/attachment", form(documents.attachment), methods=["POST"]),
            Route(f"{one}/{{action}}", doing.ask, methods=["GET"]),
            Route(f"{one}/{{action}}", form(doing.do), methods=["POST"]),
            Route("/notifications", notifications.open),
            Route("/notifications/take", form(notifications.take), methods=["POST"]),
            Route("/notifications/take-in", form(notifications.take_in), methods=["POST"]),
            Route("/sign-out", form(entrance.sign_out), methods=["POST"]),
        ],
        exception_handlers=errors,
    )
    for each in (public, private):
        each.router.redirect_slashes = False
    return SecurityMiddleware(public=public, private=private, operators=operators, hosts=hosts)
