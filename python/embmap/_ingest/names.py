"""What names of sources end in, and the names of the stores that are made of them."""

from __future__ import annotations

from pathlib import Path

PACKED = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zip", ".tar", ".tgz", ".tbz2", ".txz")
PLAIN = (
    *(".txt", ".vec", ".emb", ".tsv", ".csv", ".bin", ".ftz", ".embmap"),
    *(".npy", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".kv", ".model", ".pkl"),
    *(".parquet", ".arrow", ".feather", ".jsonl", ".ndjson", ".floret", ".fifu", ".magnitude"),
    *(".fvecs", ".bvecs", ".ivecs", ".fbin", ".u8bin", ".i8bin", ".ibin"),
)
# What names of sources end in, and names of models do not.
SUFFIXES = (*PACKED, *PLAIN, ".safetensors")


def default_target(source: Path, member: str | None) -> Path:
    """Give `vectors.txt` the store `vectors.embmap`, and `glove.6B.zip` that of its member."""
    if source == Path("-"):
        raise ValueError("the standard input has no place of its own: say where the store goes")
    if source.is_dir():
        source = source.resolve()
        return source.with_name(source.name + ".embmap")
    path = source
    while path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    if member is not None:
        path = path.with_name(Path(member).name)
        while path.suffix.lower() in PACKED:
            path = path.with_suffix("")
    # Among other files, one of JSON is mostly no vectors.
    if path.suffix.lower() in (*PLAIN, ".json"):
        return path.with_suffix(".embmap")
    return path.with_name(path.name + ".embmap")
