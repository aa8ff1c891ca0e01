"""Semi-supervised cross-validation: the whole exchange, repeated without the labelled rows of one fold at a time.

Every fold has a School of its own whose rows are all training rows but the held-out ones: these are in no graph, no
quota and no pseudo-label. How many labels each class has in all is known to it, as to any stratified split: a class
whose labels were held out weighs no less for that. Its trust is learnt from what the other folds' schools said of
*their* held-out rows. (Those schools were taught this fold's labels. So from round 1 on a handful of numbers,
temperatures, weights, which lesson to keep, have seen them at second hand; folds within folds would cost a factor of
n_folds to avoid that.)
What the schools say of held-out rows after each round is the only evidence there is: for the trust that members earn,
for the round that is shipped and for the final calibration.

Shapes: n = training rows, m = members, C = classes of a task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cotrain.engine import each
from cotrain.ensemble import Evidence, held_out_voice, judge
from cotrain.predictions import (
    Targets,
    Trust,
    calibrated_loss,
    class_masses,
    class_shares,
    earned_trust,
    from_codes,
    with_class_masses,
)
from cotrain.rounds import Member, Opinions, School, TeachingPlan, stop_reason
from cotrain.views import Blocks

Codes = Mapping[str, NDArray[np.integer]]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Lecture:
    """Everything one exchange runs on.

    Parameters
    ----------
    members : the committee
    blocks : n training rows
    codes : {task: [n] class codes, -1 = not labelled}
    n_classes : {task: C}
    weight : [n] sample weights, or None
    folds : [n] the fold that holds the row out, -1 = none
    kept_out : [n] a fold whose school must not see the row though it is not scored on it (an unlabelled row of a
        held-out group), -1 = none
    plan, seed, n_jobs : how
    head_start : [m] what each member weighs before it is heard; None = all alike
    """

    members: Sequence[Member]
    blocks: Blocks
    codes: Codes
    n_classes: Mapping[str, int]
    weight: NDArray[np.floating] | None
    folds: NDArray[np.integer]
    kept_out: NDArray[np.integer]
    plan: TeachingPlan
    seed: int
    n_jobs: int | None = None
    head_start: NDArray[np.floating] | None = None

    def school(self, number: int, rows: NDArray[np.intp]) -> School:
        """A school over `rows`; `number` is 0 for the main run, then one for each fold."""
        return School(self.members, self.blocks.take(rows), self.given(rows), self.plan, (self.seed, number))

    def prior(self, task: str) -> NDArray[np.floating]:
        """[C] the class shares of all labelled rows, which every school learns from: see `given`."""
        return class_shares(self.codes[task], self.n_classes[task], self.weight)

    def given(self, rows: NDArray[np.intp]) -> dict[str, Targets]:
        """{task: the labels of `rows`}, in which every class weighs what it weighs in all n."""
        given = {}
        for task, codes in self.codes.items():
            whole = from_codes(codes, self.n_classes[task], self.weight)
            part = Targets(whole.probabilities[rows], whole.weight[rows])
            given[task] = with_class_masses(part, class_masses(whole))
        return given


@dataclass
class Findings:
    """What cross-validation found.

    Parameters
    ----------
    opinions : one per round from round 0: m times {task: [n, C]}, NaN where a row was not held out
    voices : one per round from round 0: {task: [n, C]} what the ensemble would say of held-out rows
    accepted : one per round from round 1: for each member, whether the main run's student keeps that lesson
    evidence : {task: the round to ship and why}
    stop_reason : see rounds.stopping.REASONS
    """

    opinions: list[list[Opinions]] = field(default_factory=list)
    voices: list[Opinions] = field(default_factory=list)
    accepted: list[list[bool]] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    stop_reason: str = ""

    def of_task(self, round: int, task: str) -> list[NDArray[np.floating]]:
        """m arrays [n, C] after one round."""
        return [opinion[task] for opinion in self.opinions[round]]


def cross(lecture: Lecture, progress: Progress) -> Findings:
    """Teach every fold's school round by round until there is a reason to stop."""
    findings = Findings()
    folds = [int(fold) for fold in np.unique(lecture.folds[lecture.folds >= 0])]
    held = [np.flatnonzero(lecture.folds == fold) for fold in folds]
    schools = [
        lecture.school(1 + fold, np.flatnonzero((lecture.folds != fold) & (lecture.kept_out != fold))) for fold in folds
    ]
    blocks = [lecture.blocks.take(rows) for rows in held]
    progress("cross-validation, labels only")
    answers = each(_begin, list(zip(schools, blocks, strict=True)), lecture.n_jobs)
    findings.opinions.append(_assembled([told for _, told, _ in answers], held, lecture))
    while True:
        findings.evidence = _evidence(findings, lecture)
        findings.stop_reason = (
            _excuse(lecture)
            or stop_reason(_losses(findings, lecture), lecture.plan.rounds, lecture.plan.patience)
            or ""
        )
        if findings.stop_reason:
            return findings
        held_so_far = len(findings.opinions) - 1
        progress(f"cross-validation, round {held_so_far + 1}")
        trusts = [trust_after(held_so_far, findings, lecture, without=fold) for fold in folds]
        jobs = [(school, rows, trust) for (school, _, _), rows, trust in zip(answers, blocks, trusts, strict=True)]
        answers = each(_advance, jobs, lecture.n_jobs)
        if not any(n_admitted for _, _, n_admitted in answers):
            findings.stop_reason = "nothing_to_teach"  # and no round: it would be round 0 under another name
            return findings
        if not _settle(findings, [school for school, _, _ in answers], [told for _, told, _ in answers], held, lecture):
            findings.stop_reason = "nothing_kept"
            return findings


def _settle(
    findings: Findings,
    schools: Sequence[School],
    told: Sequence[list[Opinions]],
    held: Sequence[NDArray[np.intp]],
    lecture: Lecture,
) -> bool:
    """Let every student keep what it learnt or take it back, and write down what the members now think.

    A fold's students are judged on the rows that the other folds held out, never on the fold's own. A round in which no
    student keeps anything leaves no trace; False is then returned.
    """
    before, after = findings.opinions[-1], _assembled(told, held, lecture)
    settled = [{task: opinion.copy() for task, opinion in member.items()} for member in before]
    n_kept = 0
    for school, rows in zip(schools, held, strict=True):
        elsewhere = np.ones(lecture.blocks.n_rows, dtype=bool)
        elsewhere[rows] = False
        accepted = [_is_no_worse(*pair, lecture, elsewhere) for pair in zip(before, after, strict=True)]
        school.settle(accepted)
        n_kept += sum(accepted)
        for member in np.flatnonzero(accepted):
            for task, opinion in settled[member].items():
                opinion[rows] = after[member][task][rows]
    everywhere = np.ones(lecture.blocks.n_rows, dtype=bool)
    kept = [_is_no_worse(*pair, lecture, everywhere) for pair in zip(before, after, strict=True)]
    if not n_kept and not any(kept):
        return False
    findings.accepted.append(kept)
    findings.opinions.append(settled)
    return True


def _is_no_worse(before: Opinions, after: Opinions, lecture: Lecture, rows: NDArray[np.bool_]) -> bool:
    """Whether a member's calibrated held-out loss on `rows` did not rise, as a share of what it was, over the tasks."""
    ratios = []
    for task, codes in lecture.codes.items():
        seen = np.where(rows, codes, -1)
        was, now = (
            calibrated_loss(opinion[task], seen, lecture.weight, prior=lecture.prior(task))
            for opinion in (before, after)
        )
        if np.isfinite(was) and np.isfinite(now):
            ratios.append(now / max(was, 1e-12))
    return not ratios or float(np.mean(ratios)) <= 1.0


def trust_after(round: int, findings: Findings, lecture: Lecture, without: int | None = None) -> dict[str, Trust]:
    """{task: Trust} for a round, see predictions.earned_trust: weights from held-out opinions before any teaching,
    temperatures from those after it. A fold's school is not told what its held-out rows tell.
    """
    trust = {}
    for task, codes in lecture.codes.items():
        seen = codes if without is None else np.where(lecture.folds == without, -1, codes)
        trust[task] = earned_trust(
            findings.of_task(round, task),
            seen,
            lecture.weight,
            prior=lecture.prior(task),
            untaught=findings.of_task(0, task),
            head_start=lecture.head_start,
        )
    return trust


def _begin(job: tuple[School, Blocks]) -> tuple[School, list[Opinions], int]:
    """Round 0 in one school, and what its students say of the held-out rows."""
    school, held = job
    school.supervised()
    return school, school.ask(held), 0


def _advance(job: tuple[School, Blocks, dict[str, Trust]]) -> tuple[School, list[Opinions], int]:
    """One exchange in one school, its word on the held-out rows, and how many pseudo-labels were admitted."""
    school, held, trust = job
    lessons = school.next_round(trust)
    n_admitted = sum(len(lesson.admission.positions) for by_task in lessons for lesson in by_task.values())
    return school, school.ask(held), n_admitted


def _assembled(told: Sequence[list[Opinions]], held: Sequence[NDArray[np.intp]], lecture: Lecture) -> list[Opinions]:
    """The folds' answers put back where their rows stand among all n."""
    whole: list[Opinions] = []
    for member in range(len(lecture.members)):
        opinions = {task: np.full((lecture.blocks.n_rows, count), np.nan) for task, count in lecture.n_classes.items()}
        for answers, rows in zip(told, held, strict=True):
            for task in opinions:
                opinions[task][rows] = answers[member][task]
        whole.append(opinions)
    return whole


def _evidence(findings: Findings, lecture: Lecture) -> dict[str, Evidence]:
    for round in range(len(findings.voices), len(findings.opinions)):
        findings.voices.append({task: _held_out_voice(findings, lecture, round, task) for task in lecture.codes})
    return {
        task: judge([voices[task] for voices in findings.voices], codes, lecture.weight)
        for task, codes in lecture.codes.items()
    }


def _held_out_voice(findings: Findings, lecture: Lecture, round: int, task: str) -> NDArray[np.floating]:
    return held_out_voice(
        findings.of_task(round, task),
        lecture.codes[task],
        lecture.folds,
        lecture.weight,
        untaught=findings.of_task(0, task),
        head_start=lecture.head_start,
    )


def _losses(findings: Findings, lecture: Lecture) -> list[float]:
    """The mean over tasks of each round's loss as a share of a guess's, so that no task outweighs another.

    Tasks of which nothing could be held out do not count; NaN where there is no other.
    """
    shares = [
        np.array([score.loss for score in evidence.scores]) / (1.0 - 1.0 / lecture.n_classes[task])
        for task, evidence in findings.evidence.items()
        if evidence.n_held_out
    ]
    return np.mean(shares, axis=0).tolist() if shares else [np.nan] * len(findings.opinions)


def _excuse(lecture: Lecture) -> str | None:
    """Why there is nothing to exchange at all."""
    if lecture.plan.rounds == 0:
        return "rounds_is_0"
    if len(lecture.members) < 2:
        return "one_member"
    if all((codes >= 0).all() for codes in lecture.codes.values()):
        return "no_unlabelled"
    return None
