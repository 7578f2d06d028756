"""Magnitude's files, made as its converter makes them."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

import embmap

ROWS = {
    "the": [0.418, 0.24968, -0.41242, 0.1217],
    "New York": [3.0, 0, -4, 0],
    "THE": [1e-3, 2e-3, 0, -5e-3],
    "straße": [100.5, -7.25, 0.125, 1],
    "naught": [0, 0, 0, 0],
}


def write(path, rows=ROWS, *, precision=7, with_lengths=True, **changed):
    """Write a file; what is `changed` are values of `magnitude_format`."""
    dim = len(next(iter(rows.values())))
    columns = [f"dim_{i} INTEGER" for i in range(dim)] + ["magnitude REAL"] * with_lengths
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE `magnitude` (key TEXT COLLATE NOCASE, {', '.join(columns)})")
        database.execute("CREATE TABLE `magnitude_format` (key TEXT COLLATE NOCASE, value INTEGER)")
        database.execute("CREATE VIRTUAL TABLE `magnitude_subword` USING fts3(char_ngrams, num_ngrams)")
        for key, row in rows.items():
            length = float(np.linalg.norm(row))
            numbers = [round(number / length * 10**precision) if length else 1 for number in row]
            values = [key, *numbers, *([length] if with_lengths else [])]
            database.execute(f"INSERT INTO magnitude VALUES ({', '.join('?' * len(values))})", values)
        described = {"version": 2, "elmo": 0, "size": len(rows), "dim": dim, "precision": precision, **changed}
        database.executemany("INSERT INTO magnitude_format VALUES (?, ?)", described.items())
        database.executemany("INSERT INTO magnitude_format VALUES ('entropy', ?)", [(i,) for i in range(dim)])
        database.execute("CREATE INDEX `magnitude_key_idx` ON `magnitude` (key)")
        database.commit()
    return path


def change(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_rows_are_as_long_as_they_were(tmp_path):
    report = embmap.convert(write(tmp_path / "v.magnitude"))
    assert (report.rows, report.path.name) == (len(ROWS), "v.embmap")
    with embmap.open(report.path) as store:
        # pymagnitude takes words for equal that differ in case; here each is one.
        assert list(store) == list(ROWS)
        assert np.allclose(store.vectors, list(ROWS.values()), rtol=0, atol=1e-5)
    units = embmap.open(embmap.convert(tmp_path / "v.magnitude", normalize=True, limit=4).path)
    assert np.allclose(units["New York"], [0.6, 0, -0.8, 0], rtol=0, atol=1e-7)
    assert embmap.load(tmp_path / "v.magnitude", cache_dir=tmp_path / "cache")["the"].shape == (4,)


@pytest.mark.parametrize("precision", [1, 12])
def test_numbers_have_the_digits_that_the_file_says(tmp_path, precision):
    """Which are those of rows of length 1; files of old have no others."""
    path = write(tmp_path / "v.magnitude", precision=precision, with_lengths=False)
    with embmap.open(embmap.convert(path, keep=["New York", "the"]).path) as store:
        assert store["New York"].tolist() == pytest.approx([0.6, 0, -0.8, 0], abs=1e-7)
        unit = np.array(ROWS["the"]) / np.linalg.norm(ROWS["the"])
        assert store["the"].tolist() == pytest.approx(unit, abs=max(10.0**-precision, 1e-7))


def test_the_first_of_equal_words_counts(tmp_path):
    path = write(tmp_path / "v.magnitude")
    change(path, "INSERT INTO magnitude VALUES ('the', 10000000, 0, 0, 0, 2.0)")
    report = embmap.convert(path)
    assert (report.rows, report.duplicates) == (len(ROWS), 1)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE magnitude_format", "without a table 'magnitude_format'"),
        ("DROP TABLE magnitude", "without a table 'magnitude', which a .magnitude file has"),
        ("ALTER TABLE magnitude RENAME COLUMN dim_1 TO dim_7", "expected columns key, dim_0, dim_1"),
        ("UPDATE magnitude SET dim_1 = 'x'", "something else than numbers"),
        ("UPDATE magnitude SET key = NULL", "the word of a row is None"),
        ("UPDATE magnitude SET key = CAST(X'FFFE' AS TEXT)", "is not UTF-8"),
        ("UPDATE magnitude_format SET value = 1 WHERE key = 'elmo'", "this is an ELMo model"),
        ("UPDATE magnitude_format SET value = 400 WHERE key = 'precision'", "a precision of 400 digits"),
        ("DELETE FROM magnitude_format WHERE key = 'precision'", "a precision of None digits"),
        ("UPDATE magnitude SET dim_2 = NULL", "expected a finite number"),
    ],
)
def test_other_databases_are_refused(tmp_path, statement, reason):
    path = write(tmp_path / "v.magnitude")
    change(path, statement)
    with pytest.raises(embmap.ParseError, match=reason):
        embmap.convert(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.magnitude"]


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW magnitude AS WITH RECURSIVE t(key, dim_0) AS (SELECT 'a', 1 UNION ALL SELECT * FROM t) SELECT * FROM t",
        "CREATE VIRTUAL TABLE magnitude USING fts3(key, dim_0)",
    ],
)
def test_nothing_of_a_strangers_is_run(tmp_path, made):
    path = write(tmp_path / "v.magnitude")
    change(path, "DROP TABLE magnitude", made)
    with pytest.raises(embmap.ParseError, match=r"without a table 'magnitude'|prohibited|not authorized"):
        embmap.convert(path)


def test_damaged_files_are_refused(tmp_path):
    whole = write(tmp_path / "whole.magnitude").read_bytes()
    path = tmp_path / "v.magnitude"
    for end in (16, 100, 512, len(whole) // 2):
        path.write_bytes(whole[:end])
        with pytest.raises(embmap.ParseError, match=r"no \.magnitude file, or it is damaged|without a table"):
            embmap.convert(path)
    path.write_bytes(whole)
    path.with_name("v.magnitude-wal").write_bytes(b"x")
    with pytest.raises(embmap.ParseError, match=r"still in v\.magnitude-wal"):
        embmap.convert(path)
