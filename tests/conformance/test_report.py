import re
from collections import Counter

from gpconnect_messaging.conformance.catalogue import Kind, requirements
from gpconnect_messaging.conformance.report import Standing, as_html, gather, unmutated
from tests.conformance.mutants import MUTANTS

MUTANT_OUTCOMES = {each.key: {f"tests/conformance/test_mutants.py::{each.key}": "passed"} for each in MUTANTS}


def test_every_requirement_is_listed_once_per_version_in_our_own_words() -> None:
    times = Counter(each.key for each in requirements())
    assert [key for key, count in times.items() if count > 1] == []
    assert all(0 < len(each.title) <= 120 for each in requirements())


def test_nothing_is_met_without_a_test_that_cites_it() -> None:
    assert {each.standing for each in gather({})} == {Standing.OPEN, Standing.RECEIVER, Standing.NOT_APPLICABLE}


def test_what_does_not_apply_says_why() -> None:
    assert all(each.reason for each in requirements() if each.kind is Kind.NOT_APPLICABLE)


def test_an_id_that_both_versions_have_needs_a_citation_with_the_version() -> None:
    def standings(cited: str) -> dict[str, Standing]:
        found = gather({cited: {"a test": "passed"}})
        return {each.requirement.key: each.standing for each in found if each.requirement.id == "GPCM-SD-038"}

    assert set(standings("GPCM-SD-038").values()) == {Standing.OPEN}
    assert standings("1.5:GPCM-SD-038") == {"1.5:GPCM-SD-038": Standing.MET, "2.0:GPCM-SD-038": Standing.OPEN}


def test_a_failing_test_is_not_outvoted_by_a_passing_one() -> None:
    (found,) = (
        each for each in gather({"GPCM-SD-CS-018": {"one": "passed", "two": "failed"}}) if each.tests
    )  # fmt: skip
    assert found.standing is Standing.FAILING


def test_every_check_is_proven_by_a_mutant() -> None:
    evidence = gather(MUTANT_OUTCOMES)
    assert unmutated(evidence) == []
    checks = [each for each in evidence if each.requirement.kind is Kind.CHECK]
    assert [each.requirement.key for each in checks if each.standing is not Standing.MET] == []


def test_the_page_names_every_requirement_and_says_its_standing_in_words() -> None:
    page = as_html(gather(MUTANT_OUTCOMES))
    rows = re.findall(r"<tr><th scope='row'>(\S+?)</th><td>(?:MUST|SHOULD)</td>.*?</tr>", page)
    assert len(rows) == len(requirements())
    assert page.count("<th scope='col'>") == 3 + 3 * 5
    assert "<script" not in page
