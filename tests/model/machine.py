"""Everything at once, in any order: requests, repeats, losses, answers true and false, processes that end anywhere.

Hypothesis chooses what happens and shrinks what breaks to the shortest story that still does.
"""

from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES
from gpconnect_messaging.replay.policy import ResendMode
from tests.fakes.mesh import Mood
from tests.fakes.product import MAILBOX
from tests.model.effects import Ending, Process, Watched
from tests.model.world import OPERATOR, PRACTICE, STRANGER, WINDOW, World

ENCOUNTERS = st.sampled_from(["one", "two"])
PLACES = st.just(0) | st.integers(1, 24) | st.integers(25, 60)
"""Where a process ends: 0, and what is behind its last effect, is nowhere."""
ENDINGS = st.sampled_from([Ending.DIES, Ending.FAILS])
ANY = st.integers(0, 1_000)
CODES = st.sampled_from(["20013", "30001", "30001", "20013", "30002", "20007", "20014", "20009", "30004", "30014"])
ANSWERS = st.just(("20013", "30001")) | st.just(("20014",)) | st.tuples(CODES)
"""What comes at once: both acknowledgements, that a replacement failed, or any one."""
ANNOUNCED = st.sampled_from([1, 1, 1, 0, 2])
"""How often S3's event comes: it can be lost, and come twice. The queue brings events in any order."""
CLOCKS = st.sampled_from([0, -30, -240, -3_600])
"""By how many seconds a sender's clock is slow, as a negative number."""
TIMES = st.sampled_from([1, 1, 2, 8])
"""How often MESH leaves a question open."""


class Messaging(RuleBasedStateMachine):
    """The product in its world."""

    watched: ClassVar[Watched] = Watched()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.watched)

    @initialize(hold=st.sampled_from([timedelta(0), WINDOW]))
    def a_world_that_holds_or_does_not(self, hold: timedelta) -> None:
        self.world.hold = hold

    @initialize(encounter=ENCOUNTERS, more=st.integers(0, 2))
    def work_is_waiting(self, encounter: str, more: int) -> None:
        self.world.drop(encounter)
        for _ in range(more):
            self.world.drop("one")
            self.world.deliver_intake(self.world.process("builder"))

    def _process(self, step: str, at: int, ending: Ending) -> Process:
        return self.world.process(step, at, ending)

    @rule(encounter=ENCOUNTERS, valid=st.booleans() | st.just(value=True), announced=ANNOUNCED)
    def a_request_is_dropped(self, encounter: str, valid: bool, announced: int) -> None:
        self.world.drop(encounter, valid=valid, announced=announced)

    @rule(encounter=ENCOUNTERS, announced=ANNOUNCED, clock=CLOCKS, minutes=st.sampled_from([0, 2, 60]))
    def a_request_that_states_its_time_is_dropped(
        self, encounter: str, announced: int, clock: int, minutes: int
    ) -> None:
        self.world.clock.advance(timedelta(minutes=minutes))
        stated = self.world.clock.time + timedelta(seconds=clock)
        self.world.drop(encounter, updated=stated, announced=announced)

    @rule(
        encounter=ENCOUNTERS, clocks=st.tuples(CLOCKS, CLOCKS), minutes=st.sampled_from([0, 2, 60]),
        overtaken=st.booleans(),
    )  # fmt: skip
    def a_request_is_corrected_at_another_workstation(
        self, encounter: str, clocks: tuple[int, int], minutes: int, overtaken: bool
    ) -> None:
        for clock, wait in zip(clocks, (minutes, 0), strict=True):
            self.world.drop(encounter, updated=self.world.clock.time + timedelta(seconds=clock))
            self.world.clock.advance(timedelta(minutes=wait))
        if overtaken:
            self.world.last_event_overtakes()

    @rule(encounter=ENCOUNTERS)
    def a_report_goes_out_and_its_correction_is_built(self, encounter: str) -> None:
        for _ in range(2):
            self.world.drop(encounter)
            self.world.clock.advance(timedelta(minutes=6))
            self._all_is_built_that_can_be()
            if self.world.queue.waiting and not self.world.mesh.uploads:
                self.world.deliver_send(self.world.process("sender"))

    @rule(announced=ANNOUNCED, overtaken=st.booleans(), encounter=st.sampled_from(["put again", "put in its place"]))
    def one_object_is_put_again(self, announced: int, overtaken: bool, encounter: str) -> None:
        self.world.drop(encounter, folder="put again", announced=announced)
        if announced and overtaken:
            self.world.last_event_overtakes()

    @rule(encounter=ENCOUNTERS, announced=ANNOUNCED, minutes=st.sampled_from([0, 2, 9, 11, None]))
    def a_request_comes_before_its_document(self, encounter: str, announced: int, minutes: int | None) -> None:
        self.world.drop(encounter, announced=announced, document_late=True)
        self._all_is_built_that_can_be()
        if minutes is not None:
            self.world.clock.advance(timedelta(minutes=minutes))
            self.world.late_documents_come()

    @rule()
    def documents_come_that_were_waited_for(self) -> None:
        self.world.late_documents_come()

    @rule(which=ANY, at_once=st.booleans())
    def a_request_is_copied_in_place(self, which: int, at_once: bool) -> None:
        self.world.copy(which)
        if not at_once:
            self._all_is_built_that_can_be()

    def _all_is_built_that_can_be(self) -> None:
        """Deliver every request on the intake queue once. A request that waits for a document or a lease stays."""
        for _ in range(len(self.world.queue.intake)):
            self.world.deliver_intake(self.world.process("builder"))

    @rule()
    def a_document_is_dropped_alone(self) -> None:
        self.world.drop_document()

    @rule(encounter=ENCOUNTERS, announced=ANNOUNCED)
    def a_consultation_is_deleted(self, encounter: str, announced: int) -> None:
        self.world.withdraw(encounter, announced=announced)

    @rule(at=PLACES, ending=ENDINGS)
    def the_drop_is_listed(self, at: int, ending: Ending) -> None:
        self.world.list_drop(self._process("listing", at, ending))

    @precondition(lambda self: self.world.queue.intake)
    @rule(which=ANY, again=st.booleans(), at=PLACES, ending=ENDINGS)
    def the_intake_queue_delivers(self, which: int, again: bool, at: int, ending: Ending) -> None:
        place = which % len(self.world.queue.intake)
        self.world.deliver_intake(self._process("builder", at, ending), place, again=again)

    @precondition(lambda self: self.world.queue.waiting)
    @rule(which=ANY, again=st.booleans(), at=PLACES, ending=ENDINGS, mood=st.sampled_from(Mood))
    def the_send_queue_delivers(self, which: int, again: bool, at: int, ending: Ending, mood: Mood) -> None:
        self.world.mesh.moods.append(mood)
        place = which % len(self.world.queue.waiting)
        self.world.deliver_send(self._process("sender", at, ending), place, again=again)
        self.world.mesh.moods.clear()

    @precondition(lambda self: self.world.queue.waiting)
    @rule(which=ANY)
    def the_send_queue_loses_one(self, which: int) -> None:
        self.world.queue.waiting.pop(which % len(self.world.queue.waiting))

    @rule(at=PLACES, ending=ENDINGS)
    def the_inbox_is_polled(self, at: int, ending: Ending) -> None:
        self.world.poll(self._process("poller", at, ending))

    @rule(at=PLACES, ending=ENDINGS)
    def the_due_work_is_swept(self, at: int, ending: Ending) -> None:
        self.world.sweep(self._process("sweep", at, ending))

    @rule(at=PLACES, ending=ENDINGS)
    def open_notifications_are_escalated(self, at: int, ending: Ending) -> None:
        self.world.escalate(self._process("escalate", at, ending))

    @precondition(lambda self: self.world.open_notifications())
    @rule(which=ANY, at=PLACES, ending=ENDINGS)
    def somebody_takes_a_notification_on(self, which: int, at: int, ending: Ending) -> None:
        notifications = self.world.open_notifications()
        self.world.take_on(self._process("person", at, ending), notifications[which % len(notifications)])

    @precondition(lambda self: self.world.records())
    @rule(which=ANY, way=st.sampled_from(ResendMode), at=PLACES, ending=ENDINGS)
    def an_operator_sends_again(self, which: int, way: ResendMode, at: int, ending: Ending) -> None:
        records = self.world.records()
        self.world.send_again(self._process("operator", at, ending), records[which % len(records)].message_id, way)

    @precondition(lambda self: self.world.truth.from_elsewhere())
    @rule(which=ANY, at=PLACES, ending=ENDINGS)
    def an_answer_from_elsewhere_turns_out_genuine(self, which: int, at: int, ending: Ending) -> None:
        found = self.world.truth.from_elsewhere()
        answer = found[which % len(found)]
        named = [answer.message_id] if answer.message_id else [
            record.message_id for record in self.world.records() if answer in self.world.truth.answers_to(record)
        ]  # fmt: skip
        for message_id in named:
            self.world.accept(self._process("operator", at, ending), message_id, answer.mesh_message_id)

    @precondition(lambda self: self.world.records())
    @rule(which=ANY, at=PLACES, ending=ENDINGS)
    def an_operator_lets_a_version_pass(self, which: int, at: int, ending: Ending) -> None:
        records = self.world.records()
        message_id = records[which % len(records)].message_id
        self.world.decide(
            self._process("operator", at, ending),
            lambda operator_actions: operator_actions.skip_earlier_versions(message_id, OPERATOR, "stuck"),
        )

    @rule(at=PLACES | st.integers(1, 2_000), ending=ENDINGS)
    def the_day_is_reckoned(self, at: int, ending: Ending) -> None:
        self.world.reconcile(self._process("reconcile", at, ending))

    @precondition(lambda self: self.world.queue.waiting)
    @rule(at=PLACES, minutes=st.sampled_from([0, 6, 60]))
    def a_sender_is_held_up_while_all_goes_on(self, at: int, minutes: int) -> None:
        process = self._process("sender", at, Ending.PAUSES)
        message_id = self.world.queue.waiting[0]
        self.world.at_once(process, lambda: self.world.send(process, message_id), lambda: self._all_goes_on(minutes))

    @precondition(lambda self: self.world.inbox())
    @rule(at=PLACES, minutes=st.sampled_from([0, 6, 60]))
    def a_poller_is_held_up_while_all_goes_on(self, at: int, minutes: int) -> None:
        process = self._process("poller", at, Ending.PAUSES)
        self.world.at_once(process, lambda: self.world.poll(process), lambda: self._all_goes_on(minutes))

    def _all_goes_on(self, minutes: int) -> None:
        self.world.clock.advance(timedelta(minutes=minutes))
        self.world.round()

    @precondition(lambda self: self.world.mesh.uploads)
    @rule(which=ANY, codes=ANSWERS)
    def the_practice_answers(self, which: int, codes: tuple[str, ...]) -> None:
        copies = [each for each in self.world.mesh.uploads.values() if each.complete]
        if copies:
            copy = copies[which % len(copies)]
            for code in codes:
                self.world.answer(copy.file_name.removesuffix(".xml"), code)

    @precondition(lambda self: self.world.collected())
    @rule(which=ANY, codes=ANSWERS)
    def the_practice_answers_by_reference(self, which: int, codes: tuple[str, ...]) -> None:
        encounters = self.world.collected()
        for code in codes:
            self.world.answer_by_reference(encounters[which % len(encounters)], code)

    @precondition(lambda self: self.world.unsent() and self.world.collected())
    @rule(which=ANY, answered=st.booleans())
    def an_upload_is_lost_and_the_practice_confirms_its_encounter(self, which: int, answered: bool) -> None:
        unsent = self.world.unsent()
        message_id = unsent[which % len(unsent)]
        encounter = self.world.encounter_of(message_id)
        if answered:
            self.world.practice_answers_all_of(encounter)
        self.world.mesh.moods.append(Mood.LOSES_UNHEARD)
        self.world.deliver_send(self.world.process("sender"), self.world.queue.waiting.index(message_id))
        self.world.mesh.moods.clear()
        for code in ("20013", "30001"):
            self.world.answer_by_reference(encounter, code)
        self.world.poll(self.world.process("poller"))

    @precondition(lambda self: self.world.truth.answers)
    @rule(which=ANY, by_reference=st.booleans())
    def an_answer_is_given_again(self, which: int, by_reference: bool) -> None:
        self.world.answer_again(list(self.world.truth.answers)[which % len(self.world.truth.answers)], by_reference)

    @precondition(lambda self: self.world.truth.requests)
    @rule(which=ANY, codes=ANSWERS, sender=st.sampled_from([STRANGER, STRANGER, PRACTICE]))
    def somebody_answers_what_they_learned_of(self, which: int, codes: tuple[str, ...], sender: str) -> None:
        message_ids = self.world.message_ids()
        message_id = message_ids[which % len(message_ids)]
        if sender == PRACTICE and message_id in self.world.perhaps_at_the_practice():
            return  # nobody could tell such an answer from one to a copy
        for code in codes:
            self.world.answer(message_id, code, sender=sender)

    @precondition(lambda self: self.world.unsent())
    @rule(which=ANY, codes=ANSWERS, sender=st.sampled_from([STRANGER, PRACTICE]), then_received=st.booleans())
    def an_answer_overtakes_what_it_answers(
        self, which: int, codes: tuple[str, ...], sender: str, then_received: bool
    ) -> None:
        unsent = self.world.unsent()
        message_id = unsent[which % len(unsent)]
        for code in codes:
            self.world.answer(message_id, code, sender=sender)
        self.world.poll(self.world.process("poller"))
        if then_received:
            # Where MESH routed the message is asked when the next answer comes: only then can the early ones count.
            self.world.deliver_send(self.world.process("sender"), self.world.queue.waiting.index(message_id))
            if self.world.mesh.copies(message_id):
                self.world.answer(message_id, "20013")
                self.world.poll(self.world.process("poller"))

    @precondition(lambda self: self.world.truth.requests)
    @rule(encounter=ENCOUNTERS, codes=ANSWERS)
    def somebody_else_answers_by_reference(self, encounter: str, codes: tuple[str, ...]) -> None:
        for code in codes:
            self.world.answer_by_reference(encounter, code, sender=STRANGER)

    @rule(times=TIMES)
    def mesh_does_not_say_where_it_routed(self, times: int) -> None:
        self.world.mesh.tracking_silent += times

    @rule(times=TIMES)
    def the_directory_names_nobody(self, times: int) -> None:
        self.world.mesh.directory_silent += times

    @precondition(lambda self: not self.world.mesh.deadly)
    @rule()
    def an_answer_comes_that_takes_all_memory(self) -> None:
        self.world.answer_that_takes_all_memory()

    @precondition(lambda self: self.world.inbox())
    @rule(first=ANY, number=st.integers(1, 4), times=st.sampled_from([1, 1, 6]))
    def the_poller_is_killed_with_messages_in_hand(self, first: int, number: int, times: int) -> None:
        for _ in range(times):
            # What is quarantined, or was known before, leaves the inbox: in the end nothing may be left.
            if inbox := self.world.inbox():
                begin = first % len(inbox)
                self.world.poll_killed(inbox[begin : begin + number])

    @precondition(lambda self: self.world.records())
    @rule(which=ANY)
    def a_newer_release_writes_and_is_turned_back(self, which: int) -> None:
        records = self.world.records()
        self.world.newer_release_writes(records[which % len(records)].message_id)

    @precondition(lambda self: self.world.mesh.uploads)
    @rule(which=ANY)
    def mesh_reports_an_upload(self, which: int) -> None:
        copies = [each for each in self.world.mesh.uploads.values() if each.complete]
        if copies:
            self.world.report(copies[which % len(copies)])

    @rule(code=st.sampled_from(sorted(RESPONSE_CODES)), malformed=st.booleans())
    def somebody_forges_an_answer(self, code: str, malformed: bool) -> None:
        self.world.answer(
            "11111111-1111-5111-8111-111111111111", code, sender=STRANGER, malformed=malformed, stray=True
        )

    @precondition(lambda self: self.world.mesh.acknowledged)
    @rule(which=ANY)
    def mesh_shows_again_what_was_acknowledged(self, which: int) -> None:
        mailbox, mesh_message_id = self.world.mesh.acknowledged[which % len(self.world.mesh.acknowledged)]
        assert mailbox == MAILBOX
        self.world.mesh.show_again(mailbox, mesh_message_id)

    @rule(minutes=st.sampled_from([1, 6, 30, 24 * 60, 40 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.advance(timedelta(minutes=minutes))

    @invariant()
    def what_must_hold_does(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.settle()
