"""The tutorials as notebooks, with what their cells show: `python docs/notebooks.py`, after a tutorial has changed."""

import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NOTEBOOKS = HERE / "notebooks"
FORGE = "https://github.com/embmap/embmap/blob/main/docs"
_PARTS = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# What a tutorial says of its notebook.
_OF_ITSELF = re.compile(r"^As a notebook: .*\n\n", re.MULTILINE)
_LINKS = re.compile(r"\]\(\.\./([^)#]+)\.md(#[^)]*)?\)")


def tutorials() -> list[Path]:
    """Give the pages of which there are notebooks."""
    return sorted((HERE / "tutorials").glob("*.md"))


def notebook_of(page: Path) -> nbformat.NotebookNode:
    """Give a page as a notebook: its text, and each snippet as a cell, not run."""
    text = _LINKS.sub(rf"]({FORGE}/\1.md\2)", _OF_ITSELF.sub("", page.read_text(encoding="utf-8")))
    cells = []
    # Text and code come in turns.
    for i, part in enumerate(_PARTS.split(text)):
        new = nbformat.v4.new_code_cell if i % 2 else nbformat.v4.new_markdown_cell
        if part.strip():
            cells.append(new(part.strip(), id=f"cell-{len(cells)}"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def run(notebook: nbformat.NotebookNode) -> None:
    """Run all cells in an empty folder, with a cache of its own, and keep what they show; what fails is an error."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "EMBMAP_CACHE_DIR": str(Path(folder) / "cache"), "KERAS_BACKEND": "torch"}
        NotebookClient(notebook, timeout=300, record_timing=False, resources={"metadata": {"path": folder}}).execute(
            env=environment
        )
    # The version of Python that ran them, which differs from one machine to the next.
    notebook.metadata.pop("language_info", None)


def main() -> None:
    """Make all of them anew."""
    NOTEBOOKS.mkdir(exist_ok=True)
    for page in tutorials():
        notebook = notebook_of(page)
        run(notebook)
        nbformat.write(notebook, NOTEBOOKS / f"{page.stem}.ipynb")


if __name__ == "__main__":
    main()
