"""A small source of every kind that Python's libraries read, for tests and fuzzing: the words `WORDS`, the rows `ROWS`."""

import base64
import json
import pickle
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np

WORDS = ["king", "queen", "new york", "straße"]
ROWS = np.array([[0.5, -0.25, 1e-3], [1.5, 2.25, -3], [0, 0, 7], [1e10, -1e-10, 0.1]], np.float32)
# Of which the words are elsewhere.
NUMBERS = (
    "npy",
    "fortran.npy",
    "safetensors",
    "bfloat16",
    "pt",
    "h5",
    "fvecs",
    "fbin",
    "tsv",
    "csv",
    "npz",
    "matrix.json",
)


def samples(folder: Path) -> dict[str, Path]:
    """Write all of them, those for which a package is missing left out."""
    made = {}

    def at(name: str) -> Path:
        made[name] = folder / f"sample.{name}"
        return made[name]

    np.save(at("npy"), ROWS)
    np.save(at("fortran.npy"), np.asfortranarray(ROWS))
    np.savez(at("npz"), vectors=ROWS)
    np.savez_compressed(at("words.npz"), words=np.array(WORDS), vectors=ROWS)
    _safetensors(at("safetensors"), "F32", ROWS.tobytes())
    _safetensors(at("bfloat16"), "BF16", (ROWS.view(np.uint32) >> 16).astype("<u2").tobytes())
    made["bfloat16"] = made["bfloat16"].rename(folder / "bfloat16.safetensors")
    records = np.zeros(len(ROWS), np.dtype([("dim", "<i4"), ("row", "<f4", ROWS.shape[1])]))
    records["dim"], records["row"] = ROWS.shape[1], ROWS
    at("fvecs").write_bytes(records.tobytes())
    at("fbin").write_bytes(struct.pack("<II", *ROWS.shape) + ROWS.tobytes())
    np.savetxt(at("tsv"), ROWS, delimiter="\t", fmt="%.9g")
    np.savetxt(at("csv"), ROWS, delimiter=",", fmt="%.9g")
    at("dict.pkl").write_bytes(pickle.dumps(dict(zip(WORDS, ROWS, strict=True)), 4))
    at("polyglot.pkl").write_bytes(pickle.dumps((tuple(WORDS), ROWS), 2))
    lines = (json.dumps({"text": w, "embedding": row}) for w, row in zip(WORDS, ROWS.tolist(), strict=True))
    at("jsonl").write_text("".join(f"{line}\n" for line in lines))
    at("json").write_text(json.dumps(dict(zip(WORDS, ROWS.tolist(), strict=True))))
    at("matrix.json").write_text(json.dumps({"ent": ROWS.tolist(), "margin": 1}))
    made["floret"] = folder / "sample.floret"
    made["floret"].write_text(
        "4 3 2 3 2 7 < >\n" + "".join(f"{i} {a!r} {b!r} {c!r} \n" for i, (a, b, c) in enumerate(ROWS.tolist()))
    )
    at("fifu").write_bytes(_finalfusion())
    _magnitude(at("magnitude"))
    _floret(folder / "floret.spacy" / "vocab")
    made["floret.spacy"] = folder / "floret.spacy"
    _spacy(folder / "spacy" / "vocab")
    made["spacy"] = folder / "spacy"
    _tables(folder, made)
    _torch(made, folder)
    _gensim(made, folder)
    _hdf5(made, folder)
    return made


def _safetensors(path: Path, dtype: str, data: bytes) -> None:
    entry = {"dtype": dtype, "shape": ROWS.shape, "data_offsets": [0, len(data)]}
    header = json.dumps({"words.weight": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def _finalfusion() -> bytes:
    texts = b"".join(struct.pack("<I", len(word.encode())) + word.encode() for word in WORDS)
    words = struct.pack("<IQQIII", 7, 20 + len(texts), len(WORDS), 2, 3, 4) + texts
    made = b"FiFu" + struct.pack("<IIII", 0, 2, 7, 2) + words
    # Numbers begin at a multiple of four, behind one to four bytes.
    padding = bytes(4 - len(made) % 4)
    numbers = np.vstack([ROWS, ROWS])
    array = struct.pack("<QII", *numbers.shape, 10) + padding + numbers.tobytes()
    return made + struct.pack("<IQ", 2, len(array)) + array


def _magnitude(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        columns = ", ".join(f"dim_{i} INTEGER" for i in range(ROWS.shape[1]))
        database.execute(f"CREATE TABLE magnitude (key TEXT COLLATE NOCASE, {columns}, magnitude REAL)")
        database.execute("CREATE TABLE magnitude_format (key TEXT COLLATE NOCASE, value INTEGER)")
        for word, row in zip(WORDS, ROWS.astype(float), strict=True):
            length = float(np.linalg.norm(row))
            numbers = [round(number / length * 1e7) for number in row]
            database.execute("INSERT INTO magnitude VALUES (?, ?, ?, ?, ?)", (word, *numbers, length))
        described = {"version": 2, "elmo": 0, "size": len(WORDS), "dim": ROWS.shape[1], "precision": 7}
        database.executemany("INSERT INTO magnitude_format VALUES (?, ?)", described.items())
        database.commit()


def _spacy(folder: Path) -> None:
    from embmap._embmap import spacy_keys

    folder.mkdir(parents=True)
    with (folder / "vectors").open("wb") as file:
        np.save(file, ROWS)
    # One word more than has a row, and a key whose word is gone.
    (folder / "strings.json").write_text(json.dumps(["", "unknown", *reversed(WORDS)]))
    entries = b"".join(
        b"\xcf" + struct.pack(">Q", key) + bytes([row]) for row, key in enumerate(spacy_keys(WORDS).tolist())
    )
    (folder / "key2row").write_bytes(b"\x85" + entries + b"\xcd\x01\x00\xcc\x01")
    (folder / "vectors.cfg").write_text('{"mode": "default"}')


def _floret(folder: Path) -> None:
    folder.mkdir(parents=True)
    with (folder / "vectors").open("wb") as file:
        np.save(file, ROWS)
    (folder / "key2row").write_bytes(b"\x80")
    how = {"mode": "floret", "minn": 2, "maxn": 3, "hash_count": 2, "hash_seed": 7, "bow": "<", "eow": ">"}
    (folder / "vectors.cfg").write_text(json.dumps(how))


def _tables(folder: Path, made: dict[str, Path]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import feather, ipc, parquet
    except ImportError:
        return
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.reshape(-1)), ROWS.shape[1])
    table = pa.table({"id": list(range(len(WORDS))), "word": WORDS, "vector": fixed})
    made["parquet"] = folder / "sample.parquet"
    parquet.write_table(table, made["parquet"])
    made["feather"] = folder / "sample.feather"
    feather.write_feather(table, made["feather"])
    made["arrow"] = folder / "sample.arrow"
    with ipc.new_stream(made["arrow"], table.schema) as stream:
        stream.write_table(table)
    texts = [base64.b64encode(row.tobytes()).decode() for row in ROWS]
    made["base64"] = folder / "base64.parquet"
    parquet.write_table(pa.table({"token": WORDS, "embedding": texts}), made["base64"])
    made["folder"] = folder / "parts"
    made["folder"].mkdir()
    lists = pa.table({"name": WORDS, "values": [row.tolist() for row in ROWS]})
    parquet.write_table(lists.slice(0, 3), made["folder"] / "0.parquet")
    parquet.write_table(lists.slice(3), made["folder"] / "1.parquet")


def _torch(made: dict[str, Path], folder: Path) -> None:
    try:
        import torch
    except ImportError:
        return
    made["pt"] = folder / "sample.pt"
    torch.save({"model": {"embedding.weight": torch.from_numpy(ROWS), "bias": torch.ones(3)}}, made["pt"])


def _gensim(made: dict[str, Path], folder: Path) -> None:
    try:
        from gensim.models import FastText, KeyedVectors
    except ImportError:
        return
    keyed = KeyedVectors(ROWS.shape[1])
    keyed.add_vectors(WORDS, ROWS)
    made["kv"], made["apart.kv"] = folder / "sample.kv", folder / "apart.kv"
    keyed.save(str(made["kv"]))
    keyed.save(str(made["apart.kv"]), sep_limit=0)
    made["fasttext.kv"] = folder / "fasttext.kv"
    FastText([WORDS * 5], vector_size=3, min_count=1, bucket=5, seed=1, workers=1).wv.save(str(made["fasttext.kv"]))


def _hdf5(made: dict[str, Path], folder: Path) -> None:
    try:
        import h5py
    except ImportError:
        return
    made["h5"], made["pandas.h5"] = folder / "sample.h5", folder / "pandas.h5"
    with h5py.File(made["h5"], "w") as file:
        file["embeddings"] = ROWS
    with h5py.File(made["pandas.h5"], "w") as file:
        file["mat/axis0"] = np.arange(3)
        file["mat/axis1"] = [word.encode() for word in WORDS]
        file["mat/block0_items"] = np.arange(3)
        file["mat/block0_values"] = ROWS
