"""torchtext's `Vectors` over a store, since torchtext is no longer made: change the import, keep the code.

    from torchtext.vocab import GloVe       becomes       from embmap.torchtext import GloVe

=====================================================  =================================================================
torchtext.vocab                                        here
=====================================================  =================================================================
``Vectors(name, cache, url, unk_init, max_vectors)``   the same for a file that is there; `name` may be a store too
``GloVe(name="6B", dim=300)``                          the same for ``glove.6B.300d.txt`` or ``glove.6B.zip`` in `cache`
``FastText(language="en")``                            the same for ``wiki.en.vec`` in `cache`
``CharNGram()``                                        refused: `Vectors` opens its file, as any other
``v.vectors``, ``v[token]``, ``v.get_vecs_by_tokens``  the same
``v.stoi``, ``v.itos``                                 a mapping and a sequence, which equal a dict and a list of the same
``nn.Embedding.from_pretrained(v.vectors)``            the same, or `embmap.torch.embedding`
=====================================================  =================================================================

What differs:

* Nothing is downloaded: where a file is missing, FileNotFoundError (torchtext: RuntimeError) says which one to get.
* The text is converted once, in a second or so, into a store in place of a ``.pt``, which is a pickle and is not read. The
  store goes into `cache` where that is given, and else where `embmap.load` keeps them.
* The tensor is mapped from the file without a copy, and processes share it until one writes; what is written stays there.
* ``unk_init`` gets zeros, where torchtext gives it memory with anything in it.
* Of a word that comes again, the last row is the vector, as there, but the rows before are gone from `vectors` and `itos`.
* A word that is not UTF-8 is an error, where torchtext passes over it: ``on_bad_row="skip"`` does so here. What a header
  says of the number of rows is ignored, as there. All options of `embmap.load` can be given.
* Words with a space inside keep it; torchtext fails.
* ``token in v`` and ``for token in v`` work, on words; torchtext never ends there. `get_vecs_by_tokens` takes any iterable,
  and of an empty one gives a tensor of shape (0, dim).
* An unknown name of `GloVe` is a ValueError, not a KeyError.
* It pickles by its store's path, not with all vectors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import torch

from ._core.manifest import NAME as MANIFEST
from ._core.words import KeyToIndex, Words
from ._embmap import strings
from ._ingest.load import is_store, load
from ._open import opened
from ._store import Store
from .torch import tensor

__all__ = ["CharNGram", "FastText", "GloVe", "Vectors"]

# The archives that were published, and what they have.
_GLOVE = {
    "42B": ("glove.42B.300d.zip", "300"),
    "840B": ("glove.840B.300d.zip", "300"),
    "twitter.27B": ("glove.twitter.27B.zip", "25, 50, 100 or 200"),
    "6B": ("glove.6B.zip", "50, 100, 200 or 300"),
}

UnkInit: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""What makes the vector of an unknown token of zeros, [dim]."""


class Vectors:
    """Words and their vectors, with the methods of torchtext's class of this name.

    Parameters
    ----------
    name : path, or Store
        The file, as it is or in `cache`; whatever `embmap.load` reads.
    cache : path, optional
        The folder of files, ``.vector_cache`` by default.
    url : str, optional
        Where the file is from, for the message where it is missing. An archive of that name in `cache` is read.
    unk_init : callable, optional
        Given zeros of shape (dim,), gives the vector of an unknown token; zeros by default.
    max_vectors : int, optional
        Only the first so many rows.
    **options
        As for `embmap.load`, where `name` is no store.

    Attributes
    ----------
    store : Store
        The store that answers.
    vectors : Tensor, shape (rows, dim)
        Mapped copy-on-write, as `embmap.torch.tensor` gives it.
    dim : int
        The dimension.

    Raises
    ------
    FileNotFoundError
        The file is missing.
    ParseError, OSError
        As `embmap.load` does.
    ValueError
        `name` is a store, which `max_vectors` and `options` cannot change.

    Examples
    --------
    >>> v = embmap.torchtext.Vectors("vectors.txt")
    >>> v["king"]
    tensor([0.9000, 0.8000, 0.1000, 0.0000])
    >>> v.get_vecs_by_tokens(["King", "unheard-of"], lower_case_backup=True)
    tensor([[0.9000, 0.8000, 0.1000, 0.0000],
            [0.0000, 0.0000, 0.0000, 0.0000]])
    """

    def __init__(
        self,
        name: str | os.PathLike[str] | Store,
        cache: str | os.PathLike[str] | None = None,
        url: str | None = None,
        unk_init: UnkInit | None = None,
        max_vectors: int | None = None,
        **options: Any,
    ) -> None:
        file, origin = (None, None) if url is None else (url.rpartition("/")[2], f"get {url}")
        self._open(_stored(name, cache, max_vectors, options, file, origin), unk_init)

    def _open(self, store: Store, unk_init: UnkInit | None) -> None:
        self.store = store
        self.vectors = tensor(store)
        self.dim = store.dim
        self.unk_init = unk_init

    @property
    def stoi(self) -> KeyToIndex:
        """A mapping word -> row."""
        return KeyToIndex(self.store)

    @property
    def itos(self) -> Words:
        """The words in row order."""
        return self.store.words

    def __len__(self) -> int:
        return len(self.store)

    def __contains__(self, token: object) -> bool:
        return token in self.store

    def __iter__(self) -> Iterator[str]:
        return iter(self.store)

    def __getitem__(self, token: str) -> torch.Tensor:
        """Give the vector of a token, a view of `vectors`, [dim]; what `unk_init` gives for an unknown one."""
        row = int(self.store.indices([token])[0])
        return self._unknown() if row < 0 else self.vectors[row]

    def get_vecs_by_tokens(self, tokens: str | Iterable[str], lower_case_backup: bool = False) -> torch.Tensor:
        """Copy the vectors of tokens.

        Parameters
        ----------
        tokens : str, or iterable of str
        lower_case_backup : bool
            Look a token that is unknown up in lower case.

        Returns
        -------
        Tensor, shape (dim,) for one token, (n, dim) for several
            Unknown ones are what `unk_init` gives.
        """
        asked = [tokens] if isinstance(tokens, str) else strings(tokens)
        rows = torch.from_numpy(self.store.indices(asked))
        if lower_case_backup:
            absent = (rows < 0).nonzero().flatten()
            rows[absent] = torch.from_numpy(self.store.indices([asked[i].lower() for i in absent.tolist()]))
        found = self.vectors[rows.clamp(min=0)] if len(self) else self.vectors.new_zeros(len(asked), self.dim)
        for i in (rows < 0).nonzero().flatten().tolist():
            found[i] = self._unknown()
        return found[0] if isinstance(tokens, str) else found

    def _unknown(self) -> torch.Tensor:
        zeros = torch.zeros(self.dim, dtype=self.vectors.dtype)
        return zeros if self.unk_init is None else self.unk_init(zeros)

    def __reduce__(self) -> tuple[Any, ...]:
        # By its store's path: a worker maps the same file.
        return _reopen, (type(self), self.store, self.unk_init)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.store!r}>"


class GloVe(Vectors):
    """GloVe's published vectors, of a file that you have downloaded.

    Parameters
    ----------
    name : {"42B", "840B", "twitter.27B", "6B"}
    dim : int
        300; of ``"6B"`` also 50, 100 and 200, of ``"twitter.27B"`` 25, 50, 100 and 200.
    cache, unk_init, max_vectors, **options
        As in `Vectors`.

    Raises
    ------
    ValueError
        There is no such name.
    FileNotFoundError
        Neither ``glove.6B.300d.txt`` nor ``glove.6B.zip`` is in `cache`.

    Examples
    --------
    >>> _ = store.export("glove.6B.50d.txt", "glove")
    >>> embmap.torchtext.GloVe("6B", dim=50, cache=".")["queen"]
    tensor([0.9000, 0.1000, 0.8000, 0.0000])
    """

    def __init__(
        self,
        name: str = "840B",
        dim: int | str = 300,
        *,
        cache: str | os.PathLike[str] | None = None,
        unk_init: UnkInit | None = None,
        max_vectors: int | None = None,
        **options: Any,
    ) -> None:
        if name not in _GLOVE:
            raise ValueError(f"name must be one of {', '.join(map(repr, _GLOVE))}, not {name!r}")
        archive, dims = _GLOVE[name]
        origin = f"the page of the GloVe project at Stanford's NLP group offers {archive}, of dimension {dims}"
        self._open(_stored(f"glove.{name}.{dim}d.txt", cache, max_vectors, options, archive, origin), unk_init)


class FastText(Vectors):
    """fastText's vectors of a Wikipedia, of a file that you have downloaded.

    Parameters
    ----------
    language : str
        Of the Wikipedia, as in ``wiki.en.vec``.
    cache, unk_init, max_vectors, **options
        As in `Vectors`.

    Raises
    ------
    FileNotFoundError
        ``wiki.en.vec`` is not in `cache`.

    Examples
    --------
    >>> _ = store.export("wiki.simple.vec")
    >>> len(embmap.torchtext.FastText("simple", cache="."))
    6
    """

    def __init__(
        self,
        language: str = "en",
        *,
        cache: str | os.PathLike[str] | None = None,
        unk_init: UnkInit | None = None,
        max_vectors: int | None = None,
        **options: Any,
    ) -> None:
        origin = f"the page of fastText's Wiki word vectors offers wiki.{language}.vec, as text"
        self._open(_stored(f"wiki.{language}.vec", cache, max_vectors, options, None, origin), unk_init)


class CharNGram:
    """Refused: NotImplementedError. The vectors of n-grams are summed up by no store; `Vectors` opens their file."""

    def __init__(self, *args: object, **options: object) -> NoReturn:
        raise NotImplementedError(
            "CharNGram: its n-grams are not put together here. Vectors('charNgram.txt') opens the file, whose words are "
            "such as '3gram-ing'; for words never seen there are fastText's models, embmap.load('model.bin')"
        )


def _stored(
    name: str | os.PathLike[str] | Store,
    cache: str | os.PathLike[str] | None,
    max_vectors: int | None,
    options: dict[str, Any],
    archive: str | None,
    origin: str | None,
) -> Store:
    """Open the vectors of a file, or those of that name in an archive."""
    if not isinstance(name, Store):
        file, folder = Path(name), Path(".vector_cache" if cache is None else cache)
        places = [file, folder / file, *([folder / archive] if archive else [])]
        source = next((place for place in places if place.exists()), None)
        if source is None:
            hint = f": {origin}, to be put there" if origin else ""
            raise FileNotFoundError(f"no vectors at {folder / file}, and nothing is downloaded{hint}")
        if (source / MANIFEST).is_file():
            name = opened(source)
        elif source.is_dir() or not is_store(source):
            member = {"member": file.name} if source.name == archive != file.name else {}
            # torchtext's dict of words has the last row of each.
            options = {"duplicates": "last", "on_wrong_count": "ignore", **member, **options}
            if max_vectors:
                options["limit"] = max_vectors
            return load(source, cache_dir=cache, **options)
        else:
            name = Store(source)
    if max_vectors or options:
        changes = ", ".join(["max_vectors"] * bool(max_vectors) + list(options))
        raise ValueError(f"{name.path} is a store already: {changes} cannot change it")
    return name


def _reopen(kind: type[Vectors], store: Store, unk_init: UnkInit | None) -> Vectors:
    made = kind.__new__(kind)
    made._open(store, unk_init)
    return made
