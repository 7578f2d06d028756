"""Ten million words looked up in Ray Data, Spark and Daft on two workers: the engine's time told apart from the look-up's.

    python benches/engines.py [--words 10000000] [--rows 400000] [--dim 300] [--runs 5] [--folder FOLDER] [--json OUT]

The words lie in 16 Parquet files, drawn by Zipf's law. Each engine reads them and hands batches to Python twice over: once
to a function that counts its rows, and once to one that looks up the vectors of all its words and returns their number and
the sum of their bits, which must be those of one process without an engine. So what the vectors would cost to send on,
which each pipeline decides, is in neither. The first is the engine's, the difference of the two is ours.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import embmap
from embmap.arrow import Lookup

FILES = 16
BATCH = 65_536
RESULT = pa.schema([("rows", pa.int64()), ("found", pa.int64()), ("bits", pa.int64())])


class Counting:
    """Counts rows: what remains of a query without its look-up."""

    def __init__(self, path: str) -> None:
        pass

    def __call__(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Give the number of rows."""
        return pa.table([[batch.num_rows], [0], [0]], RESULT)


class Looking:
    """Looks words up, and adds up what it finds in a way that does not depend on the order."""

    def __init__(self, path: str) -> None:
        self.lookup = Lookup(path, "word", missing="zeros")

    def __call__(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Give the number of rows, and the sum of the bits of their vectors."""
        vectors = self.lookup(batch).column("vector")
        chunks = vectors.chunks if isinstance(vectors, pa.ChunkedArray) else [vectors]
        bits = sum(int(chunk.flatten().to_numpy().view(np.uint32).sum(dtype=np.uint64)) for chunk in chunks)
        return pa.table([[batch.num_rows], [batch.num_rows], [bits % (1 << 62)]], RESULT)


def total(tables: list[pa.Table]) -> tuple[int, int]:
    return sum(sum(t["rows"].to_pylist()) for t in tables), sum(sum(t["bits"].to_pylist()) for t in tables) % (1 << 62)


def alone(work: Callable[[str], Callable[[pa.Table], pa.Table]], path: str, folder: Path) -> tuple[int, int]:
    made = work(path)
    return total(
        [
            made(pa.Table.from_batches([batch]))
            for file in sorted(folder.glob("*.parquet"))
            for batch in pq.ParquetFile(file).iter_batches(BATCH)
        ]
    )


def in_ray(work: type, path: str, folder: Path) -> tuple[int, int]:
    import ray

    data = ray.data.read_parquet(str(folder)).map_batches(
        work, fn_constructor_args=(path,), batch_format="pyarrow", batch_size=BATCH, concurrency=2
    )
    return total(list(data.iter_batches(batch_format="pyarrow", batch_size=None)))


def in_spark(work: type, path: str, folder: Path) -> tuple[int, int]:
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()

    def run(batches):
        made = work(path)
        for batch in batches:
            yield from made(batch).to_batches()

    found = spark.read.parquet(str(folder)).mapInArrow(run, "rows long, found long, bits long").toArrow()
    return total([found])


def in_daft(work: type, path: str, folder: Path) -> tuple[int, int]:
    import daft

    struct = daft.DataType.struct({name: daft.DataType.int64() for name in RESULT.names})

    @daft.cls(max_concurrency=2)
    class Batches:
        def __init__(self) -> None:
            self.made = work(path)

        # A value for each row is what it wants: the batch's stands in its first.
        @daft.method.batch(return_dtype=struct)
        def __call__(self, words):
            batch = pa.table({"word": words.to_arrow()})
            found = self.made(batch).to_pylist()[0]
            return [found] + [dict.fromkeys(RESULT.names, 0)] * (batch.num_rows - 1)

    frame = daft.read_parquet(str(folder) + "/*.parquet")
    found = frame.select(Batches()(frame["word"]).alias("r")).select(
        *[daft.col("r").get(n).alias(n) for n in RESULT.names]
    )
    sums = found.sum(*RESULT.names).to_pydict()
    return sums["rows"][0], sums["bits"][0] % (1 << 62)


ENGINES = {"one process": alone, "Ray Data": in_ray, "Spark": in_spark, "Daft": in_daft}


def prepare(folder: Path, words: int, rows: int, dim: int) -> Path:
    """Write the store and the words, once."""
    path = folder / f"{rows}x{dim}.embmap"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    if not path.exists():
        with embmap.Writer(path, dim) as writer:
            for start in range(0, rows, 50_000):
                count = min(50_000, rows - start)
                names = [f"w{i}" for i in range(start, start + count)]
                writer.write(names, rng.normal(size=(count, dim)).astype(np.float32))
    parts = folder / f"{words}-words"
    if not parts.exists():
        parts.mkdir()
        for part in range(FILES):
            drawn = rng.zipf(1.1, words // FILES) % rows
            pq.write_table(pa.table({"word": [f"w{i}" for i in drawn.tolist()]}), parts / f"{part:02}.parquet")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=10_000_000)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embmap-bench" / "engines")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    path = prepare(arguments.folder, arguments.words, arguments.rows, arguments.dim)
    folder = arguments.folder / f"{arguments.words}-words"
    expected = alone(Looking, str(path), folder)
    result = {}
    print(
        f"{'engine':<14}{'engine, s (min-max)':>24}{'with look-ups, s':>24}{'engine, ns/word':>17}{'ours, ns/word':>15}"
    )
    for name in arguments.engines:
        times: dict[type, list[float]] = {Counting: [], Looking: []}
        start(name)
        for run in range(arguments.runs + 1):
            for work, taken in times.items():
                began = time.perf_counter()
                found = ENGINES[name](work, str(path), folder)
                seconds = time.perf_counter() - began
                assert found[0] == expected[0], found
                assert work is Counting or found == expected, (found, expected)
                if run:
                    taken.append(seconds)
        stop(name)
        bare, whole = (statistics.median(taken) for taken in times.values())
        each = 1e9 / expected[0]
        result[name] = {"engine_s": bare, "with_s": whole, "engine_ns": bare * each, "ours_ns": (whole - bare) * each}
        spread = [f"{statistics.median(t):.2f} ({min(t):.2f}-{max(t):.2f})" for t in times.values()]
        print(f"{name:<14}{spread[0]:>24}{spread[1]:>24}{bare * each:>17.0f}{(whole - bare) * each:>15.0f}", flush=True)
    machine.save(arguments.json, ("ray", "pyspark", "daft", "pyarrow"), engines=result)


def start(name: str) -> None:
    if name == "Ray Data":
        import ray

        # Two actors, and a core for what reads.
        ray.init(num_cpus=3, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
    if name == "Spark":
        from pyspark.sql import SparkSession

        os.environ["PYSPARK_PYTHON"] = sys.executable
        settings = {
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
            "spark.log.level": "ERROR",
            "spark.ui.showConsoleProgress": "false",
        }
        builder = SparkSession.builder.master("local[2]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        builder.getOrCreate()


def stop(name: str) -> None:
    if name == "Ray Data":
        import ray

        ray.shutdown()
    if name == "Spark":
        from pyspark.sql import SparkSession

        SparkSession.getActiveSession().stop()


if __name__ == "__main__":
    main()
