"""The compiled core is for speed: a run of scikit-learn members ends the same without it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cotrain import ops

WHOLE_RUN = """
import sys, numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from cotrain import CoTrainingClassifier, ops
X, y = make_classification(300, 20, n_informative=8, n_classes=3, random_state=0)
told = np.where(np.arange(300) < 45, y, -1)
members = [("linear", LogisticRegression(), "left"), ("forest", RandomForestClassifier(10), "right"),
           ("bayes", GaussianNB(), None)]
views = {"left": slice(0, 10), "right": slice(10, 20)}
model = CoTrainingClassifier(members, views=views, rounds=2, n_folds=2, random_state=0)
np.save(sys.argv[1], model.fit(X, told).predict_proba(X))
print(ops.status().host_backend, model.n_rounds_, model.ledger_.num_rows)
"""


@pytest.mark.skipif(ops.status().host_backend != "native", reason=ops.status().host_reason)
@pytest.mark.slow
def test_a_whole_run_predicts_the_same_with_and_without_the_core(tmp_path: Path) -> None:
    said, predictions = [], []
    for backend in ("native", "reference"):
        path = tmp_path / f"{backend}.npy"
        line = [sys.executable, "-W", "ignore", "-c", WHOLE_RUN, str(path)]
        done = subprocess.run(
            line, env={**os.environ, "COTRAIN_BACKEND": backend}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
        predictions.append(np.load(path))
    assert [words[0] for words in said] == ["native", "reference"]
    assert said[0][1:] == said[1][1:]  # the same rounds shipped, the same number of rows taught
    assert int(said[0][-1]) > 0
    np.testing.assert_allclose(*predictions, rtol=0, atol=1e-9)
