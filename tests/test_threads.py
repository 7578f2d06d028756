"""Where the system makes no more threads, fewer do the work, or it is an OSError: never a hang, never a crash."""

import os
import subprocess
import sys

import numpy as np
import pytest

import embmap

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux does"),
    pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="all but root have threads that count"),
]

# So many threads more may be made. Root is not counted, nobody is; what is imported later must be there already.
PROGRAM = """
import os, resource, sys
import numpy as np
import embmap
import embmap._export.exports, embmap._ingest.readers.choose, embmap._ingest.readers.rows
folder, more, call = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# What another user has left in a folder of everyone's is not replaced.
out = f"{folder}/out/{os.getpid()}"
os.mkdir(out)
os.chmod(out, 0o777)
store = embmap.open(folder + "/s.embmap")
store.lookup(["w1"]), store.neighbors("w1", k=1)
if os.getuid() == 0:
    os.setgid(61234)
    os.setuid(61234 + os.getpid() % 1000)
resource.setrlimit(resource.RLIMIT_NPROC, (1 + more, 1 + more))
try:
    eval(call)
except OSError as error:
    assert error.errno == 11, error
    print("refused")
else:
    print("done")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    words = [f"w{i}" for i in range(60_000)]
    embmap.write(folder / "s.embmap", words, np.random.default_rng(0).normal(size=(60_000, 50)).astype(np.float32))
    embmap.open(folder / "s.embmap").export(folder / "v.txt", "glove")
    for path in (folder, *folder.parents):
        if path.owner() == folder.owner() and path != path.parent:
            path.chmod(path.stat().st_mode | 0o755)
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    return folder


# What can do without a thread must; what needs one to answer Ctrl-C beside it may be refused.
@pytest.mark.parametrize("more", [0, 1, 2, 6])
@pytest.mark.parametrize(
    ("call", "needs_one"),
    [
        ("store.indices(['w7'] * 200_000)", False),
        ("store.indices(np.array(['w7'] * 200_000))", False),
        ("store.lookup([['w1', 'w2']] * 100_000, pool='mean')", False),
        ("store.take(np.arange(60_000))", False),
        ("store.neighbors(store.take(range(64)))", False),
        ("store.matrix([f'w{i}' for i in range(90_000)])", False),
        ("store.preload()", False),
        ("store.export(out + '/v.txt', 'glove')", True),
        ("store.export(out + '/v.safetensors')", True),
        ("store.select(['w1', 'w2'], out + '/s.embmap')", True),
        ("embmap.convert(folder + '/v.txt', out + '/c.embmap', screen=True)", True),
    ],
)
def test_a_thread_that_cannot_be_made_is_no_hang(folder, call, needs_one, more):
    command = [sys.executable, "-c", PROGRAM, str(folder), str(more), call]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout in ({"done\n", "refused\n"} if needs_one and more < 6 else {"done\n"})
