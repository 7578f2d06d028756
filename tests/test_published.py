"""What is published, kind by kind: a made-up sample with the quirks of each is opened by the call that the guide gives."""

import bz2
import gzip
import io
import json
import re
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import write_model
from fasttext_model import Model
from reader_samples import WORDS, samples

import embmap

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "published.md"


def text(*words: str, header: bool = False, end: str = "\n", separator: str = " ") -> bytes:
    """Rows of three numbers, with the words as they are."""
    rows = [separator.join([word, "0.1", "-0.25", f"{i}e-05"]) + end for i, word in enumerate(words)]
    head = [f"{len(words)} 3\n"] if header else []
    return "".join(head + rows).encode()


def binary(*words: str, newline: bool = True) -> bytes:
    """word2vec's binary form."""
    row = struct.pack("<3f", 0.5, 0.25, -1)
    return f"{len(words)} 3\n".encode() + b"".join(word.encode() + b" " + row + b"\n" * newline for word in words)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def tarred(name: str, content: bytes, mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


GLOVE_840B = ["the", ". . .", "at name@domain.com", "\x85"]
TWENTY_24 = ["the", "1\u00a01/2", "a\u2009b", "\u0085"]
SIX_B = {f"glove.6B.{dim}d.txt": text("the", ",", "king") for dim in (50, 100)}
# In the order of the guide: the file, what is in it, what `convert` is told, the words.
FILES = {
    "GloVe 6B": ("glove.6B.zip", zipped(**SIX_B), {"member": "glove.6B.100d.txt"}, ["the", ",", "king"]),
    "GloVe 42B, 840B": ("glove.840B.300d.zip", zipped(**{"glove.840B.300d.txt": text(*GLOVE_840B)}), {}, GLOVE_840B),
    "GloVe Twitter": (
        "glove.twitter.27B.zip",
        zipped(**{"glove.twitter.27B.25d.txt": text("<user>", "", "\x85"), "glove.twitter.27B.50d.txt": text("a")}),
        {"member": "glove.twitter.27B.25d.txt", "on_bad_row": "skip"},
        ["<user>", "\x85"],
    ),
    "GloVe 2024 WikiGiga": (
        "glove.2024.wikigiga.300d.zip",
        zipped(**{"wiki_giga_2024_300_MFT20_vectors_seed_2024_alpha_0.75_eta_0.05_combined.txt": text(*TWENTY_24)}),
        {},
        TWENTY_24,
    ),
    "GloVe 2024 Dolma": (
        "glove.2024.dolma.300d.zip",
        zipped(**{"dolma_300_2024_1.2M.100_combined.txt": text(*TWENTY_24)}),
        {},
        TWENTY_24,
    ),
    "word2vec Google News": (
        "GoogleNews-vectors-negative300.bin.gz",
        gzip.compress(binary("</s>", "in", "New_York", newline=False)),
        {},
        ["</s>", "in", "New_York"],
    ),
    "word2vec text": ("model.txt", text("</s>", "the", header=True), {}, ["</s>", "the"]),
    "fastText wiki-news, crawl": (
        "wiki-news-300d-1M.vec.zip",
        zipped(**{"wiki-news-300d-1M.vec": text(",", "the", "\u3000", header=True)}),
        {},
        [",", "the", "\u3000"],
    ),
    "fastText crawl, sub-words": (
        "crawl-300d-2M-subword.zip",
        zipped(**{"crawl-300d-2M-subword.vec": text("the", header=True), "crawl-300d-2M-subword.bin": b"\xba\x16O/"}),
        {"member": "crawl-300d-2M-subword.vec"},
        ["the"],
    ),
    "fastText cc, text": ("cc.de.300.vec.gz", gzip.compress(text("und", "straße", header=True)), {}, ["und", "straße"]),
    "fastText wiki": (
        "wiki.simple.vec",
        text(",", "new\u00a0york", "</s>", header=True, end=" \n"),
        {},
        [",", "new\u00a0york", "</s>"],
    ),
    "fastText aligned, MUSE": ("wiki.multi.en.vec", text("the", "rivière", header=True), {}, ["the", "rivière"]),
    "Numberbatch, English": (
        "numberbatch-en-19.08.txt.gz",
        gzip.compress(text("##", "###_million", "word_vector", header=True)),
        {},
        ["##", "###_million", "word_vector"],
    ),
    "Numberbatch, multilingual": (
        "numberbatch-19.08.txt.gz",
        gzip.compress(text("/c/en/word", "/c/zh/字", header=True)),
        {},
        ["/c/en/word", "/c/zh/字"],
    ),
    "BioWordVec": ("BioWordVec_PubMed_MIMICIII_d200.vec.bin", binary("the", "il-2"), {}, ["the", "il-2"]),
    "PubMed word2vec": ("PubMed-w2v.bin", binary("</s>", "p53", newline=False), {}, ["</s>", "p53"]),
    "BPEmb": (
        "en.wiki.bpe.vs10000.d300.w2v.txt",
        text("<unk>", "▁the", "er", header=True),
        {},
        ["<unk>", "▁the", "er"],
    ),
    "BPEmb, binary": ("en.wiki.bpe.vs10000.d300.w2v.bin", binary("<unk>", "▁the"), {}, ["<unk>", "▁the"]),
    "Wikipedia2Vec": (
        "enwiki_20180420_300d.txt.bz2",
        bz2.compress(text("the", "ENTITY/New_York_City", "ENTITY/C++", header=True)),
        {},
        ["the", "ENTITY/New_York_City", "ENTITY/C++"],
    ),
    "LexVec": (
        "lexvec.commoncrawl.300d.W.pos.vectors.gz",
        gzip.compress(text("the", "of", header=True)),
        {},
        ["the", "of"],
    ),
    "dependency-based": ("deps.words.bz2", bz2.compress(text("the", "of")), {}, ["the", "of"]),
    "Paragram": (
        "paragram_300_sl999.zip",
        zipped(paragram_300_sl999__paragram_300_sl999_txt="the 1 2 3\ncaf\xe9 1 2 3\n".encode("latin-1")),
        {"errors": "backslashreplace"},
        ["the", "caf\\xe9"],
    ),
    "Chinese Word Vectors": (
        "sgns.weibo.word.bz2",
        bz2.compress(text("，", "的", "\u3000", header=True, end=" \n")),
        {},
        ["，", "的", "\u3000"],
    ),
    "Tencent AI Lab": (
        "tencent-ailab-embedding-zh-d200-v0.2.0.tar.gz",
        tarred("tencent-ailab-embedding-zh-d200-v0.2.0.txt", text("</s>", "在", "new york", header=True)),
        {},
        ["</s>", "在", "new york"],
    ),
    "chiVe": (
        "chive-1.3-mc5.tar.gz",
        tarred("chive/chive-1.3-mc5.txt", text("の", "、", header=True)),
        {},
        ["の", "、"],
    ),
    "emoji2vec": ("emoji2vec.bin", binary("😀", "🇩🇪"), {}, ["😀", "🇩🇪"]),
    "node2vec, DeepWalk": ("karate.emb", text("1", "34", header=True), {}, ["1", "34"]),
    "StarSpace": ("model.tsv", text("the", "__label__x", separator="\t"), {}, ["the", "__label__x"]),
    "PyTorch-BigGraph, Wikidata": (
        "wikidata_translation_v1.tsv.gz",
        gzip.compress(b"2\t1\t3\n" + text("<http://www.wikidata.org/entity/Q1>", '"Ama"@en', separator="\t")),
        {},
        ["<http://www.wikidata.org/entity/Q1>", '"Ama"@en'],
    ),
    "gensim-data": ("glove-wiki-gigaword-50.gz", gzip.compress(text("the", "of", header=True)), {}, ["the", "of"]),
}
# Those of which the samples lie in other places: a name of `reader_samples`, and what `convert` is told.
READ = {
    "Numberbatch, mini": ("pandas.h5", {}),
    "Polyglot": ("polyglot.pkl", {}),
    "gensim's own": ("kv", {}),
    "spaCy, sense2vec": ("spacy", {}),
    "wordllama": ("safetensors", {"words": WORDS}),
    "DGL-KE": ("npy", {"words": WORDS}),
    "floret": ("floret", {}),
    "spaCy's floret tables": ("floret.spacy", {}),
    "gensim's FastText": ("fasttext.kv", {}),
    "OpenKE": ("matrix.json", {"words": WORDS, "member": "ent"}),
    "JSON, ml5": ("json", {}),
    "TensorBoard's projector": ("tsv", {"words": WORDS}),
    "PyTorch checkpoints": ("pt", {"words": WORDS}),
    "SIFT, GIST, Deep1B": ("fvecs", {}),
    "finalfusion": ("fifu", {}),
    "Magnitude": ("magnitude", {}),
    "tables": ("parquet", {}),
}
ELSEWHERE = {
    "fastText cc, sub-words",
    "lid.176",
    "sent2vec",
    "floret's models",
    "BERT and its kin",
    "model2vec, StaticEmbedding",
}


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_opened_by_the_call_of_the_guide(tmp_path, name):
    file, content, options, words = FILES[name]
    (tmp_path / file).write_bytes(content)
    report = embmap.convert(tmp_path / file, **options)
    with embmap.open(report.path) as store:
        assert list(store) == words
        assert np.isfinite(store.take(np.arange(len(store)))).all()
    # `load` takes the same.
    with warnings.catch_warnings():
        # Of rows that are passed over and words that are mended, as the guide says.
        warnings.simplefilter("ignore", embmap.ConversionWarning)
        assert list(embmap.load(tmp_path / file, cache_dir=tmp_path / "cache", **options)) == words


@pytest.mark.parametrize("name", READ)
def test_a_published_kind_is_opened_by_the_call_of_the_guide(tmp_path, name):
    kind, options = READ[name]
    made = samples(tmp_path)
    if kind not in made:
        pytest.skip("a package is missing")
    with embmap.open(embmap.convert(made[kind], tmp_path / "v.embmap", **options).path) as store:
        if kind.startswith("floret"):
            assert store.lookup(["unseen"], oov="subword").any()
            assert len(store) == 0
        else:
            assert sorted(store) == sorted(WORDS if kind != "fvecs" else ["0", "1", "2", "3"])


@pytest.mark.parametrize("name", ["cc.en.300.bin.gz", "lid.176.ftz"])
def test_models_of_fasttext(tmp_path, name):
    model = Model([b"the", b"river"], np.eye(12, 4, dtype=np.float32), bucket=10).encode()
    (tmp_path / name).write_bytes(gzip.compress(model) if name.endswith("gz") else model)
    with embmap.open(embmap.convert(tmp_path / name).path) as store:
        assert list(store) == ["the", "river"]


def test_models_of_transformers(tmp_path):
    folder = write_model(tmp_path / "bert", np.eye(3, 4, dtype=np.float32), ["[PAD]", "king", "##ing"])
    assert list(embmap.load(folder, cache_dir=tmp_path)) == ["[PAD]", "king", "##ing"]
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    assert list(embmap.load(folder, cache_dir=tmp_path)) == ["[PAD]", "king", "##ing"]


def test_the_guide_has_a_row_for_each_and_no_other():
    rows = re.findall(r"^\| ([^|]+?) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [row for row in rows if not set(row) <= set("-") and row not in ("kind", "what it is")]
    assert len(named) == len(set(named))
    assert set(named) == FILES.keys() | READ.keys() | ELSEWHERE
    assert len(named) >= 30
