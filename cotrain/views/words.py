"""How text becomes numbers: words and pairs of neighbouring words, weighted by how telling they are (TF-IDF).

Several text columns of a view are joined, in their order. A row's weights have length 1; a row without a
known word is 0.

Shapes: n = rows, w = words and pairs.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from cotrain.errors import ViewError
from cotrain.table.columns import Column, plain


def fit_words(view_name: str, columns: Sequence[Column], max_features: int) -> TfidfVectorizer:
    """Learns the vocabulary and the rarity of its words from the training rows.

    Raises
    ------
    ViewError : when there is no word of two letters in any row
    """
    vectorizer = TfidfVectorizer(
        sublinear_tf=True,
        ngram_range=(1, 2),
        max_features=max_features,
    )
    try:
        return vectorizer.fit(joined(columns))
    except ValueError as error:
        raise ViewError(
            f'The text of view "{view_name}" has no word of at least two letters in any training row ({error}). '
            "Check the columns, or set their kind to categorical."
        ) from error


def weigh_words(vectorizer: TfidfVectorizer, columns: Sequence[Column]) -> csr_matrix:
    """[n, w] float32"""
    texts = joined(columns)
    n_words = len(vectorizer.vocabulary_)
    if not texts:
        return csr_matrix((0, n_words), dtype=np.float32)
    weights = csr_matrix(vectorizer.transform(texts), dtype=np.float32)
    weights.sort_indices()
    return weights


def joined(columns: Sequence[Column]) -> list[str]:
    """[n] the texts of each row, those that are there, one after the other."""
    texts = [plain(column) for column in columns]
    lists = [["" if text is None else text for text in column.to_pylist()] for column in texts]
    return lists[0] if len(lists) == 1 else [" ".join(parts) for parts in zip(*lists, strict=True)]
