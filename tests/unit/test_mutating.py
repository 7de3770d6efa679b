"""The faults of `make mutants` are real, they are made one at a time, and the sample is fair and repeatable."""

import ast
import random
from pathlib import Path

import pytest

from tests.mutation.__main__ import Candidate, candidates, reason_key, reasons, required, sample
from tests.mutation.mutating import Mutant, faults, mutant, required_arguments
from tests.mutation.trying import PACKAGE

REQUIRED = required_arguments(["class Row:\n    a: int\n    b: int = 1\ndef f(a, b=1, *, c, d=2): pass"])


def made(source: str) -> list[Mutant]:
    return [mutant(source, number, REQUIRED) for number in range(len(faults(source, REQUIRED)))]


def sources(source: str) -> list[str]:
    return [fault.source for fault in made(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a >= b", "a <= b"]),
        ("a == b", ["a != b"]),
        ("a in (1, x)", ["a not in (1, x)", "a in (x,)", "a in (1,)", "a in (2, x)"]),
        ("a <= b < c", ["a > b < c", "a < b < c", "a <= b >= c", "a <= b <= c"]),
        ("a and b", ["a or b", "b", "a"]),
        ("not a", ["a"]),
        ("x = a + b", ["x = a - b"]),
        ("x = {a, b}", ["x = {b}", "x = {a}"]),
        ("x = {'k': a, **b}", ["x = {**b}", "x = {'k': a}", "x = {'k~': a, **b}"]),
        ("x = min(a)", ["x = max(a)"]),
        ("x = sorted(a)", ["x = list(a)"]),
        ("x = a.strip()", ["x = a"]),
        ("f(a, c=b)", ["pass"]),
        ("f(a, c=b, d=e)", ["pass", "f(a, c=b)"]),
        ("x = Row(a=p, b=q)", ["x = Row(a=p)"]),
        ("x = sorted(a, key=b)", ["x = sorted(a)"]),
        ("a.b = c", ["pass"]),
        ("raise E", ["pass"]),
        ("x = [y for y in z if y]", ["x = [y for y in z]"]),
        ("x = True", ["x = False"]),
        ("x = 7", ["x = 8"]),
        ("x = 'name'", ["x = 'name~'"]),
        ("x = 'a sentence'", []),
        ("x = f'a-{b:%d}'", ["x = f'a-~{b:%d}'"]),
        ("try:\n    pass\nexcept E:\n    pass", ["try:\n    pass\nexcept GeneratorExit:\n    pass"]),
        ("if a:\n    b = c\nelse:\n    b = d", ["if not a:\n    b = c\nelse:\n    b = d", "if a:\n    b = c"]),
        ("if not a:\n    b = c", ["if a:\n    b = c"]),
        ("match a:\n    case b:\n        c\n    case _:\n        d", [
            "match a:\n    case _:\n        d", "match a:\n    case b:\n        c",
        ]),
        ("def g():\n    return a", ["def g():\n    return None"]),
        ("x = cast('T', a)", []),
    ],
)  # fmt: skip
def test_a_fault_is_made_where_the_code_has_room_for_it(source: str, expected: list[str]) -> None:
    assert sources(source) == expected


def test_what_does_not_run_is_left_alone() -> None:
    source = 'def f(a: int | None = None) -> set[1]:\n    """Text."""\n    x: dict[int | str, int] = a'
    assert sources(source) == []


def test_a_mutant_names_the_lines_that_a_test_must_run_to_notification_it() -> None:
    source = "x = 1\ndef g(a=2):\n    if (a ==\n            3):\n        return f(\n            4)\n"
    assert [(fault.fault, fault.lines) for fault in made(source)] == [
        ("2 for 1", None),
        ("3 for 2", None),
        ("negated: a == 3", (3, 4)),
        ("reversed: a == 3", (3, 4)),
        ("4 for 3", (3, 4)),
        ("not returned: f(4)", (5, 6)),
        ("5 for 4", (5, 6)),
    ]


@pytest.mark.parametrize("module", ["steps/upload.py", "steps/warning.py"])
def test_a_mutant_is_python_and_differs_from_the_source(module: str) -> None:
    source = (PACKAGE / module).read_text()
    whole = ast.unparse(ast.parse(source))
    for number in range(len(faults(source, required()))):
        one = mutant(source, number, required())
        compile(one.source, module, "exec")
        assert one.source != whole, one.fault


def test_a_sample_is_the_same_each_time_and_has_something_of_every_module() -> None:
    every = [
        [Candidate(Path(name), number, "tests") for number in range(size)] for name, size in (("a", 300), ("b", 3))
    ]
    for size in (2, 60, 200, 303):
        chosen = sample(every, size, random.Random(1))
        assert chosen == sample(every, size, random.Random(1))
        assert len(chosen) == len(set(chosen)) == size
        assert {fault.path.name for fault in chosen} == {"a", "b"}
    assert sample(every, 60, random.Random(1)) != sample(every, 60, random.Random(2))


def test_every_reason_is_about_a_fault_that_can_be_made() -> None:
    """A reason whose code has changed excuses nothing, and must be looked at again."""
    for name in reasons():
        path = PACKAGE / name.partition(": ")[0]
        code = path.read_text().splitlines()
        known = {
            reason_key(name.partition(": ")[0], code[line - 1].strip(), fault)
            for line, fault in faults(path.read_text(), required())
        }
        assert name in known


def test_a_line_can_be_chosen_by_its_number() -> None:
    folder = "tests/unit/steps"
    (chosen,) = candidates(folder, "steps/voiding.py:17")
    assert {fault.make().line for fault in chosen} == {17}
