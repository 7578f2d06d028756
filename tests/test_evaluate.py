"""Analogies and word similarities: gensim's answers on the same vectors."""

import numpy as np
import pytest
from conftest import SMALL, store_of
from gensim.models import KeyedVectors

import embmap


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Words in several spellings, so that forms of one word compete."""
    rng = np.random.default_rng(11)
    vectors = rng.normal(size=(900, 12)).astype(np.float32)
    vectors[300:600] = vectors[:300] + rng.normal(size=(300, 12)) * 0.3
    words = [f"w{i}" for i in range(300)] + [f"W{i}" for i in range(300)] + [f"x{i}" for i in range(300)]
    text = "".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in zip(words, vectors.tolist(), strict=True))
    peer = KeyedVectors(12)
    peer.add_vectors(words, vectors)
    return store_of(tmp_path_factory.mktemp("evaluate"), text), peer


@pytest.fixture(scope="module")
def questions(both, tmp_path_factory):
    """Questions of which some are answered rightly: the fourth word is near to what is asked for."""
    store, _ = both
    rng = np.random.default_rng(13)
    lines = []
    for section in range(3):
        lines.append(f": section {section}")
        for _ in range(200):
            a, b, c = (f"w{i}" for i in rng.integers(0, 300, 3))
            near = store.most_similar([b, c], [a], topn=2)
            lines.append(f"{a} {b.upper()} {c} {near[rng.integers(0, 2)][0]}")
        lines.append("w1 w2 unheard-of w3")
    path = tmp_path_factory.mktemp("questions") / "questions.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("restrict", [300_000, 700])
@pytest.mark.parametrize("case_insensitive", [True, False])
def test_analogies_are_answered_as_gensim_answers_them(both, questions, restrict, case_insensitive):
    store, peer = both
    found = embmap.evaluate(store, questions, restrict=restrict, case_insensitive=case_insensitive)
    accuracy, sections = peer.evaluate_word_analogies(questions, restrict, case_insensitive)
    assert 0 < found.accuracy < 1
    assert found.accuracy == accuracy
    for ours, theirs in zip(found.sections, sections[:-1], strict=True):
        assert (ours.name, ours.correct) == (theirs["section"], len(theirs["correct"]))
        assert ours.total == len(theirs["correct"]) + len(theirs["incorrect"])
    assert found.skipped >= 3


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")
def test_3cosmul_is_levys_and_goldbergs(both, questions):
    store, peer = both
    found = embmap.evaluate(store, questions, method="3cosmul", case_insensitive=False)
    correct = 0
    for line in questions.read_text().splitlines():
        a, b, c, expected = line.split() if not line.startswith(":") else [""] * 4
        if a and all(word in store for word in (a, b, c, expected)):
            correct += peer.most_similar_cosmul([b, c], [a], topn=1)[0][0] == expected
    assert found.correct == correct > 0


def test_similarities_correlate_as_in_gensim(both, tmp_path):
    store, peer = both
    rng = np.random.default_rng(17)
    pairs = rng.integers(0, 300, (200, 2))
    lines = ["# judged by nobody"] + [f"w{i}\tW{j}\t{rng.integers(0, 9)}.5" for i, j in pairs]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join([*lines, "w1\tunheard-of\t3"]))
    found = embmap.evaluate(store, path, case_insensitive=False)
    pearson, spearman, _ = peer.evaluate_word_pairs(path, case_insensitive=False)
    assert found.spearman == pytest.approx(spearman[0], abs=1e-6)
    assert found.pearson == pytest.approx(pearson[0], abs=1e-6)
    assert (found.pairs, found.skipped) == (200, 1)
    path.write_text(path.read_text().replace("\t", ","))
    assert embmap.evaluate(store, path, case_insensitive=False) == found


def test_results_read_well(tmp_path, capsys):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "questions.txt"
    path.write_text(": family\nman king woman queen\nman king woman pear\nman king woman unheard-of\n")
    found = embmap.evaluate(store, path, progress=True)
    assert str(found) == "family: 50.0% (1 of 2, 1 skipped)\nall: 50.0% (1 of 2, 1 skipped)"
    assert "questions.txt: 100%" in capsys.readouterr().err
    path.write_text("word1,word2,score\nking,queen,9\nking,apple,1\nman,pear,2\n")
    assert str(embmap.evaluate(store, path)).startswith("Spearman ")


def test_what_is_no_file_of_questions_says_so(tmp_path):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "questions.txt"
    for text, reason in {"prose is here\n": "expected lines of four words", "a b 3\n": "none of its words"}.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=reason):
            embmap.evaluate(store, path)
    with pytest.raises(ValueError, match="'3cosadd' or '3cosmul'"):
        embmap.evaluate(store, path, method="cosine")
    with pytest.raises(ValueError, match="restrict must be positive"):
        embmap.evaluate(store, path, restrict=0)


def test_a_byte_order_mark_and_carriage_returns_are_passed_over(tmp_path):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "questions.txt"
    path.write_bytes("\ufeff: family\r\nman king woman queen\r\n\r\n".encode())
    assert str(embmap.evaluate(store, path)) == "family: 100.0% (1 of 1)\nall: 100.0% (1 of 1)"


@pytest.mark.real
def test_the_published_questions(data, tmp_path):
    vectors = data / "novels/glove.novels.100d.txt"
    store = embmap.open(embmap.convert(vectors, tmp_path / "v.embmap", limit=10_000).path)
    peer = KeyedVectors(store.dim)
    peer.add_vectors(list(store), store.vectors)
    some = tmp_path / "questions.txt"
    lines = (data / "eval/questions-words.txt").read_text().splitlines()
    some.write_text("\n".join(line for i, line in enumerate(lines) if line.startswith(":") or i % 7 == 0))
    assert embmap.evaluate(store, some).accuracy == peer.evaluate_word_analogies(some)[0]
    for path in sorted((data / "eval/wordsim").glob("*.txt")):
        _, spearman, _ = peer.evaluate_word_pairs(path)
        assert embmap.evaluate(store, path).spearman == pytest.approx(spearman[0], abs=1e-4)
