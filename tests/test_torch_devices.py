"""How rows reach a device: by a ring of buffers, never from a map that is handed out."""

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, reads_proc, store_of

import embmap
from embmap._export import to_device
from embmap._export.to_device import Ring, rows_on

STORED = ["float32", "float16", "bfloat16", "int8"]
WANTED = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


class Late:
    """A device whose copies begin when someone waits for them, as late as a device may."""

    asynchronous = True

    def __init__(self):
        self.made = self.matrices = 0
        self._copies = []
        self.pinned = self.pins = 0
        self.pinned_at_most = None

    def buffer(self, nbytes):
        self.made += 1
        return torch.empty(nbytes, dtype=torch.uint8)

    def pin(self, memory, *, read_only):
        if self.pinned_at_most is None or self.pins >= self.pinned_at_most:
            return None
        assert memory.data_ptr() % mmap.PAGESIZE == 0 or not read_only
        self.pins += 1
        self.pinned += 1

        def unpin():
            assert not self._copies, "unpinned before it was read"
            self.pinned -= 1

        return unpin

    def matrix(self, rows, columns, dtype):
        self.matrices += 1
        return torch.zeros(rows, columns, dtype=dtype)

    def copy(self, work):
        self._copies.append(work)

        def wait():
            while work in self._copies:
                self._copies.pop(0)()

        return wait

    def end(self, matrix):
        while self._copies:
            self._copies.pop(0)()


@pytest.fixture
def late(monkeypatch):
    """Send what goes to the meta device's stand-in, the CPU under another name, through a late link."""
    link = Late()
    ring = Ring(link, slots=3, slot_bytes=100)
    monkeypatch.setattr(to_device, "ring_of", lambda device: ring)
    # Macs have larger pages, on which the pieces would be others.
    monkeypatch.setattr(mmap, "PAGESIZE", 4096)
    # Nothing is gathered in place: all of it travels.
    monkeypatch.setattr(to_device, "_stays", lambda device, dtype: False)
    return link


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", WANTED)
def test_rows_that_travel_are_those_that_stay(tmp_path, late, stored, dtype):
    store = store_of(tmp_path, "".join(f"w{i} {i} {-i}.25 {i}e-3 0.1\n" for i in range(200)), dtype=stored)
    whole = rows_on(store, None, "cpu", dtype, spare=1)
    assert late.matrices == 1
    assert late.made == 3
    expected = torch.from_numpy(store.take(np.arange(200))).to(dtype)
    assert torch.equal(whole[:200], expected)
    assert not whole[200].any()
    ids = np.array([3, 199, -1, 3, 0])
    some = rows_on(store, ids, "cpu", dtype)
    assert torch.equal(some, whole[torch.tensor([3, 199, 200, 3, 0])])
    with pytest.raises(IndexError):
        rows_on(store, np.array([0, 200]), "cpu", dtype)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", [*WANTED, torch.int8])
@pytest.mark.parametrize("most", [0, 1, 2, 100])
def test_a_matrix_that_is_pinned_where_it_is_arrives_as_it_is(tmp_path, late, monkeypatch, stored, dtype, most):
    monkeypatch.setattr(to_device, "WORTH_PINNING", 0)
    monkeypatch.setattr(to_device, "PINNED_BYTES", 1)
    late.pinned_at_most = most
    store = store_of(tmp_path, "".join(f"w{i} {i} {-i}.25 {i}e-3 0.1 7\n" for i in range(9000)), dtype=stored)
    expected = torch.from_numpy(store.take(np.arange(9000))).to(dtype)
    whole = rows_on(store, None, "cpu", dtype, spare=2)
    assert torch.equal(whole[:9000], expected)
    assert not whole[9000:].any()
    # Some 1,024 rows of float32 are the fewest that take whole pages. What becomes narrower travels so, from buffers.
    pieces = {"float32": 9, "float16": 5, "bfloat16": 5, "int8": 3}[stored]
    narrower = dtype == torch.int8 or (stored == "float32" and dtype.itemsize == 2)
    assert late.pins == (0 if narrower else min(most, pieces))
    assert late.pinned == 0
    assert (late.made == 0) == (late.pins > 0)


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float64])
@pytest.mark.parametrize("most", [0, 100])
def test_a_matrix_of_a_task_arrives_as_it_is(late, monkeypatch, dtype, most):
    monkeypatch.setattr(to_device, "WORTH_PINNING", 0)
    late.pinned_at_most = most
    array = np.random.default_rng(0).normal(size=(100, 7)).astype("f4")
    for source in (array, array[:0], array.copy()[10:20]):
        found = to_device.array_on(source, "cuda", dtype)
        assert torch.equal(found, torch.from_numpy(source).to(dtype or torch.float32))
    # A view may be of memory that others write to, or of a file.
    assert late.pins == (1 if most and dtype != torch.float16 else 0)
    assert late.pinned == 0


def test_pins_end_where_a_copy_fails(tmp_path, late, monkeypatch):
    monkeypatch.setattr(to_device, "WORTH_PINNING", 0)
    late.pinned_at_most = 100
    late.copy = lambda work: (_ for _ in ()).throw(RuntimeError("gone"))
    with pytest.raises(RuntimeError, match="gone"):
        rows_on(store_of(tmp_path, SMALL), None, "cpu", torch.float32)
    assert (late.pins, late.pinned) == (1, 0)


def test_without_a_driver_nothing_is_pinned(store):
    from embmap._export import in_place

    matrix = store._vectors_in_place()
    assert in_place.pin(matrix.ctypes.data, matrix.nbytes, torch.device("cpu"), read_only=True) is None
    assert in_place.shown_on(torch.device("cpu"), matrix, torch.float32) is None


def test_a_row_wider_than_a_buffer_travels(tmp_path, late):
    store = store_of(tmp_path, "a " + "1 " * 64 + "2\nb " + "3 " * 65 + "\n")
    assert rows_on(store, None, "cpu", torch.float32)[:, 63:].tolist() == [[1, 2], [3, 3]]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("mode", ["cow", "readonly", "copy"])
def test_the_meta_device_reads_nothing(tmp_path, stored, mode):
    store = store_of(tmp_path, SMALL, dtype=stored)
    table = embmap.torch.tensor(store, mode=mode, device="meta")
    assert (table.device.type, table.shape) == ("meta", (6, 4))
    assert embmap.torch.embedding(store, device="meta", padding_idx=6).weight.shape == (7, 4)


def anonymous():
    """Kilobytes of this process's own memory."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    rows = np.random.default_rng(0).normal(size=(60_000, 200)).astype("f4")
    embmap.write(folder / "large.embmap", [f"w{i}" for i in range(len(rows))], rows)
    return embmap.open(folder / "large.embmap")


@reads_proc
def test_no_page_of_a_map_becomes_memory_of_this_process(large):
    size = large.vectors.nbytes // 1024
    layer = embmap.torch.embedding(large, padding_idx=len(large))
    layer(torch.arange(0, 60_000, 7))
    embmap.torch.tensor(large, device="meta")
    before = anonymous()
    layer = embmap.torch.embedding(large)
    assert layer.weight[:, 0].sum().isfinite()
    embmap.torch.tensor(large, device="meta", dtype=torch.float16)
    assert anonymous() - before < size / 20
    half = embmap.torch.tensor(large, dtype=torch.float16)
    assert half.dtype == torch.float16
    # The copy, and not the file beside it.
    assert anonymous() - before < 0.6 * size


@reads_proc
def test_what_travels_is_the_copy_and_the_ring(large, monkeypatch):
    ring = Ring(Late(), slots=4, slot_bytes=1 << 20)
    monkeypatch.setattr(to_device, "ring_of", lambda device: ring)
    monkeypatch.setattr(to_device, "_stays", lambda device, dtype: False)
    size = large.vectors.nbytes // 1024
    before = anonymous()
    moved = rows_on(large, None, "cpu", torch.float32)
    assert anonymous() - before < 1.1 * size + 8 * 1024
    assert torch.equal(moved, embmap.torch.tensor(large, mode="readonly"))


def test_copies_are_waited_for_where_filling_fails(late):
    matrices = []
    late.matrix = lambda *shape, make=late.matrix: matrices.append(make(*shape)) or matrices[0]

    def fill(start, rows):
        if start >= 20:
            raise OSError("gone")
        rows.fill_(1)

    with pytest.raises(OSError, match="gone"):
        to_device.ring_of(None).send(40, 5, torch.float32, torch.float32, fill)
    assert matrices[0][:20].all()
    assert not late._copies
