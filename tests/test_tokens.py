"""Tokens by pieces: what stands between blanks is cut once, and the tokens are the tokenizer's of the whole text."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import store_of
from hypothesis import given
from hypothesis import strategies as st

import embmap

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import models, normalizers, pre_tokenizers  # noqa: E402

from embmap._embmap import Pieces, TokenModel  # noqa: E402
from embmap._query.tokens import Cutter, RowCutter  # noqa: E402

LETTERS = list("abkxé")
TOKENS = [
    "[UNK]",
    "[MASK]",
    *LETTERS,
    *("##" + letter for letter in LETTERS),
    "ab",
    "##ab",
    "kk",
    *"不#1,e",
    "##1",
    "##e",
]
VOCABULARY = {token: number for number, token in enumerate(TOKENS)}
# Case and form, marks without a letter, blanks of other kinds, what is two characters in small letters or in another form.
CHARACTERS = [*"abkAKxé \t\n\r\x0b\x0c,.#-1'[]İßΣ不の\u0301\xa0\u2028\u3000\x85\xad\x00¨ﬁ①한\u1112😀", "[MASK]"]
TEXTS = st.lists(st.lists(st.sampled_from(CHARACTERS), max_size=12).map("".join), max_size=6)


def word_piece():
    return models.WordPiece(VOCABULARY, unk_token="[UNK]", max_input_chars_per_word=9)


def word_level():
    return models.WordLevel(VOCABULARY, unk_token="[UNK]")


def tokenizer(model, normalizer, pre_tokenizer, **added):
    made = tokenizers.Tokenizer(model())
    if normalizer is not None:
        made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizer
    if added:
        made.add_tokens([tokenizers.AddedToken("[MASK]", **added)])
    return made


DIVIDED = [
    (word_piece, normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), {"rstrip": True}),
    (
        word_piece,
        normalizers.BertNormalizer(strip_accents=False, lowercase=False),
        pre_tokenizers.BertPreTokenizer(),
        {},
    ),
    (
        word_piece,
        normalizers.BertNormalizer(clean_text=False),
        pre_tokenizers.BertPreTokenizer(),
        {"single_word": True},
    ),
    (word_level, normalizers.Lowercase(), pre_tokenizers.Whitespace(), {}),
    (word_level, None, pre_tokenizers.WhitespaceSplit(), {"normalized": True}),
    (
        word_piece,
        normalizers.NFKD(),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(True)]),
        {},
    ),
    (
        word_piece,
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.NFKC(), normalizers.NFC()]),
        pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_next")]),
        {},
    ),
]


@pytest.mark.parametrize("number", range(len(DIVIDED)))
@given(texts=st.lists(TEXTS, min_size=1, max_size=3), most=st.sampled_from([None, 1, 3]))
def test_tokens_of_pieces_are_those_of_the_text(number, texts, most):
    model, normalizer, pre_tokenizer, added = DIVIDED[number]
    whole = tokenizer(model, normalizer, pre_tokenizer, **added)
    cutter = Cutter(whole)
    assert by_pieces(whole)
    for some in texts:
        assert_same(cutter, whole, some, most)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A store of the tokens, and tokenizers in files."""
    folder = tmp_path_factory.mktemp("numbered")
    store = store_of(folder, "".join(f"{token} {number}\n" for number, token in enumerate(TOKENS)), dim=1)
    for number, (model, normalizer, pre_tokenizer, added) in enumerate(DIVIDED):
        if added.get("normalized"):
            added = {**added, "normalized": False}
        tokenizer(model, normalizer, pre_tokenizer, special=True, **added).save(str(folder / f"{number}.json"))
    return store, folder


@pytest.mark.parametrize("number", range(len(DIVIDED)))
@given(texts=st.lists(TEXTS, min_size=1, max_size=3), most=st.sampled_from([None, 1, 3]))
def test_tokens_that_are_rows_are_the_tokenizer_s(numbered, number, texts, most):
    store, folder = numbered
    file = folder / f"{number}.json"
    cutter = RowCutter.of_file(file, store)
    assert cutter is not None
    whole = tokenizers.Tokenizer.from_file(str(file))
    for some in texts:
        assert_same(cutter, whole, some, most)


def by_pieces(whole):
    return Cutter(whole)._pieces is not None


def assert_same(cutter, whole, texts, most):
    expected = [encoding.ids[:most] for encoding in whole.encode_batch_fast(texts, add_special_tokens=False)]
    tokens, lengths = cutter.tokens(texts, most)
    assert lengths.tolist() == [len(ids) for ids in expected]
    assert tokens.tolist() == [token for ids in expected for token in ids]


def test_tokens_are_rows_where_the_store_has_them_in_order(numbered, tmp_path):
    store, folder = numbered
    text = "ab kkéx, [MASK] xxabx nothing"
    expected = tokenizers.Tokenizer.from_file(str(folder / "0.json")).encode(text, add_special_tokens=False).ids
    assert len(expected) == 11
    vector = store.encode(text, tokenizer=folder / "0.json", unknown="count")
    assert np.allclose(vector, np.mean(store.take(expected), axis=0))
    # Of many files none has all tokens.
    (tmp_path / "many.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(TOKENS)))
    embmap.convert(tmp_path / "many.txt", tmp_path / "many", shards=2, dim=1)
    with embmap.open(tmp_path / "many") as many:
        assert RowCutter.of_file(folder / "0.json", many) is None
        assert np.allclose(many.encode(text, tokenizer=folder / "0.json", unknown="count"), vector)
    # More words behind the tokens are none of the tokenizer's.
    more = "".join(f"{token} {number}\n" for number, token in enumerate([*TOKENS, "xx", "##xx", "nothing"]))
    assert_same(
        RowCutter.of_file(folder / "0.json", store_of(tmp_path, more, dim=1)),
        tokenizer(*DIVIDED[0][:3]),
        ["xxx nothing"],
        None,
    )
    whole = json.loads((folder / "0.json").read_text())

    def rows(change, file="changed.json"):
        changed = copy.deepcopy(whole)
        change(changed)
        (tmp_path / file).write_text(json.dumps(changed))
        return RowCutter.of_file(tmp_path / file, store)

    assert rows(lambda json: None) is not None
    assert rows(lambda json: json.update(added_tokens=None)) is not None
    for change in (
        lambda json: json["model"].update(type="BPE", merges=[]),
        lambda json: json["model"].pop("type"),
        lambda json: json["model"].update(unk_token="[unk]"),
        lambda json: json["model"]["vocab"].update(zz=len(TOKENS)),
        lambda json: json["model"]["vocab"].update(ab=3),
        lambda json: json["model"]["vocab"].update(ab=-1),
        lambda json: json["model"].update(vocab=dict(reversed(list(json["model"]["vocab"].items())))),
        lambda json: json["model"].update(vocab=[["ab", 1.0]]),
        lambda json: json["model"].update(max_input_chars_per_word=-1),
        lambda json: json["added_tokens"][0].update(normalized=True),
        lambda json: json["added_tokens"][0].update(id=len(TOKENS)),
        lambda json: json["added_tokens"][0].pop("special"),
        lambda json: json["added_tokens"][0].update(content=1),
        lambda json: json.update(added_tokens=[1]),
        lambda json: json.update(added_tokens=1),
        lambda json: json["added_tokens"][0].update(id=-1, content="nowhere"),
        lambda json: json.update(normalizer={"type": "Prepend", "prepend": "x"}),
        lambda json: json.update(pre_tokenizer=None),
    ):
        assert rows(change) is None, change
    # Steps that are none, and an added token whose number the package does not believe.
    cutter = rows(lambda json: json.update(normalizer={"type": "Sequence", "normalizers": []}))
    assert_same(cutter, tokenizers.Tokenizer.from_file(str(tmp_path / "changed.json")), ["AB ab"], None)
    (tmp_path / "more").mkdir()
    behind = store_of(tmp_path / "more", "".join(f"{word} 1\n" for word in [*TOKENS, "zz", "yy"]), dim=1)
    assert RowCutter.of_file(folder / "0.json", behind) is not None
    whole["added_tokens"].append({**whole["added_tokens"][0], "id": len(TOKENS) + 1, "content": "yy"})
    (tmp_path / "behind.json").write_text(json.dumps(whole))
    assert RowCutter.of_file(tmp_path / "behind.json", behind) is None
    for text in ("", "{", "[]", "\ud800"):
        (tmp_path / "no.json").write_bytes(text.encode(errors="surrogatepass"))
        assert RowCutter.of_file(tmp_path / "no.json", store) is None
        with pytest.raises(Exception, match=r"(?i)EOF|key must|invalid|expected|missing|UTF-8"):
            store.encode("ab", tokenizer=tmp_path / "no.json")


def test_words_of_many_kinds_of_pieces(numbered):
    store, folder = numbered
    model, rest = TokenModel.read(store, folder / "0.json")
    assert json.loads(rest)["pre_tokenizer"] == {"type": "BertPreTokenizer"}
    assert model.unknown == 0
    bert = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    asked = []

    def divide(text):
        asked.append(text)
        return bert(text)

    parted = Pieces("punctuation", "[")
    tokens, counts = model.cut(["ab", "不k", "[k]", "k[", ",", "", "x,x", "q"], str.lower, divide, parted)
    assert counts.tolist() == [1, 2, 3, 2, 1, 0, 3, 1]
    expected = ["ab", "不", "##k", "[UNK]", "k", "[UNK]", "k", "[UNK]", ",", "x", ",", "x", "[UNK]"]
    assert [TOKENS[token] for token in tokens] == expected
    assert asked == ["不k", "[k] k[", " x,x"]
    with pytest.raises(ValueError, match="the normalizer makes more than other letters of plain text"):
        model.cut(["ab"], lambda text: text * 2, divide, parted)
    with pytest.raises(ValueError, match="the normalizer makes more than other letters of plain text"):
        # As many bytes, of which one character has two.
        model.cut(["a", "b"], lambda _: "aé", divide, parted)
    with pytest.raises(ZeroDivisionError):
        model.cut(["ab"], lambda _: 1 // 0, divide, parted)
    # What divides wrongly is no crash.
    assert model.cut(["a[", "b["], None, lambda _: [("a", (0, 1)), ("b", (99, 100))])[1].tolist() == [1, 1]
    with pytest.raises(ValueError, match="at must be blanks, punctuation or words"):
        Pieces("x")


def test_what_blanks_do_not_divide_is_cut_whole():
    bert, divided = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    for model, normalizer, pre_tokenizer in (
        (word_piece, normalizers.Replace("a b", "ab"), divided),
        (word_piece, normalizers.Sequence([bert, normalizers.Prepend("▁")]), divided),
        (word_piece, bert, pre_tokenizers.Metaspace()),
        (word_piece, bert, pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), divided])),
        (word_piece, bert, pre_tokenizers.Sequence([])),
        (lambda: models.BPE({"a": 0, "b": 1, "[UNK]": 2}, [], dropout=0.5, unk_token="[UNK]"), bert, divided),
    ):
        assert not by_pieces(tokenizer(model, normalizer, pre_tokenizer))
    for content in ("a b", "¨", tokenizers.AddedToken("[MASK]", lstrip=True)):
        made = tokenizer(word_piece, bert, divided)
        made.add_tokens([content])
        assert not by_pieces(made)
    assert not by_pieces(tokenizers.Tokenizer(word_piece()))

    class Own:
        def normalize(self, normalized):
            normalized.replace(" ", "")

    made = tokenizer(word_piece, bert, divided)
    made.normalizer = normalizers.Normalizer.custom(Own())
    assert not by_pieces(made)
    assert Cutter(made).tokens(["a b", "ab"], None)[0].tolist() == [VOCABULARY["ab"]] * 2


@pytest.mark.parametrize("pre_tokenizer", [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Sequence([])])
def test_what_a_tokenizer_truncates_is_left_out_and_what_it_pads_with_is_too(pre_tokenizer):
    made = tokenizer(word_piece, normalizers.Lowercase(), pre_tokenizer, special=True)
    texts = ["a", "abk", "kaaa[MASK]bbbb" * 40]
    whole = [encoding.ids for encoding in made.encode_batch(texts, add_special_tokens=False)]

    def found(most=None):
        tokens, lengths = Cutter(made).tokens(texts, most)
        return [part.tolist() for part in np.split(tokens, np.cumsum(lengths)[:-1])]

    made.enable_padding(pad_id=2, pad_token="a", length=9)
    assert found() == whole
    made.enable_truncation(2)
    assert found() == [ids[:2] for ids in whole]
    assert found(1) == [ids[:1] for ids in whole]
    made.enable_truncation(3, direction="left")
    assert found() == [ids[-3:] for ids in whole]
    assert found(1) == [ids[-3:][:1] for ids in whole]
    assert made.padding is not None
    # Numbers that adding the tokens again would not give.
    described = json.loads(made.to_str())
    described["added_tokens"].append({**described["added_tokens"][0], "id": 1, "content": "[CLS]"})
    described["model"]["vocab"].pop("[MASK]")
    made = tokenizers.Tokenizer.from_str(json.dumps(described))
    made.no_padding()
    assert made.truncation is not None
    expected = made.encode_batch(texts, add_special_tokens=False)
    assert found() == [encoding.ids for encoding in expected]


def test_a_tokenizer_that_is_changed_cuts_as_it_is_now(tmp_path):
    store = store_of(tmp_path, "ab 1\na 2\n##b 4\nA 8\n", dim=1)
    made = tokenizer(word_piece, normalizers.Lowercase(), pre_tokenizers.Whitespace())
    assert store.encode("AB", tokenizer=made).tolist() == [1]
    assert store.encode(["AB"] * 300, tokenizer=made).ravel().tolist() == [1] * 300
    made.normalizer = normalizers.NFC()
    assert store.encode("AB ab", tokenizer=made).tolist() == [1]
    assert store.encode("AB", tokenizer=made).tolist() == [0]
    assert store.encode(["AB", "ab"] * 150, tokenizer=made).ravel().tolist() == [0, 1] * 150
    made.add_tokens(["A"])
    assert store.encode("A", tokenizer=made).tolist() == [8]
    assert store.encode(["A"] * 300, tokenizer=made).ravel().tolist() == [8] * 300


def test_pieces_are_asked_for_once():
    asked = []

    def cut(pieces):
        asked.append(pieces)
        return np.array([len(piece) for piece in pieces], np.int64), np.ones(len(pieces), np.uintp)

    pieces = Pieces()
    tokens, lengths = pieces.tokens(["one two", "", "three one\n"], None, cut)
    assert (tokens.tolist(), lengths.tolist()) == ([3, 3, 5, 3], [2, 0, 2])
    assert pieces.tokens(["two four"], 1, cut)[0].tolist() == [3]
    assert asked == [["one", "two", "three"], ["four"]]
    assert pieces.tokens([], None, cut)[1].tolist() == []
    with pytest.raises(TypeError, match="expected str, found int at position 1"):
        pieces.tokens(["one", 1], None, cut)
    with pytest.raises(UnicodeEncodeError):
        pieces.tokens(["\ud800"], None, cut)
    # What went wrong leaves nothing half known.
    with pytest.raises(ZeroDivisionError):
        pieces.tokens(["five"], None, lambda _: 1 // 0)
    with pytest.raises(ValueError, match="1 tokens of 1 pieces for 2 with 1"):
        pieces.tokens(["six seven"], None, lambda _: (np.zeros(1, np.int64), np.ones(1, np.uintp)))
    assert pieces.tokens(["five six"], None, cut)[0].tolist() == [4, 3]
    assert asked[-1] == ["five", "six"]


def test_pieces_are_kept_up_to_a_bound():
    asked = []

    def cut(pieces):
        asked.append(len(pieces))
        return np.zeros(len(pieces), np.int64), np.ones(len(pieces), np.uintp)

    pieces = Pieces()
    many = " ".join(map(str, range(70_000)))
    for text in (many, "1 2", "2 1", many):
        pieces.tokens([text], None, cut)
    assert asked == [70_000, 2, 69_998]


@pytest.mark.parametrize("rows", [False, True])
def test_threads_share_pieces(numbered, rows):
    made = tokenizer(*DIVIDED[0][:3])
    store, folder = numbered
    cutter = RowCutter.of_file(folder / "0.json", store) if rows else Cutter(made)
    texts = [f"a{i % 7}b k{i} ab, {'x' * (i % 12)}" for i in range(400)]
    expected = [encoding.ids for encoding in made.encode_batch_fast(texts, add_special_tokens=False)]

    def cut(turn):
        some = texts[turn % 5 :: 5]
        tokens, lengths = cutter.tokens(some, None)
        return tokens.tolist() == [i for ids in expected[turn % 5 :: 5] for i in ids] and len(lengths) == len(some)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(cut, range(100)))
