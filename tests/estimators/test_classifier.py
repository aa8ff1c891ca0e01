"""CoTrainingClassifier keeps what scikit-learn's users expect, and what it promises itself."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB

from cotrain.ensemble.guard import A_TIE
from cotrain.errors import SettingError, TableError
from cotrain.estimators import CoTrainingClassifier, as_members, default_members
from cotrain.estimators.holding_out import folds_of
from cotrain.learners import ClassicalLearner, GraphLearner, NetworkLearner

SEEDED = [
    ("trees", ExtraTreesClassifier(5), "sepals"),
    ("graph", GraphLearner(), "petals"),
    ("both", LogisticRegression(C=0.3), None),
]


def test_it_learns_from_few_labels(light: Any, X: Any, y: Any, species: Any) -> None:
    model = light().fit(X, y)
    assert model.score(X, species) > 0.9
    assert model.n_rounds_["y"] in (0, 1, 2)
    assert model.evidence_["y"].n_held_out == 30
    assert model.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_teaching_pays_where_views_are_independent_and_labels_few() -> None:
    # The case that co-training was invented for: given the class, one view says nothing of the other.
    gains = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        codes = np.arange(300) % 2
        signal = np.where(np.arange(12) < 3, 0.9, 0.0)
        halves = [rng.normal(size=(300, 12)) + np.outer(2 * codes - 1, signal) for _ in range(2)]
        given = np.where(np.arange(300) < 16, codes, -1)
        members = [("one", GaussianNB(), "one"), ("two", LogisticRegression(), "two"), ("both", GaussianNB(), None)]
        views = {"one": slice(0, 12), "two": slice(12, 24)}
        model = CoTrainingClassifier(members, views=views, random_state=0).fit(np.hstack(halves), given)
        staged = [(told.argmax(axis=1) == codes)[16:].mean() for told in model.staged_predict_proba(np.hstack(halves))]
        gains.append(staged[-1] - staged[0])
    # Where held-out labels cannot tell the rounds apart, teaching is given the benefit of the doubt; it lost nothing.
    assert min(gains) >= 0
    assert np.mean(gains) > 0.02


def test_one_seed_gives_the_same_bits_and_the_ledger_too(light: Any, X: Any, y: Any) -> None:
    one, other = (light(members=SEEDED, random_state=0).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.ledger_.equals(other.ledger_)
    assert one.ledger_.num_rows > 0, "a run that taught"
    third = light(members=SEEDED, random_state=4).fit(X, y)
    assert not np.array_equal(third.predict_proba(X), one.predict_proba(X))


@pytest.mark.slow
def test_processes_change_nothing(light: Any, X: Any, y: Any) -> None:
    one, two = (light(members=SEEDED, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert one.ledger_.equals(two.ledger_)
    assert one.ledger_.num_rows > 0, "a run that taught"


def test_the_first_stage_is_plain_supervised_training_to_the_bit(light: Any, X: Any, y: Any) -> None:
    taught, supervised = light().fit(X, y), light(rounds=0).fit(X, y)
    staged = taught.staged_predict_proba(X)
    np.testing.assert_array_equal(staged[0], supervised.predict_proba(X))
    np.testing.assert_array_equal(staged[taught.n_rounds_["y"]], taught.predict_proba(X))
    assert supervised.stop_reason_ == "rounds_is_0"
    assert supervised.ledger_.num_rows == 0
    assert len(supervised.staged_predict_proba(X)) == 1


def test_constructor_settings_are_kept_as_they_were_given(light: Any, X: Any, y: Any) -> None:
    model = light()
    before = {name: repr(value) for name, value in model.get_params(deep=False).items()}
    inner = model.members[0][1]
    model.fit(X, y).fit(X, y)
    assert {name: repr(value) for name, value in model.get_params(deep=False).items()} == before
    assert model.members[0][1] is inner
    assert not hasattr(inner, "coef_")


def test_data_are_never_changed(light: Any, X: Any, y: Any) -> None:
    before = X.copy(), y.copy()
    light().fit(X, y, sample_weight=np.ones(150)).predict(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_a_clone_and_a_pickle_say_the_same(light: Any, X: Any, y: Any) -> None:
    model = light().fit(X, y)
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    assert not hasattr(clone(model), "co_trained_")


def test_settings_can_be_set_and_searched(light: Any, X: Any, y: Any) -> None:
    model = light()
    assert model.set_params(rounds=0, patience=1).get_params()["rounds"] == 0
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(light(), {"rounds": [0, 1], "pseudo_mass": [0.5]}, cv=folds).fit(X, y)
    assert search.best_params_["rounds"] in (0, 1)
    # Rows without a label are in the test folds too, and are not held against it.
    assert (search.cv_results_["mean_test_score"] > 0.8).all()


def test_only_labelled_rows_count_in_the_score(light: Any, X: Any, y: Any, species: Any) -> None:
    model = light().fit(X, y)
    right = model.predict(X) == species
    assert model.score(X, y) == pytest.approx(right[y >= 0].mean())
    assert model.score(X, species) == pytest.approx(right.mean())
    weight = np.arange(150.0)
    assert model.score(X, species, sample_weight=weight) == pytest.approx(np.average(right, weights=weight))


def test_tasks_that_are_labelled_on_different_rows_are_learnt_together(
    light: Any, X: Any, y: Any, species: Any
) -> None:
    long = np.where(X[:, 0] > 5.8, "long", "short").astype(object)
    truth = {"species": species, "size": long.astype(str)}
    long[np.random.default_rng(1).random(150) < 0.7] = None
    model = light().fit(X, {"species": y, "size": long})
    assert {task: list(classes) for task, classes in model.classes_.items()} == {
        "species": [0, 1, 2],
        "size": ["long", "short"],
    }
    told, predicted = model.predict_proba(X), model.predict(X)
    assert {task: one.shape for task, one in told.items()} == {"species": (150, 3), "size": (150, 2)}
    for task, labels in truth.items():
        assert (predicted[task] == labels).mean() > 0.85
        np.testing.assert_array_equal(predicted[task], model.classes_[task][told[task].argmax(axis=1)])
    assert model.score(X, truth) == pytest.approx(np.mean([(predicted[t] == truth[t]).mean() for t in truth]))
    ledger = model.ledger_.to_pandas()
    unlabelled = {"species": set(np.flatnonzero(y < 0)), "size": {row for row in range(150) if long[row] is None}}
    for task, rows in unlabelled.items():
        assert set(ledger[ledger["task"] == task]["row_id"]) <= rows
    with pytest.raises(TableError, match=r"lacks \['size'\]"):
        model.score(X, {"species": species})


def test_a_second_task_may_be_called_anything_and_one_task_in_a_dict_stays_a_dict(light: Any, X: Any, y: Any) -> None:
    alone, named = light().fit(X, y), light().fit(X, {"any name/at all": y})
    np.testing.assert_array_equal(named.predict_proba(X)["any name/at all"], alone.predict_proba(X))


def test_the_ledger_names_unlabelled_rows_by_their_ids(light: Any, X: Any, y: Any) -> None:
    names = np.array([f"row {position}" for position in range(150)])
    model = light(first_share=1.0).fit(X, y, row_ids=names)
    ledger = model.ledger_.to_pandas()
    assert set(ledger["row_id"]) <= set(names[y < 0])
    assert set(ledger["student"]) <= {"sepals", "petals", "both"}
    for student, teachers in zip(ledger["student"], ledger["teachers"], strict=True):
        assert student not in teachers.split("+")
    assert (ledger["weight"] > 0).equals(ledger["status"] != "left out")


def test_full_agreement_admits_only_unanimous_rows(light: Any, X: Any, y: Any) -> None:
    strict, free = (light(least_agreement=least, rounds=1).fit(X, y).ledger_.to_pandas() for least in (1.0, 0.0))
    admitted = strict[strict["status"] == "admitted"]
    assert (admitted["agreement"] == 1.0).all()
    assert len(admitted) < len(free[free["status"] == "admitted"])


def test_a_label_of_weight_0_is_as_good_as_none(light: Any, X: Any, y: Any) -> None:
    mute = np.flatnonzero(y == 1)[:4]
    weight = np.ones(150)
    weight[mute] = 0.0
    fewer = y.copy()
    fewer[mute] = -1
    expected = light().fit(X, fewer, sample_weight=np.ones(150)).predict_proba(X)
    np.testing.assert_array_equal(light().fit(X, y, sample_weight=weight).predict_proba(X), expected)
    with pytest.raises(TableError, match="class 1 has 0"):
        light().fit(X, y, sample_weight=np.where(y == 1, 0.0, 1.0))


def test_a_heavier_class_is_said_more_often(light: Any, X: Any, y: Any) -> None:
    plain = light().fit(X, y).predict_proba(X)[:, 2].mean()
    assert light().fit(X, y, sample_weight=np.where(y == 2, 20.0, 1.0)).predict_proba(X)[:, 2].mean() > plain


def test_no_fold_takes_all_labels_of_a_class_of_any_task(y: Any) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labelled = np.flatnonzero(y >= 0)
        other = np.full(150, -1)
        other[labelled] = 0
        other[rng.choice(labelled, 2, replace=False)] = 1  # two labels, dealt by the other task's classes
        for groups in (None, np.arange(150) % 70):
            folds, _ = folds_of({"fine": y, "other": other}, 5, rng, groups)
            for codes in (y, other):
                for code in np.unique(codes[codes >= 0]):
                    assert len(set(folds[codes == code])) > 1 or (folds[codes == code] < 0).all()


def test_rows_of_one_group_are_never_on_both_sides(light: Any, X: Any, y: Any) -> None:
    groups = np.arange(150) % 25
    folds, kept_out = folds_of({"y": y}, 2, np.random.default_rng(0), groups)
    for name in np.unique(groups):
        inside = groups == name
        assert len(np.unique(folds[inside & (folds >= 0)])) <= 1
        held = folds[inside & (folds >= 0)]
        if len(held):
            assert (kept_out[inside & (y < 0)] == held[0]).all()
    assert (np.where(folds >= 0, kept_out, -1) == -1).all()
    grouped = light().fit(X, y, groups=groups).predict_proba(X)
    assert not np.array_equal(grouped, light().fit(X, y).predict_proba(X))
    by_name = np.array([f"patient {group:02d}" for group in groups])
    np.testing.assert_array_equal(light().fit(X, y, groups=by_name).predict_proba(X), grouped)


@pytest.mark.parametrize("name", ["sample_weight", "groups", "row_ids"])
def test_what_stands_beside_the_rows_has_one_value_for_each(light: Any, X: Any, y: Any, name: str) -> None:
    for length in (100, 200):
        with pytest.raises(TableError, match=rf"`{name}` must have one value per row; got {length} "):
            light().fit(X, y, **{name: np.arange(length)})


def test_row_ids_name_each_row_once(light: Any, X: Any, y: Any) -> None:
    with pytest.raises(TableError, match="must name each row once"):
        light().fit(X, y, row_ids=np.arange(150) % 149)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("a", GaussianNB, "sepals")], r"an instance for member 'a'.*Write GaussianNB\(\)"),
        ([("a", GaussianNB(), "sepals"), ("a", GaussianNB(), "petals")], r"a name of its own; got \['a'\]"),
        ([("a", GaussianNB(), "leaves")], r"views that this data has, for member 'a'; got \['leaves'\]"),
        ([("a", GaussianNB(), [])], "views that this data has"),
        ([("a", GaussianNB(), 0)], "name of a view or several"),
        ([("a", Ridge(), "sepals")], "a scikit-learn classifier for member 'a'"),
        ([("a", "forest", "sepals")], "a scikit-learn classifier for member 'a'"),
        ([("a", GaussianNB())], r"a list of \(name, learner, views\)"),
        ({"a": GaussianNB()}, r"a list of \(name, learner, views\)"),
        ([], "at least one member"),
    ],
)
def test_a_committee_that_cannot_sit_is_refused_in_words(light: Any, X: Any, y: Any, members: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        light(members=members).fit(X, y)


@pytest.mark.parametrize(
    ("name", "wrong"), [("rounds", -1), ("first_share", 0.0), ("least_agreement", 95), ("n_folds", 1), ("patience", 0)]
)
def test_settings_out_of_range_are_named_at_fit(light: Any, X: Any, y: Any, name: str, wrong: Any) -> None:
    with pytest.raises(SettingError, match=f"`{name}` must be"):
        light(**{name: wrong}).fit(X, y)


def test_nothing_is_asked_of_a_model_that_is_not_fitted(light: Any, X: Any) -> None:
    for ask in ("predict", "predict_proba", "staged_predict_proba", "member_predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(light(), ask)(X)


def test_one_member_learns_alone_and_says_so(light: Any, X: Any, y: Any, species: Any) -> None:
    model = light(members=[("alone", LogisticRegression(), None)]).fit(X, y)
    assert model.stop_reason_ == "one_member"
    assert model.n_rounds_ == {"y": 0}
    assert model.score(X, species) > 0.85


def test_a_fully_labelled_table_is_learnt_without_teaching(light: Any, X: Any, species: Any) -> None:
    model = light().fit(X, species)
    assert model.stop_reason_ == "no_unlabelled"
    assert model.score(X, species) > 0.9


def test_stages_are_told_as_they_begin(light: Any, X: Any, y: Any) -> None:
    stages: list[str] = []
    light(rounds=1).fit(X, y, progress=stages.append)
    assert stages[:2] == ["cross-validation, labels only", "cross-validation, round 1"]
    assert "training on all rows, labels only" in stages


def test_a_learner_and_its_estimator_are_the_same_member(light: Any, X: Any, y: Any) -> None:
    bare, wrapped = (
        light(members=[("a", one, "sepals"), ("b", other, None)]).fit(X, y).predict_proba(X)
        for one, other in (
            (GaussianNB(), LogisticRegression()),
            (ClassicalLearner(GaussianNB()), ClassicalLearner(LogisticRegression())),
        )
    )
    np.testing.assert_array_equal(bare, wrapped)


def test_the_default_committee_has_a_member_on_every_view_and_several_kinds_on_all() -> None:
    members = as_members(default_members(["words", "numbers"]), ["words", "numbers"])
    assert {member.views for member in members} == {("words",), ("numbers",), ("words", "numbers")}
    on_all = [member for member in members if len(member.views) == 2]
    assert {type(member.learner) for member in on_all} == {ClassicalLearner, GraphLearner, NetworkLearner}
    assert len(as_members(default_members(["all"]), ["all"])) == len(on_all) == 4


@pytest.mark.parametrize("views", [["all", "words"], ["words", "all views", "all"]])
def test_a_view_may_be_called_all(views: list[str]) -> None:
    members = as_members(default_members(views), views)
    assert len({member.name for member in members}) == 4 + len(views)
    assert {member.views for member in members if member.name.endswith(" all")} == {("all",)}


@pytest.mark.slow
def test_the_default_committee_learns_a_real_table() -> None:
    X, codes = load_breast_cancer(return_X_y=True)
    given = np.where(np.random.default_rng(0).random(len(codes)) < 0.06, codes, -1)
    model = CoTrainingClassifier(views={"mean": slice(0, 10), "rest": slice(10, 30)}, random_state=0).fit(X, given)
    assert model.score(X[given < 0], codes[given < 0]) > 0.9


def test_what_is_shipped_was_never_found_worse_than_supervised_training_by_more_than_a_tie(
    light: Any, X: Any, y: Any
) -> None:
    for seed in range(4):
        evidence = light(random_state=seed).fit(X, y).evidence_["y"]
        losses = [score.loss for score in evidence.scores]
        assert losses[evidence.shipped] <= losses[0] + A_TIE * 3 / evidence.n_held_out
        assert evidence.gain == pytest.approx(losses[0] - losses[evidence.shipped])
