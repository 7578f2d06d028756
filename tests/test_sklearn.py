"""`EmbeddingVectorizer` in scikit-learn's pipelines."""

import os
import pickle

import numpy as np
import pytest
from conftest import store_of
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

import embmap
from embmap.sklearn import EmbeddingVectorizer

TEXTS = ["The King, the queen!", "an apple, a pear", "unheard-of", ""]


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_a_text_is_the_pool_of_its_words(store, pooling):
    found = EmbeddingVectorizer(store, pooling).fit_transform(TEXTS)
    assert (found.dtype, found.shape) == (np.float32, (4, 4))
    assert np.array_equal(found[:2], store.lookup([["king", "queen"], ["apple", "pear"]], pool=pooling))
    assert not found[2:].any()


def test_tokens(store):
    king = store["king"]
    assert np.array_equal(EmbeddingVectorizer(store).fit_transform([["king"], ("king", "nobody")]), [king, king])
    assert not EmbeddingVectorizer(store, lowercase=False).fit_transform(["King"]).any()
    assert np.array_equal(EmbeddingVectorizer(store, tokenizer=str.split).fit_transform(["king , x"]), [king])
    assert np.array_equal(EmbeddingVectorizer(store, token_pattern="<(.*?)>").fit_transform(["<king> queen"]), [king])


def test_weights_are_scikit_learns(store):
    texts = ["king queen", "king apple", "king"]
    vectorizer = EmbeddingVectorizer(store, "tfidf").fit(texts)
    theirs = TfidfVectorizer().fit(texts)
    assert vectorizer.weights_ == pytest.approx(dict(zip(theirs.get_feature_names_out(), theirs.idf_, strict=True)))
    weights = vectorizer.weights_
    expected = (weights["king"] * store["king"] + weights["apple"] * store["apple"]) / (
        weights["king"] + weights["apple"]
    )
    # A word of no text that was seen has no weight.
    assert np.allclose(vectorizer.transform(["king apple pear"])[0], expected)


def test_it_is_an_estimator_as_others_are(store):
    # What scikit-learn checks of estimators of texts: `check_estimator` itself makes numbers, and skips its own vectorizers.
    for check in (
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
        checks.check_no_attributes_set_in_init,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_mixin_order,
        checks.check_do_not_raise_errors_in_init_or_set_params,
    ):
        check("EmbeddingVectorizer", EmbeddingVectorizer(store))
    vectorizer = EmbeddingVectorizer(store)
    with pytest.raises(NotFittedError):
        vectorizer.transform(["king"])
    assert clone(vectorizer).store is store
    assert vectorizer.fit(["king"]).get_feature_names_out().tolist() == [f"embedding{i}" for i in range(4)]
    assert repr(EmbeddingVectorizer("v.embmap", "sum")) == "EmbeddingVectorizer(pooling='sum', store='v.embmap')"


def test_a_pipeline_is_fitted_side_by_side_and_saved_by_path(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i % 2} {i} 1\n" for i in range(5_000)))
    texts = [f"w{i} w{i + 2}" for i in range(200)]
    labels = [i % 2 for i in range(200)]
    pipeline = make_pipeline(EmbeddingVectorizer(store.path), LogisticRegression(max_iter=1000))
    assert cross_val_score(pipeline, texts, labels, n_jobs=2).mean() > 0.9
    saved = pickle.dumps(pipeline.fit(texts, labels))
    assert len(saved) < 5_000 < store.nbytes
    assert (pickle.loads(saved).predict(texts) == pipeline.predict(texts)).all()


def test_what_is_no_text(store):
    for wrong, error in [("king", ValueError), ([1], TypeError), ([b"king"], TypeError), ([["king", 1]], TypeError)]:
        with pytest.raises(error, match=r"one string|is a \w+, not"):
            EmbeddingVectorizer(store).fit(wrong)
    with pytest.raises(ValueError, match="pooling must be"):
        EmbeddingVectorizer(store, "max").fit(["king"])


def test_texts_that_can_be_read_once(store):
    assert np.array_equal(
        EmbeddingVectorizer(store).fit_transform(iter(["king", "man"])), store.lookup(["king", "man"])
    )


def test_rows_of_a_table_keep_their_vectors(store):
    """Whatever its index is: of a table that was shuffled, vectors came to lie beside other rows."""
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"text": ["king", "queen", "man"], "number": [1.0, 2, 3]}, index=[2, 0, 1])
    for columns in ([("e", EmbeddingVectorizer(store), "text"), ("n", "passthrough", ["number"])],) * 2:
        transformer = ColumnTransformer(columns[::-1]).set_output(transform="pandas")
        first, again = transformer.fit_transform(table), transformer.transform(table)
        assert first.equals(again)
        assert first.index.tolist() == [2, 0, 1]
        vectors = first[[name for name in first if name.startswith("e__")]].to_numpy()
        assert np.array_equal(vectors, store.lookup(["king", "queen", "man"]))
    series = table.set_axis([7, 0, 9])["text"]
    assert EmbeddingVectorizer(store).set_output(transform="pandas").fit_transform(series).index.tolist() == [7, 0, 9]
    with pytest.raises(ValueError, match=r"a table of shape \(3, 2\): take one of its columns"):
        EmbeddingVectorizer(store).fit(table)


def test_texts_of_arrow(store):
    pa = pytest.importorskip("pyarrow")
    expected = store.lookup([["king", "man"], ["queen"]], pool="mean")
    for texts in (pa.array(["King man", "queen"]), pa.chunked_array([[["king", "man"]], [["queen"]]])):
        assert np.array_equal(EmbeddingVectorizer(store).fit_transform(texts), expected)


def test_a_file_that_was_replaced_is_read_anew_by_fit(tmp_path):
    path = tmp_path / "v.embmap"
    embmap.write(path, ["king"], [[1.0]])
    vectorizer = EmbeddingVectorizer(path).fit(["king"])
    assert vectorizer.transform(["king"]).tolist() == [[1]]
    if os.name == "nt":
        pytest.skip("Windows does not replace a file that is mapped")
    embmap.write(path, ["king"], [[2.0]])
    assert vectorizer.transform(["king"]).tolist() == [[1]]
    assert vectorizer.fit(["king"]).transform(["king"]).tolist() == [[2]]


def test_weights_are_not_those_of_another_fit(store):
    with pytest.raises(NotFittedError):
        EmbeddingVectorizer(store).fit(TEXTS).set_params(pooling="tfidf").transform(TEXTS)
