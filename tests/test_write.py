"""Arrays and batches become the store that a text of the same rows would: all or nothing, never a whole copy."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from conftest import SMALL, convert_text, limits_files, may_be_misread, reads_proc, replaces_mapped, store_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference
from embmap._core import writer as _write

DTYPES = ["float32", "float16", "bfloat16", "int8"]
RNG = np.random.default_rng(7)
WORDS = [f"w{i}" for i in range(500)]
ROWS = RNG.normal(0, 0.4, (500, 6)).astype(np.float32)


def sections(store: embmap.Store) -> dict[int, bytes]:
    """The bytes of each section by its kind."""
    data = store.path.read_bytes()
    table = np.frombuffer(data[128:4096], np.dtype("<u4,<u4,<u8,<u8,<u4,<u4"))
    return {int(kind): data[offset : offset + length] for kind, _, offset, length, _, _ in table.tolist() if kind}


def same_but_metadata(a: embmap.Store, b: embmap.Store) -> bool:
    first, second = sections(a), sections(b)
    del first[_reference.METADATA], second[_reference.METADATA]
    return first == second


def write_batches(path, rows):
    with embmap.Writer(path, 6) as writer:
        for start in range(0, 500, 50):
            writer.write(WORDS[start : start + 50], rows[start : start + 50])


def reference_bytes(store: embmap.Store, rows) -> bytes:
    words = [word.encode() for word in store]
    code = _reference.DTYPES.index(store._dtype_name)
    return _reference.encode(words, rows, store.dim, store._metadata_json(), code)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\n\r ", exclude_categories=["Cs"]), min_size=1, max_size=9),
            st.lists(st.floats(-60_000, 60_000, width=32), min_size=3, max_size=3),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(DTYPES),
    st.sampled_from(["first", "last"]),
    st.booleans(),
    st.lists(st.integers(0, 12), max_size=3),
)
def test_the_store_is_the_one_that_a_text_or_the_specification_makes(
    tmp_path_factory, rows, dtype, duplicates, normalize, cuts
):
    assume(not may_be_misread(word for word, _ in rows))
    folder = tmp_path_factory.mktemp("write")
    words, vectors = [word for word, _ in rows], np.array([row for _, row in rows], np.float32)
    options = {"dtype": dtype, "duplicates": duplicates, "normalize": normalize}
    text = f"{len(rows)} 3\n" + "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in rows)
    converted = store_of(folder, text, header=True, **options)
    report = embmap.write(folder / "w.embmap", words, vectors, **options)
    written = embmap.open(folder / "w.embmap")
    assert same_but_metadata(written, converted)
    assert (report.rows, report.dim, report.dtype) == (len(set(words)), 3, dtype)
    assert (report.duplicates, report.bytes_written) == (len(words) - len(set(words)), written.path.stat().st_size)
    written.verify()
    if not normalize:
        kept = dict(rows if duplicates == "last" else reversed(rows))
        expected = reference_bytes(written, np.array([kept[word] for word in written], np.float32).tolist())
        assert written.path.read_bytes() == expected

    with embmap.Writer(folder / "b.embmap", 3, **options) as writer:
        ends = [*sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
        for start, end in zip([0, *ends], ends, strict=False):
            writer.write(words[start:end], vectors[start:end])
    assert (folder / "b.embmap").read_bytes() == written.path.read_bytes()
    assert writer.report.rows == report.rows


@pytest.mark.parametrize("dtype", DTYPES)
def test_how_rows_are_cut_into_blocks_does_not_show(tmp_path, monkeypatch, dtype):
    rows = RNG.normal(0, 1, (30_000, 90)).astype(np.float32)
    words = [f"w{i % 29_000}" for i in range(30_000)]
    embmap.write(tmp_path / "a", words, rows, dtype=dtype, duplicates="last")
    monkeypatch.setattr(_write, "_BLOCK", 90 * 777)
    embmap.write(tmp_path / "b", words, rows, dtype=dtype, duplicates="last")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    embmap.open(tmp_path / "a").verify()


def test_a_text_of_many_blocks_differs_in_the_last_bits_of_statistics_alone(tmp_path):
    rows = RNG.normal(0, 1, (20_000, 20)).astype(np.float32)
    words = [f"w{i}" for i in range(len(rows))]
    text = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(words, rows.tolist(), strict=True))
    converted = store_of(tmp_path, text)
    embmap.write(tmp_path / "w", words, rows)
    written = embmap.open(tmp_path / "w")
    ours, theirs = sections(written), sections(converted)
    for kind in ours.keys() - {_reference.METADATA, _reference.STATISTICS}:
        assert ours[kind] == theirs[kind], kind
    assert np.allclose(written.statistics(), converted.statistics(), rtol=1e-12, atol=1e-12)


VIEWS = {
    "float64": ROWS.astype(np.float64),
    "float16": ROWS.astype(np.float16),
    "longdouble": ROWS.astype(np.longdouble),
    "int32": np.arange(3000, dtype=np.int32).reshape(500, 6) - 1500,
    "uint8": (np.arange(3000) % 251).astype(np.uint8).reshape(500, 6),
    "bool": ROWS > 0,
    "big-endian": ROWS.astype(">f4"),
    "every other column": np.repeat(ROWS, 2, axis=1)[:, ::2],
    "Fortran order": np.asfortranarray(ROWS),
    "reversed": ROWS[::-1],
    "broadcast": np.broadcast_to(ROWS[:1], (500, 6)),
    "unaligned": np.frombuffer(b"x" + ROWS.tobytes(), np.uint8)[1:].view(np.float32).reshape(500, 6),
    "list": ROWS.tolist(),
    "list of arrays": list(ROWS),
    "tensor": torch.from_numpy(ROWS),
    "float64 tensor": torch.from_numpy(ROWS).double(),
    "bfloat16 tensor": torch.from_numpy(ROWS).bfloat16(),
    "parameter": torch.nn.Embedding.from_pretrained(torch.from_numpy(ROWS), freeze=False).weight,
    "transposed tensor": torch.from_numpy(ROWS).T.contiguous().T,
}


@pytest.mark.parametrize("vectors", VIEWS.values(), ids=VIEWS)
def test_any_array_of_real_numbers_is_rounded_to_float32(tmp_path, vectors, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 6 * 37)
    embmap.write(tmp_path / "w", WORDS, vectors)
    if isinstance(vectors, torch.Tensor):
        vectors = vectors.detach().float().numpy()
    expected = np.asarray(vectors).astype(np.float32)
    assert np.array_equal(embmap.open(tmp_path / "w").vectors, expected)


@pytest.mark.parametrize(
    "words",
    [
        tuple(WORDS),
        (word for word in WORDS),
        dict.fromkeys(WORDS),
        np.array(WORDS),
        np.array(WORDS, object),
        np.array(WORDS, np.dtypes.StringDType()),
        np.array([word.encode() for word in WORDS]),
    ],
    ids=["tuple", "generator", "dict", "U", "object", "StringDType", "S"],
)
def test_words_come_as_indices_takes_them(tmp_path, words, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 6 * 37)
    embmap.write(tmp_path / "w", words, ROWS)
    assert list(embmap.open(tmp_path / "w")) == WORDS


def test_words_come_from_arrow_columns(tmp_path):
    pa, pd, pl = (pytest.importorskip(name) for name in ("pyarrow", "pandas", "polars"))
    for words in (pa.array(WORDS), pa.chunked_array([WORDS[:7], WORDS[7:]]), pl.Series(WORDS), pd.Series(WORDS)):
        embmap.write(tmp_path / "w", words, ROWS)
        with embmap.open(tmp_path / "w") as store:
            assert list(store) == WORDS
            assert list(store.select(words[:3], tmp_path / "s")) == WORDS[:3]
    with pytest.raises(TypeError, match="expected str, found null at position 1"):
        embmap.write(tmp_path / "x", pa.array(["a", None]), np.eye(2))
    assert not (tmp_path / "x").exists()


def test_words_are_kept_byte_for_byte(tmp_path):
    words = [" ", "a b", "a\nb", "a\r\n", "\0", "\x85", "\u2028", "\ufeff", "é", "e\u0301", "𝔸", "x" * 70_000]
    embmap.write(tmp_path / "w", words, np.eye(len(words)))
    store = embmap.open(tmp_path / "w")
    assert list(store) == words
    assert store.indices(words).tolist() == list(range(len(words)))
    store.verify()


def test_a_store_without_rows(tmp_path):
    report = embmap.write(tmp_path / "w", [], np.empty((0, 5)))
    assert (report.rows, report.dim) == (0, 5)
    store = embmap.open(tmp_path / "w")
    store.verify()
    assert (len(store), store.vectors.shape) == (0, (0, 5))


def test_a_float16_array_keeps_its_bits_in_a_float16_store(tmp_path):
    bits = np.arange(2**16, dtype=np.uint16)
    halves = bits[(bits & 0x7C00) != 0x7C00].view(np.float16).reshape(-1, 62)
    embmap.write(tmp_path / "w", [str(i) for i in range(len(halves))], halves, dtype="float16")
    assert np.array_equal(embmap.open(tmp_path / "w").vectors.view(np.uint16), halves.view(np.uint16))


def test_metadata_comes_back(tmp_path):
    embmap.write(tmp_path / "w", ["a"], [[1]], {"language": "de", "x": [1, None], "source": "mine"})
    found = embmap.open(tmp_path / "w").metadata
    assert found == {"embmap": embmap.__version__, "language": "de", "x": [1, None], "source": "mine"}
    with pytest.raises(ValueError, match=r"metadata may not have the keys \['embmap'\]"):
        embmap.write(tmp_path / "w", ["a"], [[1]], {"embmap": "9"})
    for unheard in (float("nan"), {1, 2}, [np.float32(1)]):
        with pytest.raises(ValueError, match="metadata must be what JSON can hold"):
            embmap.write(tmp_path / "w", ["a"], [[1]], {"x": unheard})


# Words and vectors in one, or apart in other shapes

PAIRS = {"river": [1.0, 2.0], "<pad>": [0.0, 0.0], "bank": [3.0, 4.0]}


def rows_of(path):
    store = embmap.open(path)
    return {word: store[word].tolist() for word in store}


class Tokenizer:
    def get_vocab(self):
        return {"river": 2, "<pad>": 0, "bank": 1}


@pytest.mark.parametrize("words", [Tokenizer().get_vocab(), Tokenizer()], ids=["mapping", "tokenizer"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_mapping_of_rows_is_obeyed(tmp_path, words, whole):
    vectors = np.arange(6).reshape(3, 2)
    if whole:
        embmap.write(tmp_path / "w", words, vectors)
    else:
        with embmap.Writer(tmp_path / "w", 2) as writer:
            writer.write(["first"], [[9, 9]])
            writer.write(words, iter(vectors))
    expected = {"<pad>": [0, 1], "bank": [2, 3], "river": [4, 5]}
    found = rows_of(tmp_path / "w")
    assert list(found.items())[not whole :] == list(expected.items())


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ({"a": 0, "b": 0}, ValueError, "'a' and 'b' both have row 0"),
        ({"a": 0, "b": 2}, ValueError, "row 1 has no word: the next is 'b', which has row 2"),
        ({"b": 1}, ValueError, "row 0 has no word"),
        ({"a": 0}, ValueError, "row 1 of vectors, which have 2, has no word in the mapping"),
        ({"a": 0, "b": 1, "c": 2}, ValueError, "'c' has row 2, which is not one of the 2 of vectors"),
        ({"a": -1, "b": 0}, ValueError, "'a' has row -1; rows count from 0"),
        (Counter("ab"), TypeError, "a Counter says how often"),
        ({0: "a", 1: "b"}, TypeError, "the mapping is row -> word"),
        ({"a": 0.0, "b": 1.0}, TypeError, "'a' has the row 0.0, a float"),
        (PAIRS, TypeError, "'river' has for its row a list"),
    ],
)
def test_a_mapping_has_one_word_for_each_row(tmp_path, words, kind, message):
    with pytest.raises(kind, match=message):
        embmap.write(tmp_path / "w", words, np.eye(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_row", [list, np.array, torch.tensor, lambda row: torch.tensor(row, requires_grad=True)])
def test_a_mapping_of_vectors_is_words_and_vectors(tmp_path, as_row, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 4)
    pairs = {word: as_row(row) for word, row in PAIRS.items()}
    embmap.write(tmp_path / "w", pairs)
    assert list(rows_of(tmp_path / "w").items()) == list(PAIRS.items())
    with embmap.Writer(tmp_path / "b", 2) as writer:
        writer.write({"first": [9, 9]})
        writer.write(pairs)
    assert rows_of(tmp_path / "b") == {"first": [9, 9], **PAIRS}


def test_the_views_of_a_dict_and_generators_are_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 4)
    ways = [
        PAIRS.values(),
        (row for row in PAIRS.values()),
        map(np.array, PAIRS.values()),
        OrderedDict(PAIRS).values(),
        (torch.tensor(row).bfloat16() for row in PAIRS.values()),
    ]
    for i, vectors in enumerate(ways):
        embmap.write(tmp_path / str(i), PAIRS.keys(), vectors)
        assert rows_of(tmp_path / str(i)) == PAIRS
    embmap.write(tmp_path / "w", (word for word in PAIRS), (row for row in PAIRS.values()), dtype="float16")
    assert rows_of(tmp_path / "w") == PAIRS


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_store_is_a_mapping_of_vectors_and_of_rows(tmp_path, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    embmap.write(tmp_path / "v", store, dtype=dtype)
    assert np.array_equal(embmap.open(tmp_path / "v").vectors, store.vectors)
    embmap.write(tmp_path / "w", store.key_to_index, np.eye(6))
    assert list(embmap.open(tmp_path / "w")) == list(store)
    with pytest.raises(TypeError, match=r"'king' has for its row a ndarray.*pass list"):
        embmap.write(tmp_path / "x", store, np.eye(6))


@pytest.mark.parametrize(
    ("words", "vectors", "kind", "message"),
    [
        (["a", "b"], None, TypeError, r"vectors are missing: pass words and vectors, or a mapping word -> vector"),
        ({"a": 0}, None, TypeError, "vectors are missing"),
        (Counter("ab"), None, TypeError, "a Counter"),
        (Tokenizer(), None, TypeError, "vectors are missing"),
        ({}, None, ValueError, r"the shape \(rows, dim\), found \(0,\)"),
        ({"a": [1], "b": [1, 2]}, None, ValueError, r"row 1 of vectors has the shape \(2,\), the first has \(1,\)"),
        ({"a": "x"}, None, TypeError, "vectors are missing"),
        (["a", "b"], PAIRS, TypeError, "vectors is a mapping"),
        (["a", "b"], {(1.0, 2.0), (3.0, 4.0)}, ValueError, "the shape"),
        (["a", "b"], PAIRS.values(), ValueError, "2 words, but vectors for 3"),
        (["a", "b"], (row for row in [[1]]), ValueError, "2 words, but vectors for 1"),
        (["a"], (row for row in [[1], [2]]), ValueError, "1 words, but vectors for more"),
        ([], (row for row in [[1]]), ValueError, "0 words, but vectors for more"),
        (["a"], iter([]), ValueError, r"found \(0,\)"),
        (["a"], iter([1.0]), ValueError, r"found \(1,\)"),
        (["a"], iter([["x"]]), TypeError, "real numbers"),
    ],
)
def test_words_and_vectors_that_do_not_fit(tmp_path, words, vectors, kind, message):
    with pytest.raises(kind, match=message):
        embmap.write(tmp_path / "w", words, vectors)
    assert list(tmp_path.iterdir()) == []


def test_words_may_be_bytes_in_an_array_of_objects(tmp_path):
    embmap.write(tmp_path / "w", np.array(["\u00e4".encode(), "b"], object), np.eye(2))
    assert list(embmap.open(tmp_path / "w")) == ["\u00e4", "b"]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.float16, "float16"),
        (np.dtype("f4"), "float32"),
        ("f2", "float16"),
        ("<f4", "float32"),
        (np.int8, "int8"),
        (torch.float16, "float16"),
        (torch.bfloat16, "bfloat16"),
        (torch.int8, "int8"),
        ("bfloat16", "bfloat16"),
    ],
)
def test_types_of_numpy_and_torch_are_types_of_a_store(tmp_path, dtype, name):
    assert embmap.write(tmp_path / "w", ["a"], [[1]], dtype=dtype).dtype == name
    with embmap.Writer(tmp_path / "b", 1, dtype=dtype) as writer:
        writer.write(["a"], [[1]])
    assert writer.report.dtype == name
    assert convert_text(tmp_path, SMALL, dtype=dtype).dtype == name
    assert embmap.merge([tmp_path / "w"], tmp_path / "m", dtype=dtype)._dtype_name == name
    loaded = embmap.load(tmp_path / "v.txt", cache_dir=tmp_path / "cache", dtype=dtype)
    assert loaded._dtype_name == name
    assert embmap.load(tmp_path / "v.txt", cache_dir=tmp_path / "cache", dtype=name).path == loaded.path


@pytest.mark.parametrize("dtype", ["float64", float, np.float64, "f8", torch.float64, "half precision", None, 4])
def test_other_types_are_an_error_that_lists_the_four(tmp_path, dtype):
    with pytest.raises(ValueError, match='dtype must be one of "float32", "float16", "bfloat16", "int8", not '):
        embmap.write(tmp_path / "w", ["a"], [[1]], dtype=dtype)


BAD = {
    "a repeated word": (["a", "b", "a"], np.eye(3), ValueError, 'row 2, "a": .* was there before, as row 0'),
    "an empty word": (["a", "", "b"], np.eye(3), ValueError, 'row 1, "": the word is empty'),
    "a lone surrogate": (["a", "\udc80", "b"], np.eye(3), ValueError, "row 1, .* lone surrogate"),
    "a word that is none": (["a", 7, "b"], np.eye(3), TypeError, "expected str, found int at position 1"),
    "bytes": (["a", b"b", "c"], np.eye(3), TypeError, "expected str, found bytes at position 1"),
    "one str": ("abc", np.eye(3), TypeError, r"expected words, found one str; pass \[word\]"),
    "NaN": (["a", "b"], [[0, 1], [np.nan, 1]], ValueError, 'row 1, "b": number 1 of 2, NaN, is not finite'),
    "infinity": (["a", "b"], [[0, -np.inf], [0, 1]], ValueError, 'row 0, "a": number 2 of 2, -inf, is not finite'),
    "too large": (
        ["a", "b"],
        [[0, 1], [0, 1e39]],
        ValueError,
        r"row 1: number 2 of 2, 1e\+39, is too large for float32",
    ),
    "too few words": (["a"], np.eye(3), ValueError, "1 words, but vectors for 3"),
    "one row": (["a"], np.ones(3), ValueError, r"the shape \(rows, dim\), found \(3,\)"),
    "a cube": (["a"], np.ones((1, 2, 3)), ValueError, r"found \(1, 2, 3\)"),
    "no columns": (["a"], np.ones((1, 0)), ValueError, "at least one number a row"),
    "nothing": ([], [], ValueError, r"found \(0,\)"),
    "complex numbers": (["a"], [[1j]], TypeError, "real numbers, found complex128"),
    "objects": (["a"], np.array([[None]]), TypeError, "real numbers, found object"),
    "texts": (["a"], [["1"]], TypeError, "real numbers, found <U1"),
}


@pytest.mark.parametrize(("words", "vectors", "kind", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_stored_is_an_error_that_leaves_nothing(tmp_path, words, vectors, kind, message):
    with pytest.raises(kind, match=message):
        embmap.write(tmp_path / "w", words, vectors)
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_row_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(_write, "_BLOCK", 6 * 10)
    rows = ROWS.astype(np.float64)
    for value, message in [(np.nan, "row 123, .*NaN"), (1e39, "row 123: .*1e\\+39")]:
        rows[123, 4] = value
        with pytest.raises(ValueError, match=message):
            embmap.write(tmp_path / "w", WORDS, rows)
        with pytest.raises(ValueError, match=message):
            write_batches(tmp_path / "w", rows)
    with pytest.raises(TypeError, match="found NoneType at position 400"):
        embmap.write(tmp_path / "w", [*WORDS[:400], None, *WORDS[401:]], ROWS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("duplicates", ["first", "last"])
def test_rows_whose_word_comes_again_are_checked_too(tmp_path, duplicates):
    for words, vectors in [
        (["a", "a"], [[1], [np.nan]]),
        (["a", "a"], [[np.nan], [1]]),
        (["b", "a", "a"], [[1], [2], [np.nan]]),
    ]:
        with pytest.raises(ValueError, match="NaN, is not finite"):
            embmap.write(tmp_path / "w", words, vectors, duplicates=duplicates)


@pytest.mark.parametrize(("dtype", "number"), [("float16", 65520.0), ("bfloat16", 3.4e38)])
def test_a_number_that_the_type_cannot_hold_is_an_error(tmp_path, dtype, number):
    with pytest.raises(ValueError, match=f'row 1, "b": number 2 of 2, .* is too large for {dtype}'):
        embmap.write(tmp_path / "w", ["a", "b"], [[1, 2], [3, number]], dtype=dtype)
    embmap.write(tmp_path / "w", ["a", "b"], [[1, 2], [3, number]], dtype=dtype, normalize=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [({"dtype": "float64"}, "dtype must be one of"), ({"duplicates": "skip"}, "duplicates must be one of")],
)
def test_choices_are_checked(tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        embmap.write(tmp_path / "w", ["a"], [[1]], **option)
    with pytest.raises(ValueError, match="dim must be positive"):
        embmap.Writer(tmp_path / "w", 0)


def test_the_report_reads_well(tmp_path):
    text = str(embmap.write(tmp_path / "w", ["a", "b", "a"], np.eye(3), duplicates="first"))
    assert "2 words of 3 float32" in text
    assert "1 duplicate words" in text


def test_progress_counts_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_write, "_BLOCK", 6 * 200)
    seen = []
    embmap.write(tmp_path / "w", WORDS, ROWS, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(200, 500), (400, 500), (500, 500)]
    embmap.write(tmp_path / "w", WORDS, ROWS, progress=True)
    assert "100%" in capsys.readouterr().err


@replaces_mapped
def test_a_store_may_be_written_over_while_it_is_read(tmp_path):
    store = store_of(tmp_path, SMALL)
    before = store.vectors.copy()
    embmap.write(store.path, store.words, store.vectors[:, ::-1])
    assert np.array_equal(store.vectors, before)
    assert np.array_equal(embmap.open(store.path).vectors, before[:, ::-1])


# All or nothing


@pytest.fixture
def old(tmp_path):
    convert_text(tmp_path, SMALL)
    (tmp_path / "v.txt").unlink()
    target = tmp_path / "v.embmap"
    return target, target.read_bytes()


def test_an_exception_in_the_with_statement_leaves_the_old_file(tmp_path, old):
    target, before = old
    writer = embmap.Writer(target, 6)

    def fail():
        with writer:
            writer.write(WORDS, ROWS)
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fail()
    assert writer.report is None
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_an_exception_in_the_progress_callable_leaves_the_old_file(tmp_path, old):
    target, before = old

    def progress(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        embmap.write(target, WORDS, ROWS, progress=progress)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_batch_that_failed_is_not_forgotten(tmp_path, old):
    target, before = old

    def write_and_go_on(bad):
        with embmap.Writer(target, 6) as writer:
            writer.write(WORDS, ROWS)
            with contextlib.suppress(ValueError, TypeError):
                writer.write(["more"], bad)
            assert not writer._whole

    for bad in ([[np.nan] * 6], [["x"] * 6]):
        with pytest.raises(ValueError, match="not written whole"):
            write_and_go_on(bad)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_batch_of_the_wrong_shape_does_no_harm(tmp_path):
    with embmap.Writer(tmp_path / "w", 6) as writer:
        for words, vectors in ((["a"], np.ones((1, 5))), (["a", "b"], np.ones((1, 6))), (["a"], np.ones(6))):
            with pytest.raises(ValueError, match=r"numbers a row|vectors for 1|shape"):
                writer.write(words, vectors)
        writer.write(WORDS, ROWS)
    assert list(embmap.open(tmp_path / "w")) == WORDS


def test_a_writer_writes_inside_of_its_with_statement_and_once(tmp_path):
    writer = embmap.Writer(tmp_path / "w", 6)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="outside of a with statement"):
        writer.write(WORDS, ROWS)
    with writer:
        writer.write(WORDS, ROWS)
    with pytest.raises(ValueError, match="outside of a with statement"):
        writer.write(["more"], ROWS[:1])
    with pytest.raises(ValueError, match="make another"), writer:
        pass
    assert len(embmap.open(tmp_path / "w")) == 500


def test_of_two_writers_to_one_target_the_last_to_end_wins_whole(tmp_path):
    with embmap.Writer(tmp_path / "w", 6) as first:
        with embmap.Writer(tmp_path / "w", 6) as second:
            first.write(WORDS[:100], ROWS[:100])
            second.write(WORDS[:200], ROWS[:200])
            first.write(WORDS[100:300], ROWS[100:300])
        assert len(embmap.open(tmp_path / "w")) == 200
    store = embmap.open(tmp_path / "w")
    store.verify()
    assert len(store) == 300
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_threads_may_share_a_writer(tmp_path):
    with embmap.Writer(tmp_path / "w", 6) as writer:

        def work(i):
            for start in range(0, 500, 50):
                writer.write([f"{i}-{word}" for word in WORDS[start : start + 50]], ROWS[start : start + 50] + i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    store = embmap.open(tmp_path / "w")
    store.verify()
    assert len(store) == 2000
    for i in range(4):
        assert np.array_equal(store.lookup([f"{i}-{word}" for word in WORDS]), ROWS + np.float32(i))


def test_a_writer_that_is_let_go_leaves_nothing(tmp_path):
    writer = embmap.Writer(tmp_path / "w", 6).__enter__()
    writer.write(WORDS, ROWS)
    # Where the system makes files without names, there is none to be seen.
    assert len(list(tmp_path.iterdir())) <= 1
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_the_old_file(tmp_path, old):
    target, before = old
    code = f"""
import embmap, numpy as np, os, signal
with embmap.Writer({str(target)!r}, 6) as writer:
    writer.write([str(i) for i in range(10_000)], np.ones((10_000, 6)))
    # To Windows any signal is the end of the process.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode in (-9, 15)
    assert target.read_bytes() == before


def test_ctrl_c_while_writing_leaves_nothing(tmp_path):
    code = f"""
import embmap, numpy as np, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
words = [str(i) for i in range(100_000)]
def press(done, total):
    signal.raise_signal(signal.SIGINT)
try:
    embmap.write({str(tmp_path / "w")!r}, words, np.ones((100_000, 100), np.float32), progress=press)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "stopped\n"
    assert list(tmp_path.iterdir()) == []


@limits_files
def test_a_full_disk_is_an_error_that_leaves_the_old_file(tmp_path, old):
    target, before = old
    code = f"""
import embmap, numpy as np, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    embmap.write({str(target)!r}, [str(i) for i in range(10_000)], np.ones((10_000, 100)))
except OSError as error:
    print(error.errno, error.filename)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"27 {target}\n"
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        embmap.write(tmp_path / "closed" / "w", ["a"], [[1]])


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        embmap.write(tmp_path / "nowhere" / "w", ["a"], [[1]])


@reads_proc
def test_memory_is_bounded(tmp_path):
    """The array is 144 MB of float64, mapped from a file; writing it takes a fraction of that beyond the pages mapped."""
    code = f"""
import re, embmap, numpy as np
def private():
    status = open("/proc/self/status").read()
    return int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]) / 1024
array = np.lib.format.open_memmap({str(tmp_path / "v.npy")!r}, "w+", np.float64, (60_000, 300))
array[:] = 0.5
array.flush()
array = np.load({str(tmp_path / "v.npy")!r}, mmap_mode="r")
words = [f"w{{i}}" for i in range(60_000)]
before, seen = private(), []
embmap.write({str(tmp_path / "w")!r}, words, array, progress=lambda *_: seen.append(private()))
print(max(seen) - before, len(seen))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    extra, blocks = map(float, done.stdout.split())
    assert blocks > 3
    assert extra < 60


def test_masked_numbers_are_no_numbers(tmp_path):
    masked = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, False], [True, False]])
    with pytest.raises(ValueError, match="masked numbers"):
        embmap.write(tmp_path / "v.embmap", ["a", "b"], masked)
    embmap.write(tmp_path / "v.embmap", ["a"], masked[:1])
    assert embmap.open(tmp_path / "v.embmap")["a"].tolist() == [1, 2]
