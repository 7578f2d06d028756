"""`embmap.arrow.Lookup` in the engines that people have, each run for real, by the lines of docs/guides/scale.md."""

import sys

import numpy as np
import pyarrow as pa
import pytest

import embmap
from embmap.arrow import Lookup

# The engines' own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROWS = 20_000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "v.embmap"
    rows = np.random.default_rng(0).normal(size=(5_000, 20)).astype("f4")
    embmap.write(path, [f"w{i}" for i in range(len(rows))], rows)
    return path


@pytest.fixture(scope="module")
def table():
    words = [None if i % 97 == 0 else f"w{i * 7 % 6_000}" for i in range(ROWS)]
    return pa.table({"id": np.arange(ROWS), "word": words})


def check(found, path, table):
    """`found` are ids and vectors, in any order, as lists or None."""
    expected = Lookup(path, "word")(table).column("vector").to_pylist()
    ids, vectors = found
    assert sorted(ids) == list(range(ROWS))
    wrong = [
        i for i, vector in zip(ids, vectors, strict=True) if (None if vector is None else list(vector)) != expected[i]
    ]
    assert not wrong


def test_ray_data(path, table):
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=3, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        data = ray.data.from_arrow([table.slice(i, ROWS // 8) for i in range(0, ROWS, ROWS // 8)])
        vectors = data.map_batches(
            Lookup, fn_constructor_args=(path, "word", "vector"), batch_format="pyarrow", concurrency=2
        )
        found = pa.concat_tables(ray.get(vectors.to_arrow_refs()))
        check((found["id"].to_pylist(), found["vector"].to_pylist()), path, table)
    finally:
        ray.shutdown()


@pytest.fixture
def spark(monkeypatch):
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_spark(path, table, spark):
    from pyspark.sql.functions import arrow_udf
    from pyspark.sql.types import ArrayType, FloatType, StructType

    frame = spark.createDataFrame(table).repartition(4)
    lookup = Lookup(path, "word", "vector", fixed=False)
    schema = StructType([*frame.schema]).add("vector", ArrayType(FloatType()))
    rows = frame.mapInArrow(lambda batches: map(lookup, batches), schema).collect()
    check(([row["id"] for row in rows], [row["vector"] for row in rows]), path, table)

    @arrow_udf(ArrayType(FloatType()))
    def vectors(words: pa.Array) -> pa.Array:
        return lookup.vectors(words)

    rows = frame.withColumn("vector", vectors("word")).collect()
    check(([row["id"] for row in rows], [row["vector"] for row in rows]), path, table)


def test_daft(path, table):
    daft = pytest.importorskip("daft")

    @daft.cls
    class Vectors:
        def __init__(self):
            self.lookup = Lookup(path, "word")

        @daft.method.batch(return_dtype=daft.DataType.fixed_size_list(daft.DataType.float32(), 20))
        def __call__(self, words):
            return self.lookup.vectors(words.to_arrow())

    frame = daft.from_arrow(table)
    found = frame.with_column("vector", Vectors()(frame["word"])).to_pydict()
    check((found["id"], found["vector"]), path, table)


def with_vectors(lookup, frame):
    import pandas as pd

    return lookup(pa.Table.from_pandas(frame, preserve_index=False)).to_pandas(types_mapper=pd.ArrowDtype)


def test_dask(path, table):
    dataframe = pytest.importorskip("dask.dataframe")
    frame = dataframe.from_pandas(table.to_pandas(), npartitions=4)
    lookup = Lookup(path, "word", "vector")
    meta = with_vectors(lookup, table.slice(0, 0).to_pandas())
    found = frame.map_partitions(lambda part: with_vectors(lookup, part), meta=meta).compute(scheduler="processes")
    found = pa.Table.from_pandas(found, preserve_index=False)
    check((found["id"].to_pylist(), found["vector"].to_pylist()), path, table)


def test_duckdb(path, table):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    lookup = Lookup(path, "word")
    connection.create_function(
        "vector_of", lookup.vectors, ["VARCHAR"], "FLOAT[20]", type="arrow", null_handling="special"
    )
    connection.register("words", table)
    rows = connection.execute("select id, vector_of(word) from words").fetchall()
    check(([row[0] for row in rows], [row[1] for row in rows]), path, table)


def test_polars(path, table):
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(table)
    lookup = Lookup(path, "word", "vector")
    eager = polars.from_arrow(lookup(frame.to_arrow()))
    check((eager["id"].to_list(), eager["vector"].to_list()), path, table)
    lazy = frame.lazy().with_columns(
        vector=polars.col("word").map_batches(
            lambda words: polars.from_arrow(lookup.vectors(words.to_arrow())),
            return_dtype=polars.Array(polars.Float32, 20),
        )
    )
    found = lazy.collect()
    check((found["id"].to_list(), found["vector"].to_list()), path, table)


def test_datasets(path, table, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    words = datasets.Dataset(table).with_format("arrow")
    found = words.map(Lookup(path, "word", "vector"), batched=True, num_proc=2).with_format(None)
    check((found["id"][:], found["vector"][:]), path, table)
