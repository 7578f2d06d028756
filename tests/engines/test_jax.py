"""`embmap.jax`: arrays of the whole table, in one piece or in the parts of a sharding."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import flax.nnx
import jax
import numpy as np
import pytest
from conftest import SMALL, store_of

import embmap


def values(store):
    return store.take(np.arange(len(store)))


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16", "int8"])
def test_the_whole_table(tmp_path, stored):
    store = store_of(tmp_path, SMALL, dtype=stored)
    table = embmap.jax.array(store)
    assert table.dtype == ("float32" if stored == "int8" else stored)
    assert np.array_equal(np.asarray(table, np.float32), values(store))
    half = embmap.jax.array(store, dtype="float16")
    assert np.array_equal(half, values(store).astype(np.float16))


def test_examples(store):
    for test in doctest.DocTestFinder(exclude_empty=True).find(embmap.jax, globs={"embmap": embmap, "store": store}):
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_no_copy_is_made_on_a_cpu(store):
    table = embmap.jax.array(store)
    assert table.unsafe_buffer_pointer() == store._vectors_shared().ctypes.data
    changed = table.at[0].set(5)
    assert changed[0, 0] == 5
    assert table[0, 0] == store["king"][0]


def test_the_table_of_a_layer(store):
    matrix = store.matrix(["", "king", "queen"])
    layer = flax.nnx.Embed(3, 4, embedding_init=embmap.jax.initializer(matrix), rngs=flax.nnx.Rngs(0))
    assert np.array_equal(layer(np.array([1])), [store["king"]])
    whole = flax.nnx.Embed(6, 4, embedding_init=embmap.jax.initializer(store), rngs=flax.nnx.Rngs(0))
    assert np.array_equal(jax.jit(lambda ids: whole(ids))(np.array([5])), [store["pear"]])
    with pytest.raises(ValueError, match=r"shape \(3, 5\), the vectors \(3, 4\)"):
        flax.nnx.Embed(3, 5, embedding_init=embmap.jax.initializer(matrix), rngs=flax.nnx.Rngs(0))


def test_each_device_has_its_own_part(tmp_path):
    store = store_of(tmp_path, "".join(f"w{i} {i} {i}.5 1 -{i}\n" for i in range(8)))
    code = """
import json, sys
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
import embmap
store = embmap.open(sys.argv[1])
mesh = jax.make_mesh((4,), ("x",))
told = []
for spec in (P("x"), P(None, "x"), P()):
    table = embmap.jax.array(store, NamedSharding(mesh, spec))
    parts = [list(shard.data.shape) for shard in table.addressable_shards]
    told.append([parts, bool((np.asarray(table) == store.vectors).all()), str(table.dtype)])
print(json.dumps(told))
"""
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu", "PATH": "/usr/bin"}
    found = subprocess.run(
        [sys.executable, "-c", code, store.path], capture_output=True, text=True, check=True, env=environment
    )
    rows, columns, whole = json.loads(found.stdout)
    assert rows == [[[2, 4]] * 4, True, "float32"]
    assert columns == [[[8, 1]] * 4, True, "float32"]
    assert whole == [[[8, 4]] * 4, True, "float32"]


@pytest.mark.gpu
@pytest.mark.skipif(jax.default_backend() != "gpu", reason="no GPU that JAX knows")
@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16", "int8"])
def test_a_table_on_a_gpu(tmp_path, stored):
    def anonymous():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    rows = np.random.default_rng(0).normal(size=(90_000, 200)).astype("f4")
    embmap.write(tmp_path / "large.embmap", [f"w{i}" for i in range(len(rows))], rows, dtype=stored)
    store = embmap.open(tmp_path / "large.embmap")
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    for where in (None, sharding):
        for dtype in (None, "float16"):
            table = jax.block_until_ready(embmap.jax.array(store, where, dtype=dtype))
            assert table.devices() == {jax.devices()[0]}
            before = anonymous()
            table = jax.block_until_ready(embmap.jax.array(store, where, dtype=dtype))
            if stored != "int8" and dtype is None:
                assert anonymous() - before < table.nbytes // 1024 / 5
            expected = values(store).astype(dtype or np.float32)
            assert np.array_equal(np.asarray(table, expected.dtype), expected)
