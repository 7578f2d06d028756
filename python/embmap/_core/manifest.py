"""What a folder says of the stores in it that hold one set of vectors together: which they are, and in which order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import FormatError

NAME = "shards.json"
_VERSION = 1


@dataclass(frozen=True)
class Shard:
    """One store of a folder."""

    file: str
    rows: int
    identity: bytes


@dataclass(frozen=True)
class Manifest:
    """The stores of a folder, in the order of their rows, and what is known of all."""

    shards: tuple[Shard, ...]
    metadata: dict[str, Any]

    @property
    def identity(self) -> bytes:
        """Sixteen bytes that follow from those of the stores."""
        import hashlib  # Slow to import, and seldom needed.

        return hashlib.blake2b(b"".join(shard.identity for shard in self.shards), digest_size=16).digest()

    def write(self, folder: Path) -> None:
        """Write it into a folder, whose stores are there already."""
        shards = [{"file": s.file, "rows": s.rows, "identity": s.identity.hex()} for s in self.shards]
        content = {"embmap_shards": _VERSION, "shards": shards, "metadata": self.metadata}
        (folder / NAME).write_text(
            json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n"
        )

    @staticmethod
    def read(folder: Path) -> Manifest:
        """Read that of a folder; FormatError where it is none, FileNotFoundError where there is none."""
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["embmap_shards"]
            if version != _VERSION:
                raise FormatError(
                    f"{path}: version {version!r} of sharded stores, this one reads {_VERSION}: upgrade embmap"
                )
            shards = tuple(
                Shard(str(s["file"]), int(s["rows"]), bytes.fromhex(s["identity"])) for s in content["shards"]
            )
            metadata = dict(content.get("metadata") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: corrupt: {error!r}; convert or copy the folder again") from error
        # A name that leads elsewhere would open what nobody named.
        if not shards or any(Path(s.file).name != s.file or s.rows < 0 or len(s.identity) != 16 for s in shards):
            raise FormatError(f"{path}: corrupt: no stores, or none that are in the folder; convert or copy it again")
        return Manifest(shards, metadata)
