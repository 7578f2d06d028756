"""JSON as a source: objects word -> row, lists of rows, OpenKE's dumps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_samples import ROWS, WORDS

import embmap
from embmap._ingest.readers import json_text

NUMBERS = ROWS.tolist()
BY_WORD = dict(zip(WORDS, NUMBERS, strict=True))
WITH_WORDS = {
    "an object": BY_WORD,
    "ml5's": {"vectors": BY_WORD, "dim": 3, "about": {"a": [True], "b": "c"}, "words": ["x"]},
    "a list of objects": [{"id": i, "text": word, "embedding": BY_WORD[word]} for i, word in enumerate(WORDS)],
    "objects in an object": {"data": [{"word": word, "vector": row} for word, row in BY_WORD.items()]},
}
WITHOUT = {
    "a list of rows": (NUMBERS, {}),
    "OpenKE's": (
        {"ent_embeddings.weight": NUMBERS, "rel_embeddings.weight": NUMBERS[:2], "zero_const": [0], "margin": 1},
        {"member": "ent_embeddings.weight"},
    ),
}


def converted(folder, content, **options):
    source = folder / "v.json"
    source.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return embmap.open(embmap.convert(source, folder / "v.embmap", **options).path)


def test_the_store_is_named_as_the_file(tmp_path):
    (tmp_path / "v.json").write_text(json.dumps(BY_WORD))
    assert embmap.convert(tmp_path / "v.json").path == tmp_path / "v.embmap"


def check(store):
    assert list(store) == WORDS
    assert np.array_equal(store.vectors, ROWS)
    store.verify()


@pytest.mark.parametrize("name", WITH_WORDS)
@pytest.mark.parametrize("form", [{}, {"indent": 2}, {"ensure_ascii": False, "separators": (",", ":")}])
def test_words_and_their_rows(tmp_path, name, form):
    check(converted(tmp_path, json.dumps(WITH_WORDS[name], **form)))
    check(embmap.load(tmp_path / "v.json", cache_dir=tmp_path))


@pytest.mark.parametrize("name", WITHOUT)
def test_rows_whose_words_are_elsewhere(tmp_path, name):
    content, options = WITHOUT[name]
    lines = [str(len(WORDS)), *(f"{word}\t{i}" for i, word in enumerate(WORDS))]
    (tmp_path / "entity2id.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    check(converted(tmp_path, content, words=tmp_path / "entity2id.txt", **options))
    with pytest.raises(embmap.ParseError, match=r"numbers without their words, of shape \(4, 3\): words= is a list"):
        converted(tmp_path, content, **options)
    with pytest.raises(embmap.ParseError, match=r"4 rows of 3, but 1 words in words="):
        converted(tmp_path, content, words=["a"], **options)


@settings(max_examples=60, deadline=None)
@given(
    table=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
        max_size=20,
    ),
    beside=st.dictionaries(
        st.text(max_size=3), st.floats() | st.integers() | st.text() | st.booleans() | st.none(), max_size=5
    ),
    piece=st.integers(1, 40),
    form=st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}]),
)
def test_it_does_not_matter_where_a_text_is_cut(tmp_path_factory, table, beside, piece, form):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_text, "_PIECE", piece)
        store = converted(tmp_path_factory.mktemp("json"), json.dumps({**beside, "vectors": table}, **form))
    assert list(store) == list(table)
    assert np.array_equal(store.vectors, np.array(list(table.values()), np.float32))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": [1, 2]', r"this is no JSON at character 13: expected ',', found the end"),
        ('{"a": [1, 2]} x', "expected the end"),
        ('{"a" [1, 2]}', "expected ':', found '\\['"),
        ("{a: [1]}", "this is no file of vectors"),
        ('{"x": 1, a: [1]}', "expected a name in quotes, found 'a'"),
        ('{"a": [1, 2}', "this is no JSON at character 12: expecting ',' delimiter"),
        (f'{{"a": [{"1" * 5000}]}}', "this is no JSON at character 7: .*4300 digits"),
        ("[" * 100_000, "nested too deep|this is no JSON"),
        ('{"a": [1, 2], "b": [1]}', "row 2 has 1 numbers, the first has 2"),
        ('{"a": [1, 2], "b": [1, "2.5"]}', "expected a row of numbers for 'b', as the others have"),
        ('{"a": [1, 2], "b": [1, null]}', "expected a row of numbers for 'b'"),
        ('{"a": [1, 2], "b": [true, false]}', "expected a row of numbers for 'b'"),
        ('{"a": [1, 2], "b": 3}', "expected a row of numbers for 'b', as the others have"),
        (f'{{"a": [1{"0" * 400}, 2]}}', "is too large for float64"),
        ('{"king": [1, 2], "config": {"sizes": [5, 6]}}', "member= says which"),
        ('{"columns": [0, 1, 2], "data": [["king", 1, 2]]}', "expected a row of numbers for 'data'"),
        ('[{"word": "a", "vector": [1, 2]}, {"vector": [3, 4]}]', "1 of 2 rows have no word"),
        ('[{"word": "a", "vector": [1, 2]}, {"wrd": "b", "vec": 5}]', "expected a row of numbers for row 2"),
        ("[[1, 2], [], [3, 4]]", "expected a row of numbers for row 2"),
        ('{"a": [1, 2]}\n{"b": [3, 4]}', "named .jsonl"),
        ('{"a": [1, NaN]}', "expected a finite number, found nan as number 2"),
        ('{"model": {"vocab": {"a": 1}}}', "JSON without rows of numbers; tokenizer"),
        ("[]", "JSON without rows of numbers; tokenizer"),
        ('{"m": [[1, 2]], "n": [[3, 4]]}', r"there are m \(1 x 2\), n \(1 x 2\): member= says which"),
        ('{"a": [1, 2]}', None),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, said):
    if said is None:
        with pytest.raises(embmap.ParseError, match="and these have: leave it out"):
            converted(tmp_path, content, words=["a"])
        return
    with pytest.raises(embmap.ParseError, match=said):
        converted(tmp_path, content)


def test_a_text_that_is_not_utf8(tmp_path):
    (tmp_path / "v.json").write_bytes(b'{"caf\xe9": [1, 2]}')
    with pytest.raises(embmap.ParseError, match="this is no JSON: it is not UTF-8"):
        embmap.convert(tmp_path / "v.json")


def test_columns_are_named(tmp_path):
    entries = [{"word": word, "lemma": word.upper(), "vector": [9, 9], "bert": BY_WORD[word]} for word in WORDS]
    check(converted(tmp_path, entries, vector_column="bert"))
    assert converted(tmp_path, entries, word_column="lemma").words[0] == "KING"
    with pytest.raises(embmap.ParseError, match="JSON without rows of numbers; tokenizer"):
        converted(tmp_path, entries, vector_column="other")


def test_many_blanks_take_no_more_time_than_their_number(tmp_path, monkeypatch):
    """Each character is looked at a few times, wherever pieces end."""
    monkeypatch.setattr(json_text, "_PIECE", 64)
    looked = []
    matched = json_text._BLANKS.match

    class Counting:
        def match(self, text, at):
            found = matched(text, at)
            looked.append(found.end() - at)
            return found

    monkeypatch.setattr(json_text, "_BLANKS", Counting())
    blanks = " " * 20_000
    check(converted(tmp_path, f"{{{blanks}{json.dumps(BY_WORD)[1:-1]}{blanks}}}"))
    assert sum(looked) < 20 * len(blanks)


def test_texts_named_json_whose_words_have_brackets(tmp_path):
    assert list(converted(tmp_path, "[CLS] 0.1 0.2\n[SEP] 0.3 0.4\n")) == ["[CLS]", "[SEP]"]
