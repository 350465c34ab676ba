"""The README says what is so: its questions are asked, its commands exist."""

import re

import pytest

from orchestration.cli import main
from orchestration.publishing import query
from orchestration.settings import PROJECT_DIR
from tests.references.warehouses import BuiltWarehouse

README = (PROJECT_DIR / "README.md").read_text()
QUESTIONS = re.findall(r"```sql\n(.*?)\n```\n```text\n(.*?)\n```", README, re.DOTALL)


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=lambda text: text[:40])
def test_a_question_of_the_readme_has_the_answer_it_shows(
    built_warehouse: BuiltWarehouse, question: str, answer: str
) -> None:
    assert query(built_warehouse.settings, question) == answer


def test_the_readme_asks_five_questions() -> None:
    assert len(QUESTIONS) >= 5


def test_the_readme_names_every_command_and_no_other() -> None:
    named = set(re.findall(r"^\| `clickstream ([\w-]+)", README, re.MULTILINE))
    assert named == set(main.commands) - {"prepare"}


@pytest.mark.parametrize(
    "path",
    sorted(
        set(re.findall(r"`((?:docs|seeds|dbt_project|orchestration|models)/[\w/.-]+)`", README))
    ),
)
def test_a_path_in_the_readme_exists(path: str) -> None:
    places = (PROJECT_DIR / path, PROJECT_DIR / "dbt_project" / path)
    assert any(place.exists() for place in places)
