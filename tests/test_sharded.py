"""A set of vectors over several files: every answer is that of one file."""

import json
import os
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, has_pipes, store_of

import embmap
from embmap import _embmap
from embmap._reference import shard_of

WORDS = [f"w{i}" for i in range(1_000)]


def text(rows=1_000, dim=12, seed=0):
    values = np.random.default_rng(seed).normal(size=(rows, dim)).round(4)
    return "".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(values.tolist()))


@pytest.fixture(params=["float32", "float16", "bfloat16", "int8"])
def both(request, tmp_path):
    """The same vectors in one file and in five."""
    one = store_of(tmp_path, text(), dtype=request.param)
    convert_text_sharded(tmp_path, text(), dtype=request.param)
    return one, embmap.open(tmp_path / "many")


def convert_text_sharded(folder, content, shards=5, **options):
    (folder / "s.txt").write_text(content)
    return embmap.convert(folder / "s.txt", folder / "many", shards=shards, **options)


def test_words_and_rows(both):
    one, many = both
    assert isinstance(many, embmap.Store)
    assert (len(many), many.dim, many.dtype, len(many.shards)) == (1_000, 12, one.dtype, 5)
    assert sorted(many) == sorted(one)
    assert "w7" in many
    assert "nobody" not in many
    assert 3 not in many
    for word in WORDS[::50]:
        assert np.array_equal(many[word], one[word])
        assert many.word(many.index(word)) == word
    assert many.word(-1) == many.words[len(many) - 1]
    assert many.get("nobody") is None
    for wrong, error in [(lambda: many["nobody"], KeyError), (lambda: many.index("nobody"), KeyError)]:
        with pytest.raises(error, match="nobody"):
            wrong()
    for i in (1_000, -1_001):
        with pytest.raises(IndexError):
            many.word(i)


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter])
def test_look_ups(both, kind):
    one, many = both
    asked = [*WORDS[::3], "nobody", *WORDS[5::11]]
    ids = many.indices(kind(asked), missing=-7)
    assert [many.word(i) if i >= 0 else "nobody" for i in ids] == asked
    assert np.array_equal(many.lookup(kind(asked)), one.lookup(asked))
    assert np.array_equal(many.lookup(asked, oov="normal"), one.lookup(asked, oov="normal"))
    half = np.empty((len(asked), 12), np.float16)
    assert np.array_equal(many.lookup(asked, out=half), one.lookup(asked).astype(np.float16))


def test_take(both):
    one, many = both
    ids = many.indices(WORDS)
    assert np.array_equal(many.take(ids), one.take(one.indices(WORDS)))
    for wrong in ([0, 1_000], [-1]):
        with pytest.raises(IndexError, match=r"is not a row: there are 1000"):
            many.take(wrong)
    assert many.take([]).shape == (0, 12)


def test_matrices(both):
    one, many = both
    vocab = {"": 0, "w3": 1, "W4": 2, "nobody": 3}
    options = {"fallback": "lower", "oov": "fitted"}
    theirs, ours = (store.matrix(vocab, **options) for store in (one, many))
    assert np.allclose(theirs.array, ours.array, rtol=1e-6, atol=1e-6)
    assert (theirs.missing, theirs.padding_idx, theirs.coverage) == (ours.missing, ours.padding_idx, ours.coverage)
    assert np.allclose(one.statistics(), many.statistics(), rtol=1e-12)
    asked = ["W3", "w4", "nobody"]
    assert np.array_equal(one.lookup(asked, fallback="lower"), many.lookup(asked, fallback="lower"))
    assert many.indices(asked, fallback="lower", missing=-5).tolist() == [*many.indices(["w3", "w4"]), -5]


@pytest.mark.parametrize("pool", ["mean", "sum", "tfidf"])
def test_texts(both, pool):
    one, many = both
    texts = [["w1", "w2", "nobody"], [], ["nobody"], *([f"w{i}", f"w{i * 7 % 1000}", "w5"] for i in range(200))]
    assert np.allclose(many.lookup(texts, pool=pool), one.lookup(texts, pool=pool), rtol=1e-6, atol=1e-6)
    ids = many.indices_padded(texts, padding=1_000, missing=1_000)
    assert [many.word(i) for i in ids[3, :3]] == texts[3]


def nearest(store, *query, **options):
    """The words, as rows are counted differently, and their cosines."""
    ids, cosines = store.neighbors(*query, **options)
    return [store.word(i) for i in np.ravel(ids)], np.ravel(cosines).tolist()


def test_neighbours_are_merged_exactly(both):
    one, many = both
    for words, topn in [("w1", 1), (["w1", "w500"], 7), (np.ones(12, "f4"), 40), ("w3", 2_000)]:
        assert nearest(many, words, topn) == nearest(one, words, topn)
    assert many.most_similar(positive=["w1", "w2"], negative=["w3"]) == one.most_similar(["w1", "w2"], ["w3"])
    some = WORDS[::9]
    assert nearest(many, "w1", 5, restrict=some) == nearest(one, "w1", 5, restrict=some)
    with pytest.raises(ValueError, match="not in the source's order"):
        many.neighbors("w1", 5, restrict=300)
    assert nearest(many, "w1", 5, restrict=1_000) == nearest(one, "w1", 5, restrict=1_000)
    everything = dict(zip(many, many.most_similar("w1", topn=None), strict=True))
    assert [everything[word] for word in one] == pytest.approx(list(one.most_similar("w1", topn=None)), abs=1e-6)
    assert many.similarity("w1", "w2") == one.similarity("w1", "w2")
    assert many.doesnt_match(["w1", "w2", "w3"]) == one.doesnt_match(["w1", "w2", "w3"])


def test_questions_about_the_first_rows_are_not_answered_with_others(both, tmp_path):
    one, many = both
    (tmp_path / "q.txt").write_text(": a\nw1 w2 w3 w4\nw900 w901 w902 w903\n")
    assert str(embmap.evaluate(many, tmp_path / "q.txt")) == str(embmap.evaluate(one, tmp_path / "q.txt"))
    with pytest.raises(ValueError, match="not in the source's order"):
        embmap.evaluate(many, tmp_path / "q.txt", restrict=500)
    with pytest.raises(TypeError, match="one file"):
        embmap.gensim.KeyedVectors(many)


def test_ties_are_broken_by_the_row(tmp_path):
    convert_text_sharded(tmp_path, "".join(f"w{i} 1 0\n" for i in range(50)) + "q 1 0.5\n", shards=4)
    many = embmap.open(tmp_path / "many")
    ids, _ = many.neighbors("q", 20)
    found = [i for i in np.ravel(ids).tolist() if many.word(i) != "q"]
    assert found == [i for i in range(51) if many.word(i) != "q"][: len(found)]


def test_arrow_and_exports(both, tmp_path):
    import pyarrow as pa

    one, many = both
    table = pa.table(many)
    assert table.column("word").to_pylist() == list(many)
    rows = np.stack([np.asarray(row, np.float32) for row in table.column("vector").to_pylist()])
    assert np.array_equal(rows, many.lookup(list(many)))
    many.export(tmp_path / "v.parquet", words=["w3", "w900", "w1"])
    assert sorted(pa.parquet.read_table(tmp_path / "v.parquet").column("word").to_pylist()) == ["w1", "w3", "w900"]
    with pytest.raises(ValueError, match="export each of `shards`"):
        many.export(tmp_path / "v.vec")
    chosen = ["w900", "w1", "w2", "w3", "w77"]
    part = many.select(chosen, tmp_path / "part.embmap")
    assert list(part) == chosen
    assert np.array_equal(part.lookup(chosen), one.lookup(chosen))
    merged = embmap.merge([many, part], tmp_path / "merged.embmap")
    assert np.array_equal(merged.lookup(WORDS), one.lookup(WORDS))


def test_layers(both):
    one, many = both
    words = ["", "w1", "nobody", "w900"]
    layers = [embmap.torch.embedding(store, words) for store in (one, many)]
    assert torch.equal(layers[0].weight, layers[1].weight)
    ids = torch.from_numpy(many.indices_padded([["w1", "nobody"], ["w900"]], padding=1000, missing=1000))
    host = embmap.torch.HostEmbedding(many, padding_idx=1000)
    assert torch.equal(host(ids)[0, 0].float(), torch.from_numpy(one.lookup(["w1"]))[0])
    assert not host(ids)[0, 1].any()
    copy = embmap.torch.tensor(many, mode="copy")
    assert np.array_equal(copy.float().numpy(), many.lookup(list(many)))
    for whole in (lambda: many.vectors, lambda: embmap.torch.tensor(many), lambda: many.to_gensim()):
        if one.dtype == "int8" or str(one.dtype) in ("int8", "float16", "bfloat16"):
            continue
        with pytest.raises(ValueError, match="no matrix in one piece"):
            whole()


def test_pickles_lookups_and_processes(both, tmp_path):
    import pyarrow as pa

    one, many = both
    again = pickle.loads(pickle.dumps(many))
    assert (again.identity, list(again)) == (many.identity, list(many))
    assert len(pickle.dumps(many)) < 400
    lookup = pickle.loads(pickle.dumps(embmap.arrow.Lookup(many.path, "word")))
    found = lookup(pa.record_batch({"word": ["w3", "nobody"]})).column("vector").to_pylist()
    assert found == [one.lookup(["w3"])[0].tolist(), None]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    saved, path = pickle.dumps(many), many.path
    # Windows moves no folder with a file that is open.
    for opened in (many, again, lookup.store):
        opened.close()
    path.rename(moved / "many")
    with embmap.relocated(moved):
        assert pickle.loads(saved).path == moved / "many"


def test_one_store_alone_is_opened_until_others_are_asked(tmp_path):
    convert_text_sharded(tmp_path, text(100))
    many = embmap.open(tmp_path / "many")
    assert sum(store is not None for store in many._opened) == 1
    word = next(word for word in (f"w{i}" for i in range(100)) if shard_of(word, 5) == 3)
    many[word]
    assert [i for i, store in enumerate(many._opened) if store is not None] == [0, 3]


def test_the_split_is_the_one_that_the_format_says(tmp_path):
    convert_text_sharded(tmp_path, text(200))
    many = embmap.open(tmp_path / "many")
    for i, store in enumerate(many.shards):
        assert all(shard_of(word, 5) == _embmap.shard_of(word, 5) == i for word in store)
        # In the source's order.
        assert [int(word[1:]) for word in store] == sorted(int(word[1:]) for word in store)
    assert sorted(path.name for path in many.path.iterdir()) == [
        *(f"{i:05}-of-00005.embmap" for i in range(5)),
        "shards.json",
    ]


def test_the_report_counts_everything_once(tmp_path):
    content = "a 1 2\nb 3 4\na 5 6\nbad 7\n\nc x 1\nd 1 2\nnew york 1 2\ne  1 2\n"
    content = content.encode() + b"\xff\xfe 1 2\nlong 1 2 3 4\n" + b"".join(b"r%d 1 2\n" % i for i in range(50))
    options = {"dim": 2, "on_bad_row": "skip", "errors": "replace", "keep": None}
    (tmp_path / "s.txt").write_bytes(content)
    one = embmap.convert(tmp_path / "s.txt", tmp_path / "one.embmap", **options)
    ticks = []
    many = embmap.convert(
        tmp_path / "s.txt", tmp_path / "many", shards=3, **options, progress=lambda *done: ticks.append(done)
    )
    different = {"path", "seconds", "sync_seconds", "bytes_written"}
    for name in set(one.__dataclass_fields__) - different:
        assert getattr(many, name) == getattr(one, name), name
    assert all(0 <= done <= total for done, total in ticks)
    store = embmap.open(tmp_path / "many")
    assert store.metadata["conversion"] == embmap.open(one.path).metadata["conversion"]
    assert "3 stores" in repr(store)


def test_words_to_keep(tmp_path):
    report = convert_text_sharded(tmp_path, text(100), keep=["w3", "w7", "nobody"])
    assert (report.rows, report.words_not_found) == (2, 1)
    assert sorted(embmap.open(tmp_path / "many")) == ["w3", "w7"]
    (tmp_path / "other").mkdir()
    with pytest.raises(embmap.ParseError, match="none of the 1 words to keep"):
        convert_text_sharded(tmp_path / "other", text(10), keep=["nobody"])
    assert not (tmp_path / "other" / "many").exists()


@pytest.mark.parametrize("source", ["v.txt.gz", "v.bin"])
def test_every_kind_of_source(tmp_path, source):
    import gzip

    one = store_of(tmp_path, SMALL)
    if source == "v.bin":
        one.export(tmp_path / source, format="word2vec-binary")
    else:
        (tmp_path / source).write_bytes(gzip.compress(SMALL.encode()))
    embmap.convert(tmp_path / source, tmp_path / "many", shards=2)
    many = embmap.open(tmp_path / "many")
    assert np.array_equal(many.lookup(list(one)), one.vectors)
    assert many.metadata["source"]["name"] == source


def test_a_fasttext_models_ngrams_are_in_the_first_store(tmp_path):
    from fasttext_model import Model

    values = np.random.default_rng(0).normal(size=(13, 4)).astype(np.float32)
    (tmp_path / "m.bin").write_bytes(Model([b"king", b"queen", b"man"], values).encode())
    one = embmap.open(embmap.convert(tmp_path / "m.bin").path)
    embmap.convert(tmp_path / "m.bin", tmp_path / "many", shards=2)
    many = embmap.open(tmp_path / "many")
    assert [store._has_subwords for store in many.shards] == [True, False]
    for word in ("king", "unheard-of"):
        assert np.array_equal(many.subword_vector(word), one.subword_vector(word))
    assert np.array_equal(many.lookup(["kings"], oov="subword"), one.lookup(["kings"], oov="subword"))


def test_what_cannot_be_sharded(tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    for shards in (0, -1, 100_000):
        with pytest.raises(ValueError, match="shards must be between 1 and"):
            embmap.convert(tmp_path / "v.txt", tmp_path / "many", shards=shards)
    with pytest.raises(ValueError, match="limit"):
        embmap.convert(tmp_path / "v.txt", tmp_path / "many", shards=2, limit=3)
    with pytest.raises(FileNotFoundError):
        embmap.convert(tmp_path / "absent.txt", tmp_path / "many", shards=2)
    with pytest.raises(ValueError, match="several times"):
        embmap.convert("-", tmp_path / "many", shards=2)
    (tmp_path / "bad.txt").write_text("a 1 2\nb 1\n")
    with pytest.raises(embmap.ParseError, match="line 2"):
        embmap.convert(tmp_path / "bad.txt", tmp_path / "many", shards=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(FileExistsError):
        embmap.convert(tmp_path / "v.txt", tmp_path / "full", shards=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "full", "v.txt"]


@has_pipes
def test_a_pipe_cannot_be_sharded(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="several times"):
        embmap.convert(tmp_path / "pipe", tmp_path / "many", shards=2)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_damage_is_told(tmp_path):
    convert_text_sharded(tmp_path, text(60), shards=3)
    folder = tmp_path / "many"
    embmap.open(folder).verify()
    manifest = json.loads((folder / "shards.json").read_text(encoding="utf-8"))

    def refused(match, **changed):
        (folder / "shards.json").write_text(json.dumps(manifest | changed))
        with pytest.raises((embmap.FormatError, OSError), match=match):
            embmap.open(folder).verify()

    shards = manifest["shards"]
    refused("version 2", embmap_shards=2)
    refused("corrupt", shards=[])
    refused("corrupt", shards="x")
    refused("in the folder", shards=[shards[0] | {"file": "../v.embmap"}])
    refused("not the store", shards=[shards[1] | {"file": shards[0]["file"]}, *shards[1:]])
    refused("not the store", shards=[shards[0], shards[1] | {"rows": 3}, shards[2]])
    refused("belongs to another store", shards=[shards[1], shards[0], shards[2]])
    refused(r"gone\.embmap", shards=[*shards[:2], shards[2] | {"file": "gone.embmap"}])
    (folder / "shards.json").write_text("[" * 100_000)
    with pytest.raises(embmap.FormatError, match="corrupt"):
        embmap.open(folder)
    (folder / "shards.json").unlink()
    with pytest.raises(IsADirectoryError, match=r"00000-of-00003\.embmap"):
        embmap.open(folder)


def test_a_closed_store_says_so(tmp_path):
    convert_text_sharded(tmp_path, text(60), shards=3)
    many = embmap.open(tmp_path / "many")
    row = many["w1"]
    many.close()
    assert many.closed
    assert row.any()
    for asked in (lambda: many["w1"], lambda: many.indices(["w1"]), lambda: len(many), lambda: many.metadata):
        with pytest.raises(ValueError, match="closed"):
            asked()
    assert "closed" in repr(many)


def test_threads_share_it(tmp_path):
    convert_text_sharded(tmp_path, text(500))
    many = embmap.open(tmp_path / "many")
    expected, wrong = many.lookup(WORDS[:500]), []

    def work():
        for _ in range(20):
            if not np.array_equal(many.lookup(WORDS[:500]), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_every_question_that_a_file_answers_is_asked_of_all():
    """What is not overridden would be answered from the first store alone."""
    from embmap._sharded import ShardedStore

    # The same in all stores, or in the first alone.
    of_the_first = {"dim", "_dtype_name", "_has_subwords", "_ngrams", "_subword_vectors", "_network", "closed"}
    own = {name for name in vars(_embmap.Store) if not name.startswith("__")}
    special = {"__len__", "__contains__", "__getitem__", "__arrow_c_stream__", "__new__"}
    assert own | special <= set(vars(ShardedStore)) | of_the_first
    # Nothing passes a store to the extension but by these; to `read` and `copy` by methods that are overridden.
    stub = Path(_embmap.__file__).with_name("_embmap.pyi").read_text(encoding="utf-8")
    assert re.findall(r"def (\w+)\([^)]*\bstores?: (?:Sequence\[)?Store\b", stub) == ["find_in_shards", "read", "copy"]


def test_the_command_line(tmp_path):
    from click.testing import CliRunner

    from embmap.cli import main

    (tmp_path / "v.txt").write_text(SMALL)
    result = CliRunner().invoke(main, ["convert", str(tmp_path / "v.txt"), str(tmp_path / "many"), "--shards", "2"])
    assert result.exit_code == 0, result.output
    for command in (["info"], ["lookup", "king"], ["similar", "king"], ["verify"]):
        result = CliRunner().invoke(main, [command[0], str(tmp_path / "many"), *command[1:]])
        assert result.exit_code == 0, result.output


def test_out_has_the_shape_of_the_rows(both):
    for store in both:
        for ids, shape in (([0, 1], (2, 2, 12)), ([], (3, 12)), ([0, 1], (12,)), ([0, 1], (3, 12))):
            with pytest.raises(ValueError, match=r"out has shape \[.*\], these rows need \["):
                store.take(ids, out=np.empty(shape, np.float32))


def test_the_first_of_words_that_differ_in_case_is_asked_of_one_file(tmp_path):
    convert_text_sharded(tmp_path, "king 1 2\nKing 3 4\nman 5 6\n", shards=2)
    many = embmap.open(tmp_path / "many")
    (tmp_path / "pairs.txt").write_text("king\tman\t3\nman\tking\t1\n")
    with pytest.raises(ValueError, match="case_insensitive=False"):
        embmap.evaluate(many, tmp_path / "pairs.txt")
    assert embmap.evaluate(many, tmp_path / "pairs.txt", case_insensitive=False).pairs == 2
    with pytest.raises(ValueError, match="limit=2 would take any words"):
        many.export(tmp_path / "v.parquet", limit=2)
    assert many.export(tmp_path / "v.parquet", limit=0).rows == 0
    with pytest.raises(ValueError, match="the same file"):
        many.export(many.shards[1].path, format="parquet")
