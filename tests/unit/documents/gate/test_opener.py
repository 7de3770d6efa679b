"""The process that opens documents: warm, without secrets, and killed at the limits, which costs the document alone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpconnect_messaging.documents.gate import DocumentGate, GateUnavailableError, limits, opener
from gpconnect_messaging.documents.gate.opener import Opener
from tests.unit.documents.gate_files import a_pdf

pytestmark = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the machine does not show processes")
PDF = "application/pdf"


@pytest.fixture
def process() -> Iterator[Opener]:
    own = Opener(seconds=5)
    yield own
    own.close()


def pid(process: Opener) -> int:
    assert process._worker is not None
    return process._worker._process.pid


def test_one_process_opens_one_document_after_the_other(process: Opener) -> None:
    gate = DocumentGate(opener=process)
    assert gate.examine(PDF, [a_pdf()]).refusal is None
    first, files = pid(process), len(list(Path(f"/proc/{pid(process)}/fd").iterdir()))
    for _ in range(20):
        gate.examine(PDF, [a_pdf()])
    assert pid(process) == first
    assert len(list(Path(f"/proc/{first}/fd").iterdir())) == files


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGXCPU])
def test_a_process_that_reaches_its_limit_costs_its_document_alone(number: int) -> None:
    process = Opener(seconds=1)
    gate = DocumentGate(opener=process)
    gate.examine(PDF, [a_pdf()])
    first = pid(process)
    os.kill(first, number)
    assert gate.examine(PDF, [a_pdf()]).refusal == limits.TOO_LONG
    assert not Path(f"/proc/{first}").exists(), "it is gone, also where it only hung"
    assert gate.examine(PDF, [a_pdf()]).refusal is None
    process.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGSEGV, signal.SIGKILL])
def test_a_process_that_died_for_another_reason_costs_no_document(process: Opener, number: int) -> None:
    gate = DocumentGate(opener=process)
    gate.examine(PDF, [a_pdf()])
    first = pid(process)
    os.kill(first, number)
    assert gate.examine(PDF, [a_pdf()]).refusal is None
    assert pid(process) != first


def test_a_document_that_ends_two_processes_is_refused(process: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_WORKER", "tests.unit.documents.dying_worker")
    assert DocumentGate(opener=process).examine(PDF, [a_pdf()]).refusal == limits.exit_refusal(-9)


def test_a_signal_for_the_functions_own_group_is_none_for_it(process: Opener) -> None:
    DocumentGate(opener=process).examine(PDF, [a_pdf()])
    assert os.getpgid(pid(process)) != os.getpgid(0)


def test_what_would_take_too_much_memory_is_refused_and_the_process_goes_on(process: Opener) -> None:
    gate = DocumentGate(opener=process)
    wide = "\U0001f642".encode() + b"a" * (90 * limits.MEGABYTE)  # four bytes a character, once it is decoded
    assert gate.examine("text/plain", [wide]).refusal == limits.TOO_LARGE
    first = pid(process)
    assert gate.examine(PDF, [a_pdf()]).refusal is None
    assert pid(process) == first


def test_what_is_longer_than_any_document_is_refused_before_it_is_read_to_its_end(process: Opener) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(limits.MEGABYTE)

    assert (
        DocumentGate(opener=process).examine(PDF, endless()).refusal
        == "is larger than 104.86 MB (104,857,600 bytes): send it smaller, or in parts"
    )


def test_its_time_for_one_document_is_limited_and_it_can_write_no_file(process: Opener) -> None:
    DocumentGate(opener=process).examine(PDF, [a_pdf()])
    lines = Path(f"/proc/{pid(process)}/limits").read_text().splitlines()
    soft = {line[:26].strip(): line[26:].split()[0] for line in lines}
    assert int(soft["Max cpu time"]) <= limits.CPU_SECONDS + 10, "the start counts, too"
    assert soft["Max data size"] == str(limits.DATA_BYTES)
    assert soft["Max file size"] == soft["Max core file size"] == "0"


def test_it_is_given_no_secret(process: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the function")
    DocumentGate(opener=process).examine(PDF, [a_pdf()])
    assert b"AWS" not in Path(f"/proc/{pid(process)}/environ").read_bytes()


def test_where_it_does_not_start_no_document_is_refused_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_WORKER", "gpconnect_messaging.not_there")
    with pytest.raises(GateUnavailableError):
        DocumentGate(opener=Opener()).examine(PDF, [a_pdf()])


def test_a_document_that_cannot_be_read_to_its_end_leaves_nothing_behind(process: Opener) -> None:
    def broken() -> Iterator[bytes]:
        yield b"%PDF-"
        raise OSError("the drop does not answer")

    gate = DocumentGate(opener=process)
    with pytest.raises(OSError, match="does not answer"):
        gate.examine(PDF, broken())
    assert gate.examine(PDF, [a_pdf()]).refusal is None
