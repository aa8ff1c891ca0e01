"""Shop reviews: 300 labelled of 4,200, two tasks (recommended or not, rating 1 to 5), two views (text, table).

    python -m pipelines.reviews.run              # one run, a minute or two on two cores
    python -m pipelines.reviews.run --seeds 20   # the figures of the README

The rows are 6,000 of the Women's E-Commerce Clothing Reviews (Brooks 2018, CC0). 30 % are locked away for evaluation;
of the others 300, drawn at random as a person would label them, keep their labels.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from cotrain.table import encode_target, read_table, stratified_split
from pipelines.comparison import main

HERE = Path(__file__).parent
N_LABELLED = 300


def layout(seed: int, all_labels: bool) -> pa.Table:
    """The reviews with a column that marks the evaluation rows, and most other labels taken away."""
    reviews = read_table(HERE / "data" / "reviews.parquet")
    generator = np.random.default_rng(seed)
    rating = encode_target(reviews["y_rating"], "rating")[1]
    training, evaluation = stratified_split(rating, 0.3, generator)
    keeps = np.ones(reviews.num_rows, dtype=bool)
    if not all_labels:
        keeps[generator.permutation(training)[N_LABELLED:]] = False
    for target in ("y_rating", "y_recommended"):
        labels = pa.array(reviews[target].to_numpy(), mask=~keeps)
        reviews = reviews.set_column(reviews.column_names.index(target), target, labels)
    is_evaluation = np.zeros(reviews.num_rows, dtype=bool)
    is_evaluation[evaluation] = True
    return reviews.append_column("is_evaluation", pa.array(is_evaluation))


if __name__ == "__main__":
    main("reviews", layout, HERE / "settings.toml", __doc__)
