"""The faults that `make mutants` makes are real ones, and each is made alone."""

import ast
from pathlib import Path

import pytest

from tests.mutation.mutating import count, mutant

STEPS = Path("layers/messaging/python/gpconnect_messaging/steps")


def faults(source: str) -> list[tuple[str, str]]:
    return [(made.fault, made.source) for made in (mutant(source, number) for number in range(count(source)))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", [("comparison changed", "a <= b")]),
        ("a in (1, x)", [("comparison changed", "a not in (1, x)"), ("member left out", "a in (x,)"),
                         ("member left out", "a in (1,)"), ("number changed", "a in (2, x)")]),
        ("a and b", [("and for or", "a or b"), ("condition left out", "b"), ("condition left out", "a")]),
        ("not a", [("not left out", "a")]),
        ("x = a + b", [("operator reversed", "x = a - b")]),
        ("x = {a, b}", [("member left out", "x = {b}"), ("member left out", "x = {a}")]),
        ("x = min(a)", [("function exchanged", "x = max(a)")]),
        ("f(a)", [("statement left out", "None")]),
        ("x = [y for y in z if y]", [("filter left out", "x = [y for y in z]")]),
        ("x = True", [("truth reversed", "x = False")]),
        ("x = 7", [("number changed", "x = 8")]),
    ],
)  # fmt: skip
def test_a_fault_is_made_where_the_code_has_room_for_it(source: str, expected: list[tuple[str, str]]) -> None:
    assert faults(source) == expected


def test_conditions_are_negated_and_alternatives_left_out() -> None:
    assert [fault for fault, _ in faults("if a:\n    b = c\nelse:\n    b = d")] == [
        "condition negated", "alternative left out",
    ]  # fmt: skip


def test_what_does_not_run_is_left_alone() -> None:
    source = 'def f(a: int | None = None) -> set[1]:\n    """Text."""\n    x: dict[int | str, int] = a\n    return x'
    assert faults(source) == []


@pytest.mark.parametrize("module", ["send.py", "upload.py"])
def test_every_mutant_is_python_and_differs_from_the_source(module: str) -> None:
    source = (STEPS / module).read_text()
    whole = ast.unparse(ast.parse(source))
    for number in range(count(source)):
        made = mutant(source, number)
        compile(made.source, module, "exec")
        assert made.source != whole, made
