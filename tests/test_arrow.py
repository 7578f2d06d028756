"""A store is an Arrow stream; Parquet and Arrow files are what pyarrow makes of it."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import SMALL, store_of

import embmap

DTYPES = ["float32", "float16", "bfloat16", "int8"]


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow")


def rows_of(pa, vectors):
    """The numbers of a column of vectors, `[n, dim]`."""
    return np.vstack([chunk.flatten().to_numpy().reshape(len(chunk), -1) for chunk in vectors.chunks])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_has_the_words_and_the_values(tmp_path, pa, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    table = pa.table(store)
    number = pa.float16() if dtype == "float16" else pa.float32()
    assert table.schema.equals(pa.schema([("word", pa.string()), ("vector", pa.list_(number, 4))]))
    assert table["word"].to_pylist() == list(store)
    assert np.array_equal(rows_of(pa, table["vector"]), store.vectors)
    table.validate(full=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_numbers_are_those_of_the_map_and_outlive_the_store(tmp_path, pa, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    expected, address = store.vectors.copy(), store.vectors.ctypes.data
    table = pa.table(store)
    store.close()
    del store
    assert table["vector"].chunk(0).values.buffers()[1].address == address
    assert np.array_equal(rows_of(pa, table["vector"]), expected)


def test_large_stores_come_in_batches_of_bounded_size_that_begin_where_arrow_recommends(tmp_path, pa):
    store = store_of(tmp_path, "".join(f"w{i} {i} 0.5 -1\n" for i in range(200_001)))
    batches = list(pa.RecordBatchReader.from_stream(store))
    assert [batch.num_rows for batch in batches] == [65_536, 65_536, 65_536, 3_393]
    for batch in batches:
        assert batch["vector"].flatten().buffers()[1].address % 64 == 0
    table = pa.Table.from_batches(batches)
    assert table["word"].to_pylist() == list(store)
    assert np.array_equal(rows_of(pa, table["vector"]), store.vectors)


def test_a_stream_can_be_asked_for_again_and_left_unread(store, pa):
    store.__arrow_c_stream__()
    reader = pa.RecordBatchReader.from_stream(store)
    assert reader.read_next_batch().num_rows == 6
    assert pa.table(store).num_rows == pa.table(store).num_rows == 6


def test_an_empty_store_is_an_empty_table(tmp_path, pa):
    table = pa.table(store_of(tmp_path, "0 3\n"))
    assert (table.num_rows, table.schema.field("vector").type) == (0, pa.list_(pa.float32(), 3))


def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(ValueError, match="the store is closed"):
        store.__arrow_c_stream__()


def test_a_word_that_is_not_utf8_is_an_error(store, tmp_path, pa):
    data = bytearray(store.path.read_bytes())
    data[data.index(b"kingqueen")] = 0xFF
    (tmp_path / "broken.embmap").write_bytes(data)
    with pytest.raises((pa.ArrowInvalid, OSError), match=r"(?i)utf.?8"):
        pa.table(embmap.open(tmp_path / "broken.embmap"))


def test_polars_reads_it(store):
    pl = pytest.importorskip("polars")
    frame = pl.scan_arrow_c_stream(store).collect()
    assert frame.schema == {"word": pl.String, "vector": pl.Array(pl.Float32, 4)}
    assert frame["word"].to_list() == list(store)
    assert np.array_equal(frame["vector"].to_numpy(), store.vectors)


def test_duckdb_reads_it(store):
    duckdb = pytest.importorskip("duckdb")
    table = store  # noqa: F841  duckdb finds it by its name
    nearest = """
        select word from table where word != 'king'
        order by array_cosine_similarity(vector, (select vector from table where word = 'king')) desc limit 1
    """
    with duckdb.connect() as connection:
        assert connection.sql(nearest.replace("table", '"table"')).fetchall() == [
            (store.most_similar("king", topn=1)[0][0],)
        ]


def test_pandas_reads_it(store, pa):
    pd = pytest.importorskip("pandas")
    frame = pa.table(store).to_pandas(types_mapper=pd.ArrowDtype)
    assert frame["word"].tolist() == list(store)
    assert frame["vector"][1] == store["queen"].tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_files_hold_the_same_table(tmp_path, pa, format, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    path = tmp_path / f"v.{format}"
    seen = []
    report = store.export(path, progress=lambda *progress: seen.append(progress))
    assert (report.format, report.rows, report.bytes_written, seen[-1]) == (format, 6, path.stat().st_size, (6, 6))
    table = read(pa, path)
    assert table.equals(pa.table(store))
    table.validate(full=True)
    store.export(path, words=["pear", "king"])
    assert read(pa, path)["word"].to_pylist() == ["pear", "king"]
    assert np.array_equal(rows_of(pa, read(pa, path)["vector"]), store.vectors[[5, 0]])
    store.export(path, limit=2)
    assert read(pa, path)["word"].to_pylist() == ["king", "queen"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "v.embmap", "v.txt"])


def read(pa, path):
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        return parquet.read_table(path)
    with pa.ipc.open_file(path) as file:
        return file.read_all()


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path, store, pa):
    target = tmp_path / "v.parquet"
    target.write_bytes(b"old")
    target.chmod(0o640)
    mode = target.stat().st_mode

    def progress(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.export(target, progress=progress)
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob(".embmap-*"))
    store.export(target)
    assert target.stat().st_mode == mode


def test_without_pyarrow_the_error_names_the_extra(tmp_path, store):
    code = f"""
import sys
sys.modules["pyarrow"] = None
import embmap
try:
    embmap.open({str(store.path)!r}).export({str(tmp_path / "v.parquet")!r})
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("parquet needs pyarrow: pip install 'embmap[pyarrow]' (")
    assert not (tmp_path / "v.parquet").exists()


LISTS = ["fixed", "list", "large_list"]


def table_of(pa, vocab, rows, number, lists="fixed", words=None):
    types = {"fixed": pa.list_(number, len(rows[0])), "list": pa.list_(number), "large_list": pa.large_list(number)}
    vectors = pa.array([[np.float16(x) if number == pa.float16() else x for x in row] for row in rows], types[lists])
    return pa.table({"word": pa.array(vocab, words or pa.string()), "vector": vectors})


@pytest.mark.parametrize("lists", LISTS)
@pytest.mark.parametrize("number", ["float16", "float32", "float64", "int8"])
def test_a_table_becomes_a_store(tmp_path, pa, lists, number):
    rows = [[1, -2], [0, 3], [4, 5]]
    table = table_of(pa, ["a", "new york", "a\nb"], rows, getattr(pa, number)(), lists)
    made = embmap.from_arrow(table, tmp_path / "made.embmap")
    assert list(made) == ["a", "new york", "a\nb"]
    assert made.vectors.tolist() == rows
    made.verify()
    sliced = embmap.from_arrow(table.slice(1), tmp_path / "sliced.embmap", dtype="int8", metadata={"from": "a table"})
    assert (list(sliced), sliced.metadata["from"]) == (["new york", "a\nb"], "a table")
    assert np.allclose(sliced.take([0, 1]), rows[1:], atol=0.03)


@pytest.mark.parametrize("words", ["string", "large_string", "string_view", "dictionary"])
def test_words_may_be_strings_of_any_arrow_type(tmp_path, pa, words):
    kind = pa.dictionary(pa.int32(), pa.string()) if words == "dictionary" else getattr(pa, words)()
    table = table_of(pa, ["a", "b"], [[1.0], [2.0]], pa.float32(), words=kind)
    assert list(embmap.from_arrow(table, tmp_path / "made.embmap")) == ["a", "b"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_store_and_its_files_come_back(tmp_path, pa, dtype):
    dataset = pytest.importorskip("pyarrow.dataset")
    store = store_of(
        tmp_path, "".join(f"w{i} {i} 0.5 -1\n" for i in range(70_000)) if dtype == "float32" else SMALL, dtype=dtype
    )
    seen = []
    again = embmap.from_arrow(store, tmp_path / "again.embmap", dtype=dtype, progress=lambda *found: seen.append(found))
    assert seen[-1] == (len(store), len(store))
    store.export(tmp_path / "v.parquet")
    reader = dataset.dataset(tmp_path / "v.parquet").scanner().to_reader()
    for made in (again, embmap.from_arrow(reader, tmp_path / "third.embmap", dtype=dtype)):
        assert list(made) == list(store)
        assert np.array_equal(made.vectors, store.vectors)


def test_polars_and_pandas_frames_become_stores(tmp_path, pa, store):
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    frame = pl.DataFrame({"token": ["b", "a"], "v": [[1.0, 2.0], [3.0, 4.0]]})
    made = embmap.from_arrow(frame, tmp_path / "polars.embmap", word="token", vector="v")
    assert (list(made), made.vectors.tolist()) == (["b", "a"], [[1.0, 2.0], [3.0, 4.0]])
    made = embmap.from_arrow(pd.DataFrame({"word": ["b"], "vector": [[1.0, 2.0]]}), tmp_path / "pandas.embmap")
    assert (list(made), made.vectors.tolist()) == (["b"], [[1.0, 2.0]])


def test_a_table_without_rows_is_an_empty_store_where_it_says_its_dimension(tmp_path, pa):
    empty = table_of(pa, ["a"], [[1.0, 2.0]], pa.float32()).slice(1)
    made = embmap.from_arrow(empty, tmp_path / "made.embmap")
    assert (len(made), made.dim) == (0, 2)
    with pytest.raises(ValueError, match="no rows, and so no dimension"):
        embmap.from_arrow(table_of(pa, ["a"], [[1.0]], pa.float32(), "list").slice(1), tmp_path / "other.embmap")


def test_what_is_wrong_with_a_table_is_said_with_its_row(tmp_path, pa):
    target = tmp_path / "made.embmap"
    vocab = [f"w{i}" for i in range(40_000)]
    columns = {"word": vocab, "vector": [[0.5, 1.0]] * 40_000}

    def refused(error, match, **changed):
        changed = {name: list(values) for name, values in (columns | changed).items()}
        with pytest.raises(error, match=match):
            embmap.from_arrow(pa.table(changed), target)
        assert not list(tmp_path.iterdir())

    def with_one(name, row, value):
        values = list(columns[name])
        values[row] = value
        return {name: values}

    refused(ValueError, "row 39999: the word is null", **with_one("word", 39_999, None))
    refused(ValueError, "row 20000: the vector is null", **with_one("vector", 20_000, None))
    refused(ValueError, "row 20001: the number is null", **with_one("vector", 20_001, [1.0, None]))
    refused(
        ValueError,
        "row 30000: expected 2 numbers as in the first row, found 3",
        **with_one("vector", 30_000, [1.0] * 3),
    )
    refused(ValueError, "20002", **with_one("vector", 20_002, [1.0, float("nan")]))
    refused(ValueError, "w7", **with_one("word", 35_000, "w7"))
    refused(TypeError, "lists of numbers, found double", vector=[0.5] * 40_000)
    refused(TypeError, "vectors of numbers, found list<.*string>", vector=[["x"]] * 40_000)
    refused(TypeError, "word|str", word=range(40_000))
    with pytest.raises(ValueError, match="no column 'words': there are 'word', 'vector'"):
        embmap.from_arrow(pa.table(columns), target, word="words")
    with pytest.raises(TypeError, match="expected an Arrow table or reader, found dict"):
        embmap.from_arrow(columns, target)
