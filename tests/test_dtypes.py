"""Stores of float16, bfloat16 and int8: as close as promised, and used as any other."""

import zlib

import numpy as np
import pytest
import torch
from conftest import SMALL, convert_text, store_of
from hypothesis import given, settings
from hypothesis import strategies as st

import embmap
from embmap import _reference

DTYPES = ["float32", "float16", "bfloat16", "int8"]
SIZES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
RNG = np.random.default_rng(5)
ROWS = (RNG.normal(0, 0.4, (3000, 7)) * RNG.choice([1e-6, 1, 1000], (3000, 1))).astype(np.float32)
TEXT = "".join(f"w{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(ROWS.tolist()))


def bound(dtype: str, rows: np.ndarray) -> np.ndarray:
    """How far a value may be off, as `convert` says."""
    size = np.abs(rows.astype(np.float64))
    if dtype == "float16":
        return np.maximum(size * 2.0**-11, 2.0**-25)
    if dtype == "bfloat16":
        return size * 2.0**-8
    return size.max(1, keepdims=True) / 254 * 1.000001 + size * 1e-7


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return {dtype: store_of(tmp_path_factory.mktemp(dtype), TEXT, dtype=dtype) for dtype in DTYPES}


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_every_value_is_as_close_as_promised(stores, dtype):
    values = stores[dtype].take(np.arange(len(ROWS)))
    assert values.dtype == np.float32
    assert (np.abs(values.astype(np.float64) - ROWS) <= bound(dtype, ROWS)).all()


def test_floats_are_rounded_as_numpy_and_torch_round(stores):
    every = np.arange(len(ROWS))
    assert np.array_equal(stores["float16"].take(every), ROWS.astype(np.float16).astype(np.float32))
    assert np.array_equal(stores["bfloat16"].take(every), torch.from_numpy(ROWS).bfloat16().float().numpy())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.floats(-65000, 65000, width=32), min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from(range(4)),
)
def test_the_specification_is_enough_to_write_the_very_same_file(tmp_path_factory, rows, code):
    text = f"{len(rows)} 3\n" + "".join(f"w{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(rows))
    store = store_of(tmp_path_factory.mktemp("rows"), text, dtype=DTYPES[code])
    words = [word.encode() for word in store]
    written = store.path.read_bytes()
    assert written == _reference.encode(words, rows, 3, store._metadata_json(), code)
    assert _reference.decode(written).rows == [tuple(row) for row in store.take(range(len(rows))).tolist()]
    store.verify()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_store_is_as_small_as_its_type(stores, dtype):
    store = stores[dtype]
    assert str(store.dtype) == dtype
    # 40 bytes a row: index, words, norms, and the scale of int8.
    assert store.nbytes - ROWS.size * SIZES[dtype] < 40 * len(ROWS) + 8192


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_ways_to_a_row_give_the_same_values(stores, dtype):
    store = stores[dtype]
    row = store.take([42])[0]
    for same in (
        store["w42"],
        store.get("w42"),
        store.vectors[42],
        store.lookup(["w42"])[0],
        store.matrix(["w42"]).array[0],
        store._block(42, 43)[0],
        embmap.torch.tensor(store)[42].float().numpy(),
        embmap.torch.embedding(store, ["w42"]).weight[0].numpy(),
    ):
        assert np.array_equal(np.asarray(same, np.float32), row)
    for array in (store["w42"], store.vectors):
        assert not array.flags.writeable


def test_types_that_numpy_has_are_seen_without_a_copy(stores):
    for dtype in ("float32", "float16"):
        assert stores[dtype].vectors.dtype == dtype
        assert np.shares_memory(stores[dtype].vectors, stores[dtype].vectors)
        assert np.shares_memory(stores[dtype]["w1"], stores[dtype]["w1"])
    for dtype in ("bfloat16", "int8"):
        assert stores[dtype].vectors.dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wanted", [None, np.float16, np.float32, np.float64])
def test_dtype_converts_on_gather(stores, dtype, wanted):
    store = stores[dtype]
    words = ["w5", "missing", "w6"]
    matrix = store.matrix(words, dtype=wanted, oov="zeros").array
    assert matrix.dtype == (np.float32 if wanted is None else wanted)
    assert np.array_equal(matrix, store.lookup(words).astype(matrix.dtype))
    assert store.matrix(words, dtype=wanted).array[1].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_be_float16(stores, dtype):
    store = stores[dtype]
    out = np.empty((3, 7), np.float16)
    assert store.take([5, 6, 5], out=out) is out
    assert np.array_equal(out, store.take([5, 6, 5]).astype(np.float16))
    with pytest.raises(ValueError, match="float32 or float16"):
        store.take([5], out=np.empty((1, 7)))


@pytest.mark.parametrize("mode", ["cow", "readonly", "copy"])
def test_a_tensor_has_the_stores_type(stores, mode):
    for dtype, store in stores.items():
        tensor = embmap.torch.tensor(store, mode=mode)
        assert tensor.dtype == (torch.float32 if dtype == "int8" else getattr(torch, dtype))
        assert np.array_equal(tensor.float().numpy(), store.take(range(len(store))))
    shared = [embmap.torch.tensor(stores["bfloat16"], mode="readonly").data_ptr() for _ in range(2)]
    assert shared[0] == shared[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_and_statistics_are_those_of_the_stored_values(stores, dtype):
    store = stores[dtype]
    values = store.take(range(len(store))).astype(np.float64)
    lengths = 1 / np.linalg.norm(values, axis=1)
    assert np.allclose(store._inverse_norms(0, len(store)), lengths, rtol=1e-6)
    assert np.allclose(store.statistics(), [values.mean(0), values.std(0)], rtol=1e-9)
    store.verify()


@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbours_are_found_in_any_type(tmp_path, dtype):
    store = store_of(tmp_path, SMALL, dtype=dtype)
    assert store.analogy("man", "king", "woman", topn=1)[0][0] == "queen"
    ids, cosines = store.neighbors("king", k=1)
    assert (ids.tolist(), cosines.tolist()) == ([0], pytest.approx([1.0], abs=1e-6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("duplicates", ["first", "last"])
def test_duplicates_are_resolved_in_any_type(tmp_path, dtype, duplicates):
    rows = [(f"w{i % 700}", (i % 13 + 1) * 0.1 * (i // 700 + 1)) for i in range(300_000)]
    text = "".join(f"{word} {x:.4f} {-x / 3:.4f}\n" for word, x in rows)
    store = store_of(tmp_path, text, dtype=dtype, duplicates=duplicates)
    store.verify()
    kept = dict(rows if duplicates == "last" else reversed(rows))
    alone = "".join(f"{word} {kept[word]:.4f} {-kept[word] / 3:.4f}\n" for word in store)
    folder = tmp_path / "alone"
    folder.mkdir()
    expected = store_of(folder, alone, dtype=dtype)
    assert np.array_equal(store.vectors, expected.vectors)
    assert np.array_equal(store.statistics(), expected.statistics())


@pytest.mark.parametrize(("dtype", "number"), [("float16", "65520"), ("float16", "-1e6"), ("bfloat16", "3.4e38")])
def test_a_number_that_does_not_fit_is_a_bad_row(tmp_path, dtype, number):
    text = f"a 1 2\nb 1 {number}\nc 3 4\n"
    with pytest.raises(embmap.ParseError, match=rf"number 2 of 2, .* is too large for {dtype}") as raised:
        convert_text(tmp_path, text, dtype=dtype)
    assert raised.value.line == 2
    report = convert_text(tmp_path, text, dtype=dtype, on_bad_row="skip")
    assert (report.rows, report.rejected_by["not_finite"]) == (2, 1)
    assert convert_text(tmp_path, text, dtype=dtype, normalize=True).rows == 3


def test_the_largest_numbers_stay_finite(tmp_path):
    store = store_of(tmp_path, "a 3.4028235e38 1\nb -3.4028235e38 3e38\n", dtype="int8")
    store.verify()
    assert np.isfinite(store.vectors).all()
    words, rows = [b"a", b"b"], [[3.4028234663852886e38, 1.0], [-3.4028234663852886e38, 2.9999999e38]]
    rows = np.array(rows, np.float32).tolist()
    expected = _reference.encode(words, rows, 2, store._metadata_json(), _reference.INT8)
    assert _reference.decode(expected).rows[0] == tuple(store["a"].tolist())


def test_dtype_is_checked_and_reported(tmp_path):
    with pytest.raises(
        ValueError, match='dtype must be one of "float32", "float16", "bfloat16", "int8", not "float64"'
    ):
        convert_text(tmp_path, SMALL, dtype="float64")
    report = convert_text(tmp_path, SMALL, dtype="int8")
    assert report.dtype == "int8"
    assert "4 int8" in str(report)


def test_a_scales_section_that_is_missing_or_harmed_is_found(tmp_path):
    path = convert_text(tmp_path, SMALL, dtype="int8").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(embmap.FormatError, match="Scales does not match"):
        embmap.open(path).verify()
    as_int8 = bytearray(convert_text(tmp_path, SMALL).path.read_bytes())
    as_int8[16] = 3
    as_int8[68:72] = bytes(4)

    as_int8[68:72] = zlib.crc32(as_int8[:4096]).to_bytes(4, "little")
    path.write_bytes(as_int8)
    with pytest.raises(embmap.FormatError, match="section Scales is missing"):
        embmap.open(path)
