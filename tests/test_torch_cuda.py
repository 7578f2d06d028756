"""Tables, layers and rows on a CUDA device."""

import io
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, reads_proc, store_of

import embmap
from embmap._export import to_device
from embmap.torch import HostEmbedding

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
STORED = ["float32", "float16", "bfloat16", "int8"]
WANTED = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
# Far longer than a batch takes.
CYCLES = 2_000_000_000


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Stores of every type, of more rows than the ring holds."""
    folder = tmp_path_factory.mktemp("tables")
    rows = np.random.default_rng(0).normal(size=(90_000, 200)).astype("f4")
    rows[5] = 0
    for stored in STORED:
        embmap.write(folder / f"{stored}.embmap", [f"w{i}" for i in range(len(rows))], rows, dtype=stored)
    return {stored: embmap.open(folder / f"{stored}.embmap") for stored in STORED}


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.detach().cpu(), other.detach().cpu())


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", [None, *WANTED])
def test_a_table_on_the_device_is_the_one_on_the_host(tables, stored, dtype):
    moved = embmap.torch.tensor(tables[stored], device="cuda", dtype=dtype)
    assert moved.is_cuda
    assert same(moved, embmap.torch.tensor(tables[stored], dtype=dtype))
    padded = embmap.torch.embedding(tables[stored], device="cuda", dtype=dtype, padding_idx=90_000).weight
    assert torch.equal(padded[:-1], moved)
    assert not padded[-1].any()


@reads_proc
def test_a_table_that_travels_is_no_memory_of_this_process(tables):
    def anonymous() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    embmap.torch.tensor(tables["float32"], device="cuda")
    size, before = tables["float32"].vectors.nbytes // 1024, anonymous()
    for _ in range(3):
        embmap.torch.tensor(tables["float32"], device="cuda")
    assert anonymous() - before < size / 20
    layer = HostEmbedding(tables["float32"], device="cuda", zero_copy=True)
    layer(torch.arange(0, 90_000, 7))
    assert anonymous() - before < size / 20


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float64])
def test_rows_of_a_task_on_the_device(tables, dtype):
    words = ["", *(f"w{i}" for i in range(0, 90_000, 3)), "unheard-of"]
    here = embmap.torch.embedding(tables["float32"], words, dtype=dtype)
    there = embmap.torch.embedding(tables["float32"], words, dtype=dtype, device="cuda")
    assert there.weight.is_cuda
    assert there.padding_idx == here.padding_idx == 0
    assert same(there.weight, here.weight)
    bag = embmap.torch.embedding_bag(tables["float32"], padding_idx=90_000, device="cuda")
    ids = torch.tensor([[1, 2, 90_000], [90_000] * 3])
    rows = torch.from_numpy(tables["float32"].take([1, 2]))
    torch.testing.assert_close(bag(ids.cuda()).cpu(), torch.stack([rows.mean(0), torch.zeros(200)]))


@pytest.mark.parametrize("stored", STORED)
def test_rows_that_are_asked_for(tmp_path, stored):
    store = store_of(tmp_path, SMALL, dtype=stored)
    layer = HostEmbedding(store, device="cuda", padding_idx=6)
    table = torch.cat([embmap.torch.tensor(store, device="cuda"), torch.zeros(1, 4, device="cuda")])
    for ids in (torch.tensor([[5, 6], [1, 2]]), torch.tensor([[5, 6], [1, 2]], device="cuda")):
        rows = layer(ids)
        assert rows.is_cuda
        assert torch.equal(rows, table[ids.cuda()])
    assert layer(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0, 4)
    for wrong in (torch.tensor([7]), torch.tensor([-1], device="cuda")):
        with pytest.raises(IndexError):
            layer(wrong)
    assert HostEmbedding(store).cuda()(torch.tensor([1])).is_cuda


@pytest.mark.parametrize("hot", [0, 1000, 10**9])
@pytest.mark.parametrize("stored", STORED)
def test_batches_of_any_size_one_after_the_other(tables, stored, hot):
    table = torch.cat([embmap.torch.tensor(tables[stored]), torch.zeros(1, 200)]).cuda()
    layer = HostEmbedding(tables[stored], device="cuda", padding_idx=90_000, hot=hot)
    generator = torch.Generator().manual_seed(0)
    wanted = [torch.randint(0, 90_001, (n,), generator=generator) for n in (0, 1, 7, 1023, 1024, 5000, 60_000) * 3]
    # Rows that are still on their way are not overwritten by the next ones.
    rows = [layer(ids) for ids in wanted]
    assert all(torch.equal(found, table[ids.cuda()]) for found, ids in zip(rows, wanted, strict=True))
    for ids, following in itertools.pairwise(wanted):
        found = layer(ids)
        layer.prefetch(following)
        assert torch.equal(found, table[ids.cuda()])


def test_rows_are_fetched_ahead_beside_the_work_of_the_device(tables):
    table = embmap.torch.tensor(tables["float32"], device="cuda")
    ids = torch.randint(0, 90_000, (20_000,), generator=torch.Generator().manual_seed(0))
    for hot in (0, 1000):
        layer = HostEmbedding(tables["float32"], device="cuda", hot=hot)
        layer.prefetch(ids)
        layer(ids)
        torch.cuda.synchronize()
        torch.cuda._sleep(CYCLES)
        layer.prefetch(ids)
        _, arrived = layer._ahead[3].result()
        arrived.synchronize()
        assert not torch.cuda.current_stream().query(), "the rows waited for the work before them"
        found = layer(ids)
        assert torch.equal(found, table[ids.cuda()])


def test_rows_that_are_asked_for_do_not_wait_on_the_host_for_the_device(tables):
    ids = torch.randint(0, 90_000, (20_000,), generator=torch.Generator().manual_seed(0))
    layer = HostEmbedding(tables["float32"], device="cuda", hot=1000)
    layer(ids)
    torch.cuda.synchronize()
    torch.cuda._sleep(CYCLES)
    found = layer(ids)
    assert not torch.cuda.current_stream().query(), "the host waited for the device"
    assert torch.equal(found, embmap.torch.tensor(tables["float32"], device="cuda")[ids.cuda()])


def test_rows_are_there_for_the_stream_that_asks(tables):
    table = embmap.torch.tensor(tables["float32"], device="cuda")
    layer = HostEmbedding(tables["float32"], device="cuda")
    ids = torch.randint(0, 90_000, (20_000,), generator=torch.Generator().manual_seed(0))
    expected = table[ids.cuda()].sum()
    torch.cuda.synchronize()
    for ahead in (False, True) * 5:
        if ahead:
            layer.prefetch(ids)
        with torch.cuda.stream(torch.cuda.Stream()):
            assert torch.equal(layer(ids).sum(), expected)


@pytest.mark.parametrize("hot", [0, 1000])
@pytest.mark.parametrize("stored", STORED)
def test_rows_are_read_in_place(tables, stored, hot):
    table = embmap.torch.tensor(tables[stored])
    table = torch.cat([table, torch.zeros(1, 200, dtype=table.dtype)]).cuda()
    layer = HostEmbedding(tables[stored], device="cuda", padding_idx=90_000, hot=hot, zero_copy=True)
    assert layer._shown is not None
    generator = torch.Generator().manual_seed(0)
    for n in (0, 1, 1000, 60_000):
        ids = torch.randint(0, 90_001, (n,), generator=generator)
        assert torch.equal(layer(ids), table[ids.cuda()])
        assert torch.equal(layer(ids.cuda()), table[ids.cuda()])
    # Others of the same table use the same pins, and so does what is sent as a whole.
    other = HostEmbedding(tables[stored], device="cuda", zero_copy=True, dtype=torch.float16)
    assert other._shown._table.data_ptr() == layer._shown._table.data_ptr()
    assert same(embmap.torch.tensor(tables[stored], device="cuda"), table[:-1])
    ids = torch.tensor([[5, 89_999]])
    assert torch.equal(other(ids), table[ids.cuda()].half())
    del layer
    assert torch.equal(other.float()(ids), table[ids.cuda()])
    del other
    assert same(embmap.torch.tensor(tables[stored], device="cuda"), table[:-1])
    with pytest.raises(IndexError):
        HostEmbedding(tables[stored], device="cuda", zero_copy=True)(torch.tensor([90_000]))


def test_rows_that_are_read_in_place_wait_for_nothing(tables):
    table = embmap.torch.tensor(tables["float32"], device="cuda")
    layer = HostEmbedding(tables["float32"], device="cuda", zero_copy=True, hot=10)
    ids = torch.randint(0, 90_000, (20_000,)).cuda()
    layer(ids)
    graph, out = torch.cuda.CUDAGraph(), None
    with torch.cuda.graph(graph):
        out = layer(ids)
    ids.copy_(torch.arange(20_000))
    graph.replay()
    assert torch.equal(out, table[:20_000])
    torch.cuda._sleep(CYCLES)
    found = layer(ids)
    assert not torch.cuda.current_stream().query(), "the host waited for the device"
    assert torch.equal(found, table[:20_000])


def test_a_layer_that_reads_in_place_moves_and_is_saved(tables):
    ids = torch.tensor([[5, 89_999]])
    expected = embmap.torch.tensor(tables["float32"])[ids]
    layer = HostEmbedding(tables["float32"], zero_copy=True)
    assert layer._shown is None
    assert torch.equal(layer.cuda()(ids).cpu(), expected)
    assert layer._shown is not None
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    again = torch.load(saved, weights_only=False)
    assert repr(again) == "HostEmbedding(90000, 200, zero_copy=True)"
    assert torch.equal(again.cuda()(ids).cpu(), expected)
    assert torch.equal(layer.cpu()(ids), expected)
    store = embmap.open(tables["float32"].path)
    layer = HostEmbedding(store, device="cuda", zero_copy=True)
    found = layer(ids)
    del layer, store
    assert torch.equal(found.cpu(), expected)


def test_threads_share_the_ring(tables):
    whole, wrong = embmap.torch.tensor(tables["float32"]), []

    def work() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(5):
                moved = embmap.torch.tensor(tables["float32"], device="cuda")
                if not same(moved, whole):
                    wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_error_leaves_the_ring_as_it_was(tables):
    with pytest.raises(IndexError):
        to_device.rows_on(tables["float32"], np.array([0, 90_000]), "cuda", None)
    assert same(embmap.torch.tensor(tables["float32"], device="cuda"), embmap.torch.tensor(tables["float32"]))


def test_moving_the_layer_moves_its_rows(store):
    layer, ids, table = HostEmbedding(store, hot=3), torch.arange(6), embmap.torch.tensor(store)
    assert torch.equal(layer.cuda().half()(ids).cpu(), table.half())
    assert torch.equal(layer.float().cpu()(ids), table)
    assert torch.equal(layer.to("meta").to_empty(device="cuda")(ids).cpu(), table)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
def test_what_it_learns_on_the_device_is_what_an_embedding_learns(store):
    table = torch.cat([embmap.torch.tensor(store), torch.zeros(1, 4)])
    plain = torch.nn.Embedding.from_pretrained(table.clone(), freeze=False, sparse=True, padding_idx=6).cuda()
    layer = HostEmbedding(store, padding_idx=6, learn=True).cuda()
    assert layer.weight.device.type == "cpu"
    for module in (plain, layer):
        learning = torch.optim.SGD(module.parameters(), lr=0.5)
        for ids in (torch.tensor([[1, 2, 6], [2, 2, 5]]), torch.tensor([[5, 1, 6]])):
            learning.zero_grad()
            (module(ids.cuda()).sum(1) ** 2).sum().backward()
            learning.step()
    every = torch.arange(7).cuda()
    with torch.no_grad():
        torch.testing.assert_close(layer(every), plain(every))
    assert layer.state_dict()["learned_ids"].tolist() == [1, 2, 5]


@pytest.mark.parametrize("zero_copy", [False, True])
def test_compilers_meet_one_operator_on_the_device(store, zero_copy):
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = HostEmbedding(store, padding_idx=6, device="cuda", hot=2, zero_copy=zero_copy)
            self.linear = torch.nn.Linear(4, 2, device="cuda")

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.linear(self.rows(ids).sum(1))

    model, ids = Model(), torch.tensor([[1, 2, 6], [0, 5, 3]])
    with torch.no_grad():
        expected = model(ids)
        torch.testing.assert_close(torch.compile(model, backend="aot_eager", fullgraph=True)(ids), expected)
        torch.testing.assert_close(torch.export.export(model, (ids,)).module()(ids), expected)


def test_tensors_on_a_gpu_are_queries(store):
    rows = torch.rand(3, 4, device="cuda", requires_grad=True)
    expected = store.neighbors(rows.detach().cpu().numpy(), k=2)
    assert np.array_equal(store.neighbors(rows, k=2)[0], expected[0])
    assert np.array_equal(store.neighbors(rows[0], k=2)[0], expected[0][0])
