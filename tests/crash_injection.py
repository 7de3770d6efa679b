"""Processes that die in the middle of a step: at any effect, found by watching the step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Died(BaseException):
    """The process is gone: nothing may catch this, and nothing after it has an effect."""


class Crasher:
    """Counts the effects of a step, and ends it at one of them."""

    def __init__(self, target: Any = None, *operations: str) -> None:
        """Watch the operations of a client, or none yet."""
        self.seen = 0
        self.at: int | None = None
        self.watch(target, *operations)

    def watch(self, target: Any, *operations: str) -> None:
        """Let each call of these operations be an effect, which begins and ends."""
        for operation in operations:
            setattr(target, operation, self._watched(getattr(target, operation)))

    def _watched(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            self.effect()
            done = effect(*arguments, **named)
            self.effect()
            return done

        return act

    def effect(self, *_: Any, **__: Any) -> None:
        """Note an effect's beginning or end; die if this is the one."""
        self.seen += 1
        if self.seen == self.at:
            raise Died

    @contextmanager
    def dying_at(self, point: int | None) -> Iterator[None]:
        """Run a step that dies at a point; None lets it live."""
        self.seen, self.at = 0, point
        try:
            yield
        except Died:
            assert point is not None
        finally:
            self.at = None
