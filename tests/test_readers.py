"""Sources that Python's libraries read: numbers and words apart, tables, files of spaCy, gensim, PyTorch and their like."""

import importlib.util
import io
import json
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz_readers import FUZZED, mutated
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_samples import NUMBERS, ROWS, WORDS, samples

import embmap

KINDS = [
    *NUMBERS,
    *(
        "words.npz",
        "json",
        "dict.pkl",
        "polyglot.pkl",
        "jsonl",
        "spacy",
        "parquet",
        "feather",
        "arrow",
        "base64",
        "folder",
    ),
    *("kv", "apart.kv", "pandas.h5"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("samples"))


def rows_of(store):
    return store.take(np.arange(len(store)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_in_one_call(made, tmp_path, kind):
    if kind not in made:
        pytest.skip("a package is missing")
    options = {"words": WORDS} if kind in NUMBERS else {}
    report = embmap.convert(made[kind], tmp_path / "v.embmap", **options)
    assert (report.rows, report.dim, report.rejected) == (4, 3, 0)
    expected = ROWS if kind != "bfloat16" else ((ROWS.view(np.uint32) >> 16) << 16).view(np.float32)
    with embmap.open(report.path) as store:
        assert list(store) == WORDS
        assert np.array_equal(rows_of(store).view(np.uint32), expected.view(np.uint32))
        assert store.metadata["source"]["name"] == made[kind].name
        store.verify()
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    options = {"words": tmp_path / "words.txt"} if options else {}
    loaded = embmap.load(made[kind], cache_dir=tmp_path / "cache", **options)
    assert list(loaded) == WORDS
    assert embmap.load(made[kind], cache_dir=tmp_path / "cache", **options).path == loaded.path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_split(made, tmp_path, kind):
    if kind not in made:
        pytest.skip("a package is missing")
    options = {"words": iter(WORDS)} if kind in NUMBERS else {}
    seen = []
    report = embmap.convert(made[kind], tmp_path / "many", shards=3, progress=lambda *now: seen.append(now), **options)
    assert (report.rows, report.dim, report.rejected) == (4, 3, 0)
    options = {"words": WORDS} if options else {}
    one = embmap.open(embmap.convert(made[kind], tmp_path / "v.embmap", **options).path)
    with embmap.open(tmp_path / "many") as many:
        assert len(many.shards) == 3
        assert sorted(many) == sorted(WORDS)
        assert np.array_equal(many.lookup(WORDS), one.lookup(WORDS))
        assert many.metadata["source"] == one.metadata["source"]
        many.verify()
    assert seen[-1][0] == seen[-1][1] or seen[-1][1] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "v.embmap"]


def test_what_is_split_is_counted_once(tmp_path):
    rows = np.arange(60, dtype="f4").reshape(20, 3)
    rows[3, 1] = np.nan
    np.save(tmp_path / "v.npy", rows)
    words = [f"w{i}" for i in range(20)]
    words[5], words[7], words[8] = "w4", "", " w8"
    with pytest.raises(embmap.ParseError, match="row 4: expected a finite number"):
        embmap.convert(tmp_path / "v.npy", tmp_path / "many", words=words, shards=4)
    options = {"words": words, "on_bad_row": "skip"}
    for more in ({}, {"keep": [*words[2:10], "none"]}):
        one = embmap.convert(tmp_path / "v.npy", tmp_path / "v.embmap", **options, **more)
        many = embmap.convert(tmp_path / "v.npy", tmp_path / f"many{len(more)}", shards=4, **options, **more)
        for name in ("rows", "rejected", "rejected_by", "rejected_rows", "duplicates", "words_with_padding"):
            assert getattr(one, name) == getattr(many, name), name
        assert one.words_not_found == many.words_not_found
        with embmap.open(many.path) as store, embmap.open(one.path) as whole:
            assert np.array_equal(store.lookup(list(whole)), rows_of(whole))
            assert store.metadata["conversion"] == whole.metadata["conversion"]
    with pytest.raises(embmap.ParseError, match="none of the 1 words to keep is in the source"):
        embmap.convert(tmp_path / "v.npy", tmp_path / "none", shards=4, keep=["none"], **options)


@pytest.mark.parametrize("kind", [kind for kind in NUMBERS if kind not in ("fvecs", "fbin", "tsv", "csv")])
def test_numbers_without_words_say_what_to_do(made, tmp_path, kind):
    if kind not in made:
        pytest.skip("a package is missing")
    with pytest.raises(
        embmap.ParseError, match=r"numbers without their words|archive of NumPy|safetensors.*model's folder"
    ):
        embmap.convert(made[kind], tmp_path / "v.embmap")


def test_rows_of_libraries_for_neighbours_are_named_by_number(made, tmp_path):
    for kind in ("fvecs", "fbin"):
        with embmap.open(embmap.convert(made[kind], tmp_path / "v.embmap").path) as store:
            assert list(store) == ["0", "1", "2", "3"]
    small = (ROWS[:3] * 0 + [1, 2, 250]).astype(np.uint8)
    (tmp_path / "v.u8bin").write_bytes(struct.pack("<II", 3, 3) + small.tobytes())
    (tmp_path / "v.bvecs").write_bytes(b"".join(struct.pack("<i", 3) + row.tobytes() for row in small))
    for name in ("v.u8bin", "v.bvecs"):
        with embmap.open(embmap.convert(tmp_path / name, tmp_path / "w.embmap").path) as store:
            assert np.array_equal(rows_of(store), small)


def test_plain_numbers_need_their_dimension(tmp_path):
    ROWS.tofile(tmp_path / "v.f32")
    report = embmap.convert(tmp_path / "v.f32", words=WORDS, format="raw", dim=3)
    assert report.path == tmp_path / "v.f32.embmap"
    for wrong, said in ((None, "dim= does"), (5, "no rows of 5")):
        with pytest.raises(embmap.ParseError, match=said):
            embmap.convert(tmp_path / "v.f32", words=WORDS, format="raw", dim=wrong)


LISTS = {
    "words.txt": "king\nqueen\nnew york\nstraße\n",
    "windows.txt": "king\r\nqueen\r\nnew york\r\nstraße\r\n",
    "no-end.txt": "king\nqueen\nnew york\nstraße",
    "list.json": json.dumps(WORDS),
    "rows.json": json.dumps({word: i for i, word in reversed(list(enumerate(WORDS)))}),
    "by-row.json": json.dumps(dict(enumerate(WORDS))),
    "tokenizer.json": json.dumps(
        {
            "model": {"vocab": {"king": 0, "queen": 1}},
            "added_tokens": [{"id": 2, "content": "new york"}, {"id": 3, "content": "straße"}],
        }
    ),
    "unigram.json": json.dumps({"model": {"vocab": [[word, -1.5] for word in WORDS]}}),
    "metadata.tsv": "word\tcount\n" + "".join(f"{word}\t{9 - i}\n" for i, word in enumerate(WORDS)),
    "columns.tsv": "".join(f"{word}\t{9 - i}\n" for i, word in enumerate(WORDS)),
    "entities.dict": "".join(f"{i}\t{word}\n" for i, word in enumerate(WORDS)),
    "shuffled.tsv": "".join(f"{WORDS[i]}\t{i}\n" for i in (2, 0, 3, 1)),
}


@pytest.mark.parametrize("name", LISTS)
def test_words_come_in_any_list(made, tmp_path, name):
    (tmp_path / name).write_text(LISTS[name], encoding="utf-8", newline="")
    with embmap.open(embmap.convert(made["npy"], tmp_path / "v.embmap", words=tmp_path / name).path) as store:
        assert list(store) == WORDS


def test_words_come_as_python_has_them(made, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pyarrow.parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2, 3, 4], "token": WORDS}), tmp_path / "w.parquet")
    forms = [
        WORDS,
        tuple(WORDS),
        np.array(WORDS),
        {word: i for i, word in enumerate(WORDS)},
        pyarrow.array(WORDS),
        str(tmp_path / "w.parquet"),
    ]
    for words in forms:
        report = embmap.convert(made["npy"], tmp_path / "v.embmap", words=words)
        with embmap.open(report.path) as store:
            assert list(store) == WORDS
    with pytest.raises(TypeError, match="the words in a file"):
        embmap.load(made["npy"], words=WORDS, cache_dir=tmp_path)


def test_a_word_list_with_counts(made, tmp_path):
    (tmp_path / "vocab.txt").write_text("a 9\nb 7\nc 2\nd 1\n")
    with embmap.open(embmap.convert(made["npy"], tmp_path / "v.embmap", words=tmp_path / "vocab.txt").path) as store:
        assert list(store) == ["a", "b", "c", "d"]
    names = "id\tname\n" + "".join(f"Q{i}\t{word}\n" for i, word in enumerate(WORDS))
    (tmp_path / "names.tsv").write_text(names, encoding="utf-8")
    for column in ("name", "1"):
        report = embmap.convert(made["npy"], tmp_path / "v.embmap", words=tmp_path / "names.tsv", word_column=column)
        with embmap.open(report.path) as store:
            assert list(store) == WORDS
    with pytest.raises(embmap.ParseError, match="no column 'x': there are 'id', 'name'"):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=tmp_path / "names.tsv", word_column="x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\nb\n", "4 rows of 3, but 2 words in words: they belong to another file"),
        ('{"a": 0, "b": 0, "c": 2, "d": 3}', "row 0 has two words, 'a' and 'b'"),
        ('{"a": 9}', "'a' has row 9"),
        ('{"a": [1]}', "expected a JSON list of words"),
        ('{"model": {"vocab": 5}}', "tokens and their ids: it is damaged"),
        ('{"model": {"vocab": [[[1], 2]]}}', "tokens and their ids: it is damaged"),
        ('{"model": {"vocab": {}}, "added_tokens": [{"id": 0, "content": []}]}', "tokens and their ids: it is damaged"),
        (b"a\nb\xff\nc\nd\n", "not utf-8 at byte 3: encoding="),
    ],
)
def test_words_that_do_not_fit_say_why(made, tmp_path, content, said):
    (tmp_path / "words").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(embmap.ParseError, match=said):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=tmp_path / "words")
    assert not (tmp_path / "v.embmap").exists()


def test_options_mean_what_they_mean_for_text(made, tmp_path):
    report = embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, keep=["queen", "none"], dtype="float16")
    assert (report.rows, report.dtype, report.words_not_found) == (1, "float16", 1)
    report = embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, limit=2, normalize=True, screen=True)
    assert (report.rows, report.words_with_blanks) == (2, 0)
    assert np.allclose(np.linalg.norm(rows_of(embmap.open(report.path)), axis=1), 1)
    report = embmap.convert(made["npy"], tmp_path / "v.embmap", words=["a", "b", "a", " c"], metadata={"x": 1})
    assert (report.duplicates, report.words_with_padding) == (1, 1)
    metadata = embmap.open(report.path).metadata
    assert metadata["conversion"] == {"duplicates": 1, "words_with_padding": 1}
    assert metadata["x"] == 1
    assert metadata["source"]["bytes"] == made["npy"].stat().st_size == report.bytes_read
    with pytest.raises(embmap.ParseError, match='the word "a" was there before'):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=["a", "b", "a", "c"], duplicates="error")
    with pytest.raises(embmap.ParseError, match="expected 5 numbers a row, found 3"):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, dim=5)
    with pytest.raises(ValueError, match="separator cannot change how a source of the kind 'numpy' is read"):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, shards=2, separator=" ")
    with pytest.raises(embmap.ParseError, match="none of the words to keep"):
        embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, keep=["KING"])
    seen = []
    embmap.convert(made["npy"], tmp_path / "v.embmap", words=WORDS, progress=lambda *now: seen.append(now))
    assert seen[-1] == (4, 4)


@pytest.mark.parametrize("kind", ["parquet", "dict.pkl", "spacy", "jsonl"])
def test_what_has_words_of_its_own_takes_no_others(made, tmp_path, kind):
    if kind not in made:
        pytest.skip("a package is missing")
    with pytest.raises(embmap.ParseError, match="its words are its own: leave it out"):
        embmap.convert(made[kind], tmp_path / "v.embmap", words=WORDS)


def test_a_row_that_cannot_be_stored_is_named(tmp_path):
    rows = ROWS.astype("f8")
    rows[1, 2], rows[3, 0] = np.nan, 1e300
    np.save(tmp_path / "v.npy", rows)
    with pytest.raises(embmap.ParseError, match="row 2: expected a finite number, found nan as number 3") as raised:
        embmap.convert(tmp_path / "v.npy", words=WORDS)
    assert (raised.value.unit, raised.value.line) == ("row", 2)
    report = embmap.convert(tmp_path / "v.npy", words=["", *WORDS[1:]], on_bad_row="skip")
    assert report.rejected_by["not_finite"] == 2
    assert report.rejected_by["empty_word"] == 1
    assert "too large for float32" in str(report)
    (tmp_path / "w.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    rows[1, 2], rows[3, 0] = 70_000, 65_519
    np.save(tmp_path / "half.npy", rows)
    with pytest.raises(embmap.ParseError, match=r"row 2: .* found 70000.0 as number 3, which is too large for float16"):
        embmap.convert(tmp_path / "half.npy", words=WORDS, dtype="float16")
    report = embmap.convert(tmp_path / "half.npy", words=WORDS, dtype="float16", on_bad_row="skip")
    assert (report.rows, report.rejected) == (3, 1)
    assert embmap.convert(tmp_path / "half.npy", words=WORDS).rows == 4
    assert embmap.convert(tmp_path / "half.npy", words=WORDS, dtype="float16", normalize=True).rows == 4
    with pytest.warns(embmap.ConversionWarning, match="2 rows could not be read"):
        embmap.load(tmp_path / "v.npy", words=tmp_path / "w.txt", on_bad_row="skip", cache_dir=tmp_path / "c")


def test_what_is_exported_comes_back(tmp_path):
    words = ["king", "a\nb", '"', "\x85", "straße", " "]
    rows = np.random.default_rng(0).normal(size=(6, 5)).astype("f4")
    for dtype in ("float32", "float16"):
        embmap.write(tmp_path / "v.embmap", words, rows, dtype=dtype)
        with embmap.open(tmp_path / "v.embmap") as store:
            for suffix in ("safetensors", "parquet", "arrow", "feather"):
                store.export(tmp_path / f"out.{suffix}")
                for again in (
                    embmap.open(embmap.convert(tmp_path / f"out.{suffix}", tmp_path / "w.embmap", dtype=dtype).path),
                    embmap.load(tmp_path / f"out.{suffix}", dtype=dtype, cache_dir=tmp_path / "cache"),
                ):
                    assert list(again) == words
                    assert np.array_equal(rows_of(again), rows_of(store))


@pytest.mark.parametrize("command", ["os.system", "builtins.eval", "subprocess.Popen", "embmap.convert"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_would_run_something_is_refused_by_its_opcode(tmp_path, command, protocol):
    module, _, name = command.rpartition(".")

    class Trap:
        def __reduce__(self):
            return getattr(__import__(module), name), (f"touch {tmp_path}/pwned",)

    (tmp_path / "v.kv").write_bytes(pickle.dumps({"a": Trap()}, protocol))
    with pytest.raises(
        embmap.ParseError, match=rf"REDUCE at byte \d+ would call .*{name}: embmap reads data and runs nothing"
    ):
        embmap.convert(tmp_path / "v.kv")
    assert not (tmp_path / "pwned").exists()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(Trap(), protocol))
        archive.writestr("m/data/0", bytes(8))
    (tmp_path / "m.pt").write_bytes(out.getvalue())
    with pytest.raises(embmap.ParseError, match=rf"would call .*{name}"):
        embmap.convert(tmp_path / "m.pt", words=["a"])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (b"\x80\x02cos\nsystem\n(S'touch x'\ntR.", "REDUCE at byte 26 would call os.system"),
        (b"\x80\x02(S'touch x'\nios\nsystem\n.", "INST at byte .* would make an object of a class"),
        (b"\x80\x02(cos\nsystem\nS'touch x'\no.", "OBJ at byte .* would make an object of a class"),
        (b"\x80\x02cos\nsystem\n)\x81.", "NEWOBJ at byte .* would make an object of os.system"),
        (b"\x80\x04\x82\x01.", "EXT1 at byte .* would do something"),
        (b"\x80\x02X\x01\0\0\0aQ.", "BINPERSID at byte .* would do something"),
        (b"\x80\x05\x97.", "NEXT_BUFFER at byte .* would read a buffer"),
        (b"\x80\x02]X\x01\0\0\0ab.", "BUILD at byte .* would change what is a list"),
        (b"\x80\x02cnumpy\nload\nU\x01x\x85R.", "would call numpy.load"),
        (b"\x80\x02K\x01.", "a Python pickle without words and vectors"),
        (b"\x80\x02" + b"]" * 50_000, "damaged"),
        (b"\x80\x02\xff.", "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02R.", "damaged"),
    ],
)
def test_opcodes_that_are_no_data_are_refused_by_name(tmp_path, code, said):
    (tmp_path / "v.pkl").write_bytes(code)
    with pytest.raises(embmap.ParseError, match=said):
        embmap.convert(tmp_path / "v.pkl")


def test_every_opcode_of_python_is_known_or_refused():
    from embmap._ingest.readers import pickles

    text = Path(pickles.__file__).read_text(encoding="utf-8")
    refused = {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}
    for opcode in pickletools.opcodes:
        assert opcode.name in refused or f'"{opcode.name}"' in text, opcode.name


def test_models_of_gensim(tmp_path):
    models = pytest.importorskip("gensim.models")
    for separate in (10**9, 0):
        model = models.Word2Vec([WORDS * 5], vector_size=5, min_count=1)
        model.save(str(tmp_path / "w2v.model"), sep_limit=separate)
        with embmap.open(embmap.convert(tmp_path / "w2v.model").path) as store:
            assert list(store) == model.wv.index_to_key
            assert np.array_equal(rows_of(store), model.wv.vectors)
    keyed = models.KeyedVectors(2)
    keyed.add_vectors(["a"], [[1, 2]])
    keyed.save(str(tmp_path / "v.kv"), sep_limit=0)
    (tmp_path / "v.kv.vectors.npy").unlink()
    with pytest.raises(embmap.ParseError, match=r"v\.kv\.vectors\.npy, which is missing"):
        embmap.convert(tmp_path / "v.kv")


def test_fasttext_models_of_gensim(tmp_path):
    """What gensim makes of them when it loads them: rows of words, and vectors of unseen words."""
    models = pytest.importorskip("gensim.models")
    words = [*WORDS, "</s>", "a"]
    model = models.FastText([words * 5], vector_size=5, min_count=1, bucket=50)
    model.save(str(tmp_path / "one.model"))
    model.save(str(tmp_path / "apart.model"), sep_limit=0)
    model.wv.save(str(tmp_path / "ft.kv"))
    for name in ("one.model", "apart.model", "ft.kv"):
        with embmap.load(tmp_path / name, cache_dir=tmp_path) as store:
            assert list(store) == model.wv.index_to_key
            assert np.array_equal(rows_of(store), model.wv.vectors)
            unseen = np.array([model.wv[word] for word in ("kingdom", "straßen")])
            # gensim divides where fastText multiplies by a quotient.
            np.testing.assert_allclose(store.lookup(["kingdom", "straßen"], oov="subword"), unseen, rtol=3e-7)
    # What is stored is what gensim gives, and not made anew.
    model.wv.unit_normalize_all()
    with (tmp_path / "unit.kv").open("wb") as file:
        pickle.dump(model.wv, file)
    with embmap.open(embmap.convert(tmp_path / "unit.kv").path) as store:
        assert np.array_equal(rows_of(store), model.wv.vectors)
    models.FastText([words * 5], vector_size=5, min_count=1, max_n=0).save(str(tmp_path / "none.model"))
    with embmap.open(embmap.convert(tmp_path / "none.model").path) as store:
        assert np.array_equal(rows_of(store), models.FastText.load(str(tmp_path / "none.model")).wv.vectors)
        with pytest.raises(ValueError, match="n-grams; this has none"):
            store.lookup(["kingdom"], oov="subword")


def test_what_is_wrong_with_fasttext_models_of_gensim_is_said(tmp_path):
    models = pytest.importorskip("gensim.models")
    for i, (name, value, said) in enumerate(
        (
            ("compatible_hash", False, "hashed as gensim before 3.8 did"),
            ("bucket", 51, "they do not belong together"),
            ("max_n", 300, "n-grams of up to 300 characters"),
            ("min_n", "3", "expected min_n, max_n and bucket"),
        )
    ):
        model = models.FastText([WORDS * 5], vector_size=5, min_count=1, bucket=50)
        setattr(model.wv, name, value)
        model.save(str(tmp_path / f"{i}.model"))
        with pytest.raises(embmap.ParseError, match=said):
            embmap.convert(tmp_path / f"{i}.model")


def test_words_that_are_not_utf8_and_words_that_come_again_are_named(tmp_path):
    np.savez(tmp_path / "v.npz", words=np.array([b"caf\xe9", b"b"]), vectors=np.ones((2, 3)))
    with pytest.raises(embmap.ParseError, match=r"the word b'caf\\xe9' is not UTF-8"):
        embmap.convert(tmp_path / "v.npz")
    np.save(tmp_path / "v.npy", np.ones((3, 2)))
    with pytest.raises(embmap.ParseError, match=r'v\.npy: the word "a": ') as raised:
        embmap.convert(tmp_path / "v.npy", words=["a", "b", "a"], duplicates="error")
    assert raised.value.unit == "file"


def test_checkpoints_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    table = torch.from_numpy(ROWS)
    state = {
        "a.weight": table,
        "b.weight": table[:, :2],
        "half.weight": table[:2].half(),
        "bfloat.weight": table[:2].bfloat16(),
    }
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(embmap.ParseError, match=r"a.weight \(4 x 3\), b.weight \(4 x 2\).*member="):
        embmap.convert(tmp_path / "m.pt", words=WORDS)
    with pytest.raises(embmap.ParseError, match=r"save tensor.contiguous\(\)"):
        embmap.convert(tmp_path / "m.pt", words=WORDS, member="b.weight")
    for name in ("half.weight", "bfloat.weight"):
        with embmap.open(embmap.convert(tmp_path / "m.pt", words=WORDS[:2], member=name).path) as store:
            assert np.array_equal(rows_of(store), state[name].float().numpy())
    torch.save(torch.nn.Embedding.from_pretrained(table).state_dict(), tmp_path / "m.pt")
    assert embmap.convert(tmp_path / "m.pt", words=WORDS).rows == 4
    torch.save(torch.nn.Parameter(table), tmp_path / "m.pt")
    assert embmap.convert(tmp_path / "m.pt", words=WORDS).rows == 4


def test_a_table_says_which_columns_it_has(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def table(**columns):
        parquet.write_table(pyarrow.table(columns), tmp_path / "v.parquet")
        return tmp_path / "v.parquet"

    two = {"left": ["a"], "right": ["b"], "vector": [[1.0]]}
    with pytest.raises(embmap.ParseError, match=r"without one column of text: word_column= names it; .*left"):
        embmap.convert(table(**two))
    assert list(embmap.open(embmap.convert(table(**two), word_column="right").path)) == ["b"]
    with pytest.raises(embmap.ParseError, match="no column 'x'"):
        embmap.convert(table(**two), word_column="left", vector_column="x")
    for bad, said in (
        ({"word": ["a", None], "vector": [[1.0], [2.0]]}, "row 2 has no word"),
        ({"word": ["a", "b"], "vector": [[1.0], None]}, "row 2 has no vector"),
        ({"word": ["a", "b"], "vector": [[1.0], [2.0, 3.0]]}, "row 2 has 2 numbers, the first has 1"),
        ({"word": ["a", "b"], "vector": [[1.0], [None]]}, "a number is missing"),
        ({"word": ["a"], "vector": ["?"]}, "row 1: expected float32 numbers in base64"),
        ({"word": ["a"], "vector": [1.5]}, "expected lists of numbers"),
    ):
        with pytest.raises(embmap.ParseError, match=said):
            embmap.convert(table(**bad))
    (tmp_path / "v.txt").write_text("a 1 2\n")
    with pytest.raises(ValueError, match="no Parquet, Arrow or JSON-lines table"):
        embmap.convert(tmp_path / "v.txt", word_column="word")


def test_a_data_frame_has_a_column_for_each_number(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    words = [f"w{i}" for i in range(len(rows))]
    named = pandas.DataFrame(rows, index=words, columns=["d0", "d1", "d2"])
    beside = named.reset_index(names="word")
    for frame in (named, beside, beside.iloc[::-1].iloc[::-1].set_index(np.arange(len(rows))[::-1])):
        frame.to_parquet(tmp_path / "v.parquet")
        with embmap.open(embmap.convert(tmp_path / "v.parquet").path) as store:
            assert list(store) == words
            np.testing.assert_array_equal(store.vectors, rows)
    beside.to_json(tmp_path / "v.jsonl", orient="records", lines=True, double_precision=15)
    with embmap.open(embmap.convert(tmp_path / "v.jsonl").path) as store:
        np.testing.assert_allclose(store.vectors, rows, rtol=1e-6)
    for other, reason in (
        (beside.assign(n=1), "or floats in all columns"),
        (beside.assign(n=1.0), "or floats"),
        (beside.drop(columns=["d0", "d1"]), "or floats"),
    ):
        other.to_parquet(tmp_path / "v.parquet")
        with pytest.raises(embmap.ParseError, match=reason):
            embmap.convert(tmp_path / "v.parquet")
    beside.loc[7, "d1"] = None
    beside.astype({"d1": "Float32"}).to_parquet(tmp_path / "v.parquet")
    with pytest.raises(embmap.ParseError, match="row 8 lacks a number"):
        embmap.convert(tmp_path / "v.parquet")


def test_a_folder_of_spacy(made, tmp_path):
    for path in (made["spacy"], made["spacy"] / "vocab"):
        with embmap.open(embmap.convert(path, tmp_path / "v.embmap").path) as store:
            assert list(store) == WORDS


@pytest.mark.real
def test_the_vectors_of_a_real_pipeline(tmp_path):
    """What the package ja-ginza ships, against a reading of the same files by other means."""
    # It is not imported: that would need spaCy.
    package = importlib.util.find_spec("ja_ginza")
    if package is None:
        pytest.skip("ja-ginza is not installed")
    msgpack = pytest.importorskip("msgpack")
    vocab = next(Path(package.origin).parent.glob("*/vocab"))
    report = embmap.convert(vocab, tmp_path / "v.embmap")
    key_to_row = msgpack.unpackb((vocab / "key2row").read_bytes(), strict_map_key=False)
    table = np.load(vocab / "vectors")
    with embmap.open(report.path) as store:
        words = store.words[::1000]
        keys = embmap._embmap.spacy_keys(words).tolist()
        expected = table[[key_to_row[key] for key in keys]]
        assert np.array_equal(store.lookup(words), expected)
        assert len(store) == sum(
            key in key_to_row
            for key in embmap._embmap.spacy_keys(json.loads((vocab / "strings.json").read_text())).tolist()
        )


@pytest.mark.parametrize("kind", FUZZED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_source_is_an_error_that_names_it(made, tmp_path_factory, kind, data):
    seed = data.draw(st.integers(0, 2**32))
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    mutated(made[kind], kind, folder, np.random.default_rng(seed))


def test_the_command_line_reads_them_too(made, tmp_path):
    from click.testing import CliRunner

    from embmap.cli import main

    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    arguments = [
        "convert",
        str(made["npy"]),
        str(tmp_path / "v.embmap"),
        "--words",
        str(tmp_path / "words.txt"),
        "--json",
    ]
    found = CliRunner().invoke(main, arguments)
    assert (found.exit_code, json.loads(found.output)["rows"]) == (0, 4)
    found = CliRunner().invoke(main, ["convert", str(made["npy"]), str(tmp_path / "v.embmap")])
    assert found.exit_code == 1
    assert "--words" in found.output


def test_a_text_of_numbers_is_read_in_blocks(tmp_path, monkeypatch):
    from embmap._ingest.readers import rows

    monkeypatch.setattr(rows, "BLOCK", 10)
    numbers = np.arange(400, dtype=np.float32).reshape(100, 4)
    np.savetxt(tmp_path / "vectors.tsv", numbers, delimiter="\t")
    report = embmap.convert(tmp_path / "vectors.tsv", tmp_path / "v.embmap", words=[f"w{i}" for i in range(100)])
    assert np.array_equal(rows_of(embmap.open(report.path)), numbers)
    text = (tmp_path / "vectors.tsv").read_text()
    for wrong, said in (
        (text.replace("3.96", "x", 1), "could not convert string"),
        (text + "1\t2\n", "100 words"),
        ("1 2\n3 4 5\n" + text, "could not|numbers|number of columns"),
        ("", "an empty file"),
    ):
        (tmp_path / "vectors.tsv").write_text(wrong)
        with pytest.raises(embmap.ParseError, match=said):
            embmap.convert(tmp_path / "vectors.tsv", tmp_path / "v.embmap", words=[f"w{i}" for i in range(100)])


def test_a_frame_that_pandas_wrote_by_columns_is_refused(tmp_path):
    columns = {"word": {"0": "the", "1": "river"}, "vector": {"0": [0.1, 0.2], "1": [0.3, 0.4]}}
    (tmp_path / "v.json").write_text(json.dumps(columns))
    with pytest.raises(embmap.ParseError, match="frame column by column"):
        embmap.convert(tmp_path / "v.json")
    assert list(embmap.open(embmap.convert(tmp_path / "v.json", member="vector").path)) == ["0", "1"]


def test_objects_have_their_word_and_vector_under_one_name(tmp_path):
    rows = [{"word": "a", "vector": [1, 2], "values": [9, 9]}, {"word": "b", "vector": None, "values": [8, 8]}]
    (tmp_path / "v.json").write_text(json.dumps(rows))
    with pytest.raises(embmap.ParseError, match="expected a row of numbers for 'b'"):
        embmap.convert(tmp_path / "v.json")
    (tmp_path / "v.json").write_text(
        json.dumps([{"word": "a", "vector": [1]}, {"word": 1984, "text": "b", "vector": [2]}])
    )
    with pytest.raises(embmap.ParseError, match="1 of 2 rows have no word"):
        embmap.convert(tmp_path / "v.json")


def test_a_column_with_the_name_and_another_type_may_be_meant(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"word": [7, 8], "lang": ["en", "de"], "vector": [[0.1, 0.2], [0.3, 0.4]]})
    parquet.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(embmap.ParseError, match="word_column= names it"):
        embmap.convert(tmp_path / "v.parquet")
    parquet.write_table(table.rename_columns(["word", "word", "vector"]), tmp_path / "v.parquet")
    with pytest.raises(embmap.ParseError, match="several columns 'word'"):
        embmap.convert(tmp_path / "v.parquet")


def test_lines_of_json_may_begin_with_whole_numbers(tmp_path):
    pytest.importorskip("pyarrow")
    lines = [{"word": f"w{i}", "vector": [1, 2]} for i in range(60_000)]
    lines += [{"word": "last", "vector": [0.5, 2], "new": 1}]
    (tmp_path / "v.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with embmap.open(embmap.convert(tmp_path / "v.jsonl").path) as store:
        assert (len(store), store["last"].tolist()) == (60_001, [0.5, 2])
    with (tmp_path / "v.jsonl").open("a") as file:
        file.write('{"word": "x", "vector": [0.5, "a"]}\n')
    with pytest.raises(embmap.ParseError, match="JSON lines that is damaged"):
        embmap.convert(tmp_path / "v.jsonl")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("topic 1\ntopic 2\n", "words.txt", ["topic 1", "topic 2"]),
        ("the 10\nriver 7\n", "words.txt", ["the", "river"]),
        ("0 the\n1 river bank\n", "words.txt", ["the", "river bank"]),
        ('word,count\n"new, york",5\nriver,7\n', "words.csv", ["new, york", "river"]),
        ("\tword\tcount\n0\tthe\t5\n1\triver\t7\n", "words.tsv", ["the", "river"]),
        ("id\tname\n5\tthe\n9\triver\n", "words.tsv", ["the", "river"]),
        ("2\triver\n1\tthe\n", "words.tsv", ["the", "river"]),
        ("2 river\n1 the\n", "words.txt", ["the", "river"]),
        ("the\t2\nriver\t1\n", "words.tsv", ["the", "river"]),
        ("2\t5\n1\t7\n", "words.tsv", ["2", "1"]),
        ("001\triver\n000\tthe\n", "words.tsv", ["the", "river"]),
        ("the\t1" + "0" * 5000 + "\nriver\t0\n", "words.tsv", ["the", "river"]),
    ],
)
def test_lists_of_words_are_read_as_they_are_meant(tmp_path, text, name, words):
    np.save(tmp_path / "v.npy", np.eye(2))
    (tmp_path / name).write_text(text)
    assert list(embmap.open(embmap.convert(tmp_path / "v.npy", words=tmp_path / name).path)) == words


def test_words_that_are_given_are_words_in_order(tmp_path):
    np.save(tmp_path / "v.npy", np.eye(2))
    (tmp_path / "words.txt").write_bytes(b"\xef\xbb\xbfthe\nriver\n")
    for encoding in ("utf8", "UTF-8"):
        report = embmap.convert(tmp_path / "v.npy", words=tmp_path / "words.txt", encoding=encoding)
        assert list(embmap.open(report.path)) == ["the", "river"]
    with (tmp_path / "words.txt").open(encoding="utf-8-sig") as file:
        assert list(embmap.open(embmap.convert(tmp_path / "v.npy", words=file).path)) == ["the", "river"]
    for words in (
        {"the", "river"},
        frozenset({"the"}),
        {0: "the", 1: "river"},
        {"the": 0.5},
        [1, 2],
        [b"a", b"b"],
        b"ab",
    ):
        with pytest.raises(TypeError, match="words= must be"):
            embmap.convert(tmp_path / "v.npy", words=words)


def test_labels_are_no_words(tmp_path):
    np.savez(tmp_path / "v.npz", X=np.eye(4), y=np.array(["cat", "dog", "cat", "dog"]))
    with pytest.raises(embmap.ParseError, match="numbers without their words"):
        embmap.convert(tmp_path / "v.npz")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["x"], file["language"] = np.eye(4), ["de", "en", "de", "en"]
    with pytest.raises(embmap.ParseError, match="numbers without their words"):
        embmap.convert(tmp_path / "v.h5")


def test_pickles_with_other_things_for_words_and_numbers(tmp_path):
    for content, reason in (((["a", None], np.eye(2)), "no word"), ({"a": [10**400, 1]}, "pickle")):
        (tmp_path / "v.pkl").write_bytes(pickle.dumps(content, 4))
        with pytest.raises(embmap.ParseError, match=reason):
            embmap.convert(tmp_path / "v.pkl")
