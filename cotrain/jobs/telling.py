"""What a run knows of one row, in plain words, a line each."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from cotrain.jobs.explaining import EVALUATION, GIVEN, LOCKED, OPEN, Explanation, RowOfTask
from cotrain.rounds.ledger import LEFT_OUT, REVOKED

ROLES = {
    GIVEN: "The table gives the label {given}, and it was learnt from.",
    EVALUATION: "The table gives the label {given}. It was locked away for evaluation: nobody learnt from it.",
    OPEN: "The table gives no label.",
    LOCKED: "The table gives no label, and the row was locked away with those for evaluation: nobody was taught it.",
}


def in_words(explanation: Explanation) -> Iterator[str]:
    """The lines."""
    yield f"Row {explanation.row} of {explanation.run}"
    for name, facts in explanation.tasks.items():
        yield ""
        yield f"{name}:"
        yield from (f"  {line}" for line in _of_task(facts))


def _of_task(facts: RowOfTask) -> Iterator[str]:
    yield ROLES[facts.role].format(given=_quoted(facts.given))
    if facts.suspect is not None:
        yield (
            f"That label is a suspect: members who never saw it say {_quoted(facts.suspect['suggested'])} with "
            f"{facts.suspect['confidence']:.2f} and the given one with {facts.suspect['given_confidence']:.2f}."
        )
    if facts.role == OPEN and not facts.lessons:
        yield "Nothing was taught on all rows in this run."
    for round, lessons in groupby(facts.lessons, key=lambda lesson: lesson["round"]):
        beyond = ", beyond what is shipped for this task" if round > facts.shipped else ""
        yield f"Round {round}{beyond}:"
        yield from (f"  {_lesson(lesson)}" for lesson in lessons)
    yield facts.verdict
    says = facts.says
    shares = ", ".join(f"{label} {share:.3f}" for label, share in says["probabilities"].items())
    yield f"The shipped ensemble says {_quoted(says['predicted'])} with {says['confidence']:.3f} ({shares})."
    if facts.opinions is not None:
        yield from _members(facts.opinions)


def _lesson(lesson: dict[str, Any]) -> str:
    student, label = lesson["student"], lesson["label"]
    if lesson["status"] == REVOKED:
        return f"{student}: its lesson {_quoted(label)} was revoked: {lesson['why']}."
    if label is None:
        return f"{student} was not taught: {lesson['why']}."
    heard = (
        f"{lesson['teachers']} said {_quoted(label)}: confidence {lesson['confidence']:.2f}, "
        f"margin {lesson['margin']:.2f}, agreement {lesson['agreement']:.0%}"
    )
    if lesson["status"] == LEFT_OUT:
        return f"{student} was not taught: {lesson['why']}. ({heard})"
    return f"{student} was taught {_quoted(label)}; {heard}, weight {lesson['weight']:.3g}."


def _members(opinions: dict[str, Any]) -> Iterator[str]:
    names = [name.removesuffix("__says") for name in opinions if name.endswith("__says")]
    for name in names:
        says = opinions[f"{name}__says"]
        if says is not None:
            yield f"  {name} says {_quoted(says)} with {opinions[f'{name}__confidence']:.2f}"
    if opinions["disagreement"] is not None:
        yield f"Their disagreement is {opinions['disagreement']:.2f} of 1, the entropy {opinions['entropy']:.2f} of 1."


def _quoted(label: Any) -> str:
    return f'"{label}"'
