"""The console's context: an environment, and the cache of the messages in the ledger."""

from dataclasses import dataclass
from datetime import timedelta

from gpcm.console.flow import FlowWatch
from gpcm.console.message_cache import MessageCache
from gpcm.environment import OperatorEnvironment


@dataclass(frozen=True)
class ConsoleContext:
    """The environment, the message cache, and the checks of the request flow."""

    environment: OperatorEnvironment
    cache: MessageCache
    flow: FlowWatch


def console_context(environment: OperatorEnvironment, window: timedelta) -> ConsoleContext:
    """Build the context of an environment. The message cache is not started."""
    cache = MessageCache(environment.search, environment.notifications.open, window=window, now=environment.now)
    return ConsoleContext(environment, cache, FlowWatch(environment))
