"""The notebooks of the tutorials: what the tutorials say, and every cell runs."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
import nbformat

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
notebooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notebooks)


# What ZeroMQ says of Windows' event loop.
@pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")
@pytest.mark.parametrize("page", notebooks.tutorials(), ids=lambda page: page.stem)
def test_a_notebook_is_its_tutorial_and_runs(page):
    for module in ("torch", "keras") if page.stem == "keras" else ("torch",):
        pytest.importorskip(module)
    kept = nbformat.read(notebooks.NOTEBOOKS / f"{page.stem}.ipynb", 4)
    made = notebooks.notebook_of(page)
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ], "python docs/notebooks.py makes them anew"
    notebooks.run(made)
    shown = [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("words found" in output.get("data", {}).get("text/html", "") for output in shown)
    assert not any(output.output_type == "stream" and output.name == "stderr" for output in shown)
    text = (notebooks.NOTEBOOKS / f"{page.stem}.ipynb").read_text(encoding="utf-8")
    assert "/tmp" not in text
    assert "/root" not in text
