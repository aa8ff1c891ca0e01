"""Who sits in the committee: what users write as members, and who is asked where they write nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from cotrain.errors import SettingError
from cotrain.learners import ClassicalLearner, GraphLearner, Learner
from cotrain.learners.deep import NetworkLearner
from cotrain.rounds import Member

MemberSpec = tuple[str, Any, str | Sequence[str] | None]
"""(name, learner or scikit-learn estimator, a view or several; None = all views)."""


def default_members(views: Sequence[str]) -> list[MemberSpec]:
    """A linear model, trees, a graph and a network on all views together, and a linear model on each.

    Different kinds of learner err differently, and that is what makes an exchange worth while: linear models do best
    on texts, trees on counts and categories, graphs where classes form clusters, networks where views tell together.
    Trees and graphs on single views too made committees on ten tables no better, and took half as long again.
    """
    joint = "all"
    while len(views) > 1 and joint in views:
        joint += " views"  # members' names differ, also where a view is itself called "all"
    everything = list(views)
    members: list[MemberSpec] = [(f"linear {view}", _linear(), [view]) for view in views if len(views) > 1]
    members.append((f"linear {joint}", _linear(), everything))
    members.append((f"trees {joint}", ExtraTreesClassifier(n_estimators=60), everything))
    members.append((f"graph {joint}", GraphLearner(), everything))
    # As good as the network's own defaults on five tables, for half the time.
    members.append((f"network {joint}", NetworkLearner(copies=2, min_steps=100, max_steps=100), everything))
    return members


def _linear() -> LogisticRegression:
    # C = 0.3: with few rows and many columns the default of 1 leaves the probabilities too sure.
    return LogisticRegression(C=0.3, max_iter=200, tol=1e-3)


def as_members(specs: Sequence[MemberSpec], views: Sequence[str]) -> list[Member]:
    """What the user wrote, checked, with scikit-learn estimators turned into learners.

    Raises
    ------
    SettingError : for a spec that is no (name, learner, views), a name given twice, an unknown view
    """
    members = []
    for spec in specs:
        if not isinstance(spec, (tuple, list)) or len(spec) != 3:
            raise SettingError(
                "members",
                spec,
                "a list of (name, learner, views)",
                hint='For example ("words", LogisticRegression(), "text").',
            )
        name, learner, read = spec
        if read is not None and not isinstance(read, Iterable):
            raise SettingError("members", read, f"the name of a view or several, or None for all, for member {name!r}")
        chosen = tuple(views) if read is None else (read,) if isinstance(read, str) else tuple(read)
        unknown = [view for view in chosen if view not in views]
        if unknown or not chosen:
            raise SettingError(
                "members",
                unknown or read,
                f"views that this data has, for member {name!r}",
                hint=f"It has {list(views)}.",
            )
        members.append(Member(str(name), _as_learner(name, learner), chosen))
    names = [member.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not members:
        raise SettingError("members", twice or list(specs), "at least one member, each with a name of its own")
    return members


def _as_learner(name: str, learner: Any) -> Learner:
    if isinstance(learner, type):
        raise SettingError("members", learner, f"an instance for member {name!r}", hint=f"Write {learner.__name__}().")
    if isinstance(learner, Learner):
        return learner
    is_estimator = hasattr(learner, "fit") and hasattr(learner, "predict") and hasattr(learner, "get_params")
    if is_classifier(learner) if isinstance(learner, BaseEstimator) else is_estimator:
        return ClassicalLearner(learner)
    raise SettingError("members", learner, f"a learner or a scikit-learn classifier for member {name!r}")
