"""Analogies and word similarities: gensim's answers on the same vectors."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SMALL, store_of
from gensim.models import KeyedVectors
from gensim.test.utils import datapath

import embmap
from embmap._query.evaluate import Analogies
from embmap.cli import main


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


# Layouts of published files; the words and the numbers are made up.
LAYOUTS = {
    "SimLex-999": "word1\tword2\tPOS\tSimLex999\tconc(w1)\tSimAssoc333\tSD(SimLex)\n"
    "king\tqueen\tN\t9\t1\t0\t5\nking\tapple\tN\t1\t9\t1\t5\nman\tpear\tN\t2\t8\t0\t5\n",
    "SimVerb-3500": "king\tqueen\tV\t9\tSIMILAR\nking\tapple\tV\t1\tNONE\nman\tpear\tV\t2\tNONE\n",
    "MEN, natural": "king queen 9.000\nking apple 1.000\nman pear 2.000\n",
    "MEN, lemmas": "king-n queen-n 9.000\nking-v apple-n 1.000\nman-j pear-n 2.000\n",
    "RW": "king\tqueen\t9\t1\t1\t3\nking\tapple\t1\t5\t5\t5\nman\tpear\t2\t4\t4\t4\n",
    "WordSim-353": "Word 1,Word 2,Human (mean)\nking,queen,9\nking,apple,1\nman,pear,2\n",
    "WordSim-353, judges": "Word 1\tWord 2\tHuman (mean)\t1\t2\nking\tqueen\t9\t1\t2\n"
    "king\tapple\t1\t3\t4\nman\tpear\t2\t3\t3\n",
    "WordSim-353, agreed": "# t: identical\n\nS\tking\tqueen\t9\nM\tking\tapple\t1\nt\tman\tpear\t2\n",
    "WordSim-353, similarity": "king\tqueen\t9\r\nking\tapple\t1\r\nman\tpear\t2\r\n",
    "RG-65": "king;queen;9\nking;apple;1\nman;pear;2\n",
    "MTurk-771": "king,queen,9.0000001\nking,apple,1\nman,pear,2\n",
    "SCWS": "1\tking\tn\tqueen\tn\ta <b> king </b> .\tthe <b> queen </b> , 4\t9\t1\t2\n"
    "2\tking\tn\tapple\tn\t<b> king </b>\tan <b> apple </b>\t1\t9\t9\n"
    "3\tman\tn\tpear\tn\t<b> man </b>\tthe <b> pear </b>\t2\t8\t8\n",
    "judges, then their mean": "word1,word2,rating1,rating2,mean\nking,queen,1,1,9\nking,apple,5,5,1\nman,pear,4,4,2\n",
    "number, words by name": 'id,similarity,w2,w1\n1,9,queen,"king"\n2,1,apple,king\n3,2,pear,man\n',
    "names that tell nothing": "a\tb\tc\nking\tqueen\t9\nking\tapple\t1\nman\tpear\t2\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_of_similarities_are_read_as_they_are_published(tmp_path, layout):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "pairs.txt"
    path.write_bytes(LAYOUTS[layout].encode())
    found = embmap.evaluate(store, path)
    plain = tmp_path / "plain.txt"
    plain.write_text("king\tqueen\t9\nking\tapple\t1\nman\tpear\t2\n")
    assert (found.pairs, found.skipped, found.rejected) == (3, 0, 0)
    assert found.spearman == embmap.evaluate(store, plain).spearman > 0.9


def test_words_keep_tags_that_the_store_has(tmp_path):
    store = store_of(tmp_path, "sun-n 1 0\nsun 0 1\nmoon-n 1 0.1\nmoon 1 0\nrun-v 0 1\nhat-n 0.4 1\n")
    path = tmp_path / "pairs.txt"
    path.write_text("sun-n moon-n 50\nrun-v hat-n 30\nrun-v moon-n 1\n")
    found = embmap.evaluate(store, path)
    assert (found.pairs, found.skipped) == (3, 0)
    assert found.spearman == pytest.approx(1)


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ("king\tqueen\t9\nking\tapple\nman\tpear\t2\n", 2, "two words and a number in column 3, found 'king.+apple'"),
        ("king\tqueen\t9\nking\t\t3\nman\tpear\t2\n", 2, "two words and a number"),
        ("# made up\n\nking queen 9\nking apple 1\nman pear two\n", 5, "found 'man pear two'"),
        ("king,queen,NA\nking,apple,1\nman,pear,2\n", 1, "found 'king,queen,NA'"),
        ("king\tqueen\tnan\nking\tapple\t1\nman\tpear\t2\n", 1, "two words and a number"),
        (": é\nman king woman queen\nman king woman\nking man queen woman\n", 3, "four words, found 'man king woman'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_or_counted(tmp_path, lines, line, reason):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "questions.txt"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(embmap.ParseError, match=reason) as caught:
        embmap.evaluate(store, path)
    assert caught.value.line == line
    assert caught.value.byte_offset == sum(map(len, path.read_bytes().splitlines(keepends=True)[: line - 1]))
    found = embmap.evaluate(store, path, on_bad_row="skip")
    assert found.rejected == 1
    assert str(found).endswith("; 1 line could not be read")
    assert (found.total if isinstance(found, Analogies) else found.pairs) == 2
    with pytest.raises(ValueError, match="on_bad_row must be"):
        embmap.evaluate(store, path, on_bad_row="ignore")


def test_files_in_another_encoding_are_named_with_the_remedy(tmp_path):
    store = store_of(tmp_path, "köning 1 0\nkönigin 0.9 0.1\ntür 0 1\n")
    path = tmp_path / "pairs.txt"
    text = "köning\tkönigin\t9\nköning\ttür\t1\n"
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(
        embmap.ParseError, match='byte 0xf6 is not utf-8; say what it is, as encoding="cp1252"'
    ) as caught:
        embmap.evaluate(store, path)
    assert (caught.value.line, caught.value.byte_offset) == (1, 0)
    assert embmap.evaluate(store, path, encoding="cp1252").pairs == 2
    path.write_text(text, encoding="utf-16")
    with pytest.raises(embmap.ParseError, match='encoding="utf-16"'):
        embmap.evaluate(store, path)
    assert embmap.evaluate(store, path, encoding="utf-16").pairs == 2


def test_msr_has_no_sections_or_its_answers_in_another_file(tmp_path):
    store = store_of(tmp_path, SMALL)
    whole = tmp_path / "msr.txt"
    whole.write_text("man king woman queen\nman king woman pear\nman king woman unheard-of\n")
    found = embmap.evaluate(store, whole)
    assert str(found) == "msr: 50.0% (1 of 2, 1 skipped)\nall: 50.0% (1 of 2, 1 skipped)"
    questions, answers = tmp_path / "word_relationship.questions", tmp_path / "word_relationship.answers"
    questions.write_text("man king woman\nman king woman\nman king woman\n")
    with pytest.raises(FileNotFoundError, match=r"word_relationship\.answers"):
        embmap.evaluate(store, questions)
    answers.write_text("NN_NNS queen\nVB_VBD pear\nNN_NNS unheard-of\n")
    found = embmap.evaluate(store, questions)
    assert str(found).splitlines()[:2] == ["NN_NNS: 100.0% (1 of 1, 1 skipped)", "VB_VBD: 0.0% (0 of 1)"]
    answers.write_text("NN_NNS queen\n")
    with pytest.raises(ValueError, match=r"1 lines, .* has 3"):
        embmap.evaluate(store, questions)
    answers.write_text("NN_NNS queen\nVB_VBD\nNN_NNS unheard-of\n")
    with pytest.raises(embmap.ParseError, match="a relation and a word") as caught:
        embmap.evaluate(store, questions)
    assert (caught.value.path, caught.value.line) == (str(answers), 2)


def test_questions_before_the_first_section_are_answered_too(tmp_path):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "questions.txt"
    path.write_text("man king woman queen\n: family\nman king woman queen\n")
    assert [section.name for section in embmap.evaluate(store, path).sections] == ["questions", "family"]


def test_bats_asks_for_each_pair_with_each_other(tmp_path):
    store = store_of(tmp_path, SMALL)
    folder = tmp_path / "BATS_3.0"
    one = folder / "3_Encyclopedic" / "E10 [male - female].txt"
    two = folder / "1_Inflectional" / "I01 [noun - plural].txt"
    for file in (one, two):
        file.parent.mkdir(parents=True)
    one.write_text("man\tking/unheard-of\nwoman\tunheard-of/queen/\n\n")
    two.write_text("apple\tapples\npear\tking\n")
    (folder / "metadata.json").write_text("{}")
    found = embmap.evaluate(store, folder)
    # Asked with the first answer, which one of the pairs lacks; any answer is right.
    assert [str(section) for section in found.sections] == [
        "I01 [noun - plural]: 0.0% (0 of 0, 2 skipped)",
        "E10 [male - female]: 100.0% (1 of 1, 1 skipped)",
    ]
    assert embmap.evaluate(store, one).correct == 1
    one.write_text("man\tking\nwoman\n")
    with pytest.raises(embmap.ParseError, match="a word and its answers") as caught:
        embmap.evaluate(store, folder)
    assert caught.value.line == 2
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="a folder, but not BATS"):
        embmap.evaluate(store, tmp_path / "none")


def test_columns_that_cannot_be_told_are_refused(tmp_path):
    store = store_of(tmp_path, SMALL)
    path = tmp_path / "pairs.txt"
    path.write_text("rel\tking\tqueen\t9\nrel\tking\tapple\t1\nrel\tman\tpear\t2\n")
    with pytest.raises(ValueError, match="a first line must name them"):
        embmap.evaluate(store, path)
    path.write_text("kind\tword1\tword2\tsimilarity\n" + path.read_text())
    assert embmap.evaluate(store, path).pairs == 3


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
    published = sorted((data / "eval/wordsim").glob("*.txt"))
    for path in [*published, datapath("wordsim353.tsv"), datapath("simlex999.txt")]:
        _, spearman, _ = peer.evaluate_word_pairs(path)
        assert embmap.evaluate(store, path).spearman == pytest.approx(spearman[0], abs=1e-4)
    # The same with a first line of names and a part of speech, which gensim does not read.
    for path in published:
        pairs = [line.split() for line in path.read_text().splitlines()]
        found = embmap.evaluate(store, path)
        assert (found.pairs + found.skipped, found.rejected) == (len(pairs), 0)
        some.write_text("word1\tword2\tPOS\tsimilarity\n" + "".join(f"{a}\t{b}\tN\t{x}\n" for a, b, x in pairs))
        assert embmap.evaluate(store, some) == found


def test_questions_without_a_known_word_are_an_error(store, tmp_path):
    (tmp_path / "questions.txt").write_text(": section\nw x y z\n")
    with pytest.raises(ValueError, match="none of its words is known"):
        embmap.evaluate(store, tmp_path / "questions.txt")
    (tmp_path / "questions.txt").write_text(": section\nking x y z\n")
    assert embmap.evaluate(store, tmp_path / "questions.txt").skipped == 1


def test_the_command_tells_case(store, tmp_path):
    (tmp_path / "questions.txt").write_text(": section\nMAN king woman queen\n")
    for option, total in (("--ignore-case", 1), ("--case-sensitive", 0)):
        arguments = ["evaluate", str(store.path), str(tmp_path / "questions.txt"), option, "--no-progress", "--json"]
        found = json.loads(CliRunner().invoke(main, arguments).output)
        assert (found["total"], found["skipped"]) == (total, 1 - total)
