"""What an operator does, in each of the situations that lead it another way, to be disturbed at every place.

An operator whose command ends half-way gives it again, and that must come to what giving it once comes to.
"""

from collections.abc import Callable
from typing import Any

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.settings import Release
from gpconnect_messaging.replay.policy import ResendMode
from gpconnect_messaging.steps.operator_actions import OperatorActions
from tests.fakes.mesh import Mood
from tests.model.effects import Process
from tests.model.scenarios import Scenario, Situation, sweep
from tests.model.world import LATE, OPERATOR, STRANGER, WINDOW, World

Deed = Callable[[World, Process], object]
FIRST_ANSWER = "IN000001"


def until_done(deed: Deed) -> Deed:
    """Give the command again where its process ended."""

    def act(world: World, process: Process) -> None:
        deed(world, process)
        if process.dead or process.failed:
            deed(world, world.process("operator"))

    return act


def _send_again(way: ResendMode) -> Deed:
    return until_done(lambda world, process: world.send_again(process, world.records()[0].message_id, way))


def _decide(decision: Callable[[OperatorActions, str], object], number: int = 0) -> Deed:
    def deed(world: World, process: Process) -> None:
        message_id = world.records()[number].message_id
        world.decide(process, lambda operator_actions: decision(operator_actions, message_id))

    return until_done(deed)


def _accept(number: int) -> Deed:
    return until_done(lambda world, process: world.accept(process, world.records()[number].message_id, FIRST_ANSWER))


def _in_status(status: Status, *happens: Callable[[World], Any], release: Release = Release.AUTOMATIC) -> Situation:
    """What happens, and where it leaves the first row: a scenario that comes elsewhere would try something else."""

    def situation(world: World) -> None:
        world.release = release
        for each in happens:
            each(world)
        assert world.records()[0].status is status

    return situation


def _drop(world: World) -> None:
    world.drop("encounter")


def _drop_wrong(world: World) -> None:
    world.drop("encounter", valid=False)


def _withdraw(world: World) -> None:
    world.withdraw("encounter")


def _build(world: World) -> None:
    world.deliver_intake(world.process("builder"))


def _refuse(world: World) -> None:
    world.mesh.moods.append(Mood.REFUSES)
    world.deliver_send(world.process("sender"))


def _lose_from_the_queue(world: World) -> None:
    world.queue.waiting.pop(0)


def _report(world: World) -> None:
    world.report(world.mesh.copies(world.records()[0].message_id)[0])


def _poll(world: World) -> None:
    world.poll(world.process("poller"))


def _wait_a_month(world: World) -> None:
    world.clock.advance(LATE)


def _wait_for_the_window(world: World) -> None:
    world.clock.advance(WINDOW)


def _answer_from_elsewhere(code: str, number: int) -> Situation:
    return lambda world: world.answer(world.records()[number].message_id, code, sender=STRANGER)


SENT_AGAIN = (
    Scenario(
        "a refused message", "operator", _in_status(Status.REFUSED, _drop, _build, _refuse),
        _send_again(ResendMode.UNCHANGED),
    ),
    Scenario(
        "an undelivered message", "operator",
        _in_status(Status.UNDELIVERED, _drop, World.round, _report, _poll), _send_again(ResendMode.UNCHANGED),
    ),
    Scenario(
        "an overdue message", "operator",
        _in_status(Status.OVERDUE, _drop, World.round, _wait_a_month, sweep), _send_again(ResendMode.UNCHANGED),
    ),
    Scenario(
        "a message that its queue lost", "operator",
        _in_status(Status.BUILT, _drop, _build, _lose_from_the_queue), _send_again(ResendMode.UNCHANGED),
    ),
    Scenario(
        "a refused message, as the next version", "operator",
        _in_status(Status.REFUSED, _drop, _build, _refuse), _send_again(ResendMode.REBUILT),
    ),
    Scenario(
        "a refused request", "operator", _in_status(Status.INVALID, _drop_wrong, _build),
        _send_again(ResendMode.UNCHANGED),
    ),
    Scenario(
        "a held request whose time has come", "operator",
        _in_status(Status.HELD, _drop, _build, _wait_for_the_window), _send_again(ResendMode.UNCHANGED), hold=WINDOW,
    ),
)  # fmt: skip
DECIDED = (
    Scenario(
        "a request that waits for a person", "operator",
        _in_status(Status.HELD, _drop, _build, _wait_for_the_window, release=Release.BY_A_PERSON),
        _decide(lambda operator_actions, request_id: operator_actions.release(request_id, OPERATOR)), hold=WINDOW,
    ),
    Scenario(
        "a practice that was told", "operator",
        _in_status(Status.TELL_PRACTICE, _drop, World.round, _withdraw, _build),
        _decide(lambda operator_actions, withdrawal: operator_actions.practice_told(withdrawal, OPERATOR)),
    ),
    Scenario(
        "an answer that is genuine", "operator",
        _in_status(Status.SENT, _drop, World.round, _answer_from_elsewhere("30002", 0), _poll), _accept(0),
    ),
    Scenario(
        "a void replacement's answer that is genuine", "operator",
        _in_status(Status.SENT, _drop, _drop, World.round, _answer_from_elsewhere("20014", 1), _poll), _accept(1),
    ),
    Scenario(
        "a version that waits for another", "operator",
        _in_status(Status.BUILT, _drop, _build, _drop, _build, _lose_from_the_queue),
        _decide(lambda actions, message_id: actions.skip_earlier_versions(message_id, OPERATOR, "cannot be mended"), 1),
    ),
)  # fmt: skip
