"""Tokens by pieces: what stands between blanks is cut once, and the tokens are the tokenizer's of the whole text."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import store_of
from hypothesis import given
from hypothesis import strategies as st

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import models, normalizers, pre_tokenizers  # noqa: E402

from embmap._embmap import Pieces  # noqa: E402
from embmap._query.tokens import Cutter, blanks_divide  # noqa: E402

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
    assert blanks_divide(whole)
    cutter = Cutter(whole)
    for some in texts:
        expected = [encoding.ids[:most] for encoding in whole.encode_batch_fast(some, add_special_tokens=False)]
        tokens, lengths = cutter.tokens(some, most)
        assert lengths.tolist() == [len(ids) for ids in expected]
        assert tokens.tolist() == [token for ids in expected for token in ids]


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
        assert not blanks_divide(tokenizer(model, normalizer, pre_tokenizer))
    for content in ("a b", "¨", tokenizers.AddedToken("[MASK]", lstrip=True)):
        made = tokenizer(word_piece, bert, divided)
        made.add_tokens([content])
        assert not blanks_divide(made)
    assert not blanks_divide(tokenizers.Tokenizer(word_piece()))
    for change in (lambda made: made.enable_truncation(1), lambda made: made.enable_padding()):
        made = tokenizer(word_piece, bert, divided)
        change(made)
        assert not blanks_divide(made)
    # Truncation is the tokenizer's own, then, as before.
    made.no_padding()
    made.enable_truncation(2)
    assert Cutter(made).tokens(["a b x", "k"], None)[1].tolist() == [2, 1]

    class Own:
        def normalize(self, normalized):
            normalized.replace(" ", "")

    made.no_truncation()
    made.normalizer = normalizers.Normalizer.custom(Own())
    assert not blanks_divide(made)
    assert Cutter(made).tokens(["a b", "ab"], None)[0].tolist() == [VOCABULARY["ab"]] * 2


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


def test_threads_share_pieces(tmp_path):
    made = tokenizer(*DIVIDED[0][:3])
    cutter = Cutter(made)
    texts = [f"a{i % 7}b k{i} ab, {'x' * (i % 12)}" for i in range(400)]
    expected = [encoding.ids for encoding in made.encode_batch_fast(texts, add_special_tokens=False)]

    def cut(turn):
        some = texts[turn % 5 :: 5]
        tokens, lengths = cutter.tokens(some, None)
        return tokens.tolist() == [i for ids in expected[turn % 5 :: 5] for i in ids] and len(lengths) == len(some)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(cut, range(100)))
