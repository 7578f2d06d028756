"""What a notebook shows of stores, matrices and reports."""

from html.parser import HTMLParser

import pytest

import embmap

SMALL = "<b>&amp; 1 2\nking 3 4\nqueen 5 6\nman 7 8\nwoman 9 10\napple 0 1\npear 1 0\n"


@pytest.fixture
def store(tmp_path):
    (tmp_path / "v.txt").write_text(SMALL)
    embmap.convert(tmp_path / "v.txt", tmp_path / "v.embmap")
    return embmap.open(tmp_path / "v.embmap")


class Text(HTMLParser):
    """The text of a page whose tags are closed as they were opened."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text = [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def test_a_store_shows_its_shape_and_its_first_rows(store):
    text = Text(store._repr_html_()).text
    for shown in ("<b>&amp;", "king", "woman", "2 more", "float32", "7", str(store.path)):
        assert shown in text
    assert "apple" not in text
    store.close()
    assert "closed" in Text(store._repr_html_()).text


def test_a_matrix_shows_what_was_found(store):
    matrix = store.matrix(["", "king", "queen", "<i>", *(f"w{i}" for i in range(20))], padding_idx=0)
    html = matrix._repr_html_()
    text = Text(html).text
    assert "8.7% of 23 words found" in text
    assert "width:8.7%" in html
    assert "<i>" in text
    assert "9 more" in text
    assert "missing" not in Text(store.matrix(["king"])._repr_html_()).text


def test_reports_show_what_they_print(store, tmp_path):
    reports = [
        embmap.convert(tmp_path / "v.txt", tmp_path / "w.embmap"),
        store.export(tmp_path / "v.vec"),
        store.knn_graph(tmp_path / "g.npz", 2),
        embmap.write(tmp_path / "a.embmap", ["a"], [[1.0]]),
    ]
    for report in reports:
        assert str(report) in Text(report._repr_html_()).text
