"""Every snippet in docs and docstrings runs; what the package says of itself is true."""

import doctest
import functools
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL
from fasttext_model import Model

import embmap

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "benches" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What these show needs an extra.
NEEDS = {
    "embmap.ann": "embmap.ann",
    "embmap.ann._usearch": "embmap.ann",
    "neighbors.md": "embmap.ann",
}
# JAX warns of every fork after it was imported: its examples are run beside its tests.
APART = {"embmap.__main__", "embmap.jax"}
# These replace a store that is open, which Windows does not.
REPLACING = {"embmap", "embmap._core.writer", "embmap._ingest.convert", "arrays.md", "neighbors.md"}
MODULES = [name for _, name, _ in pkgutil.walk_packages(embmap.__path__, "embmap.") if name not in APART]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with `vectors.txt`, `vectors.embmap`, `sharded` and the fastText model `model.bin`, where snippets run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))
    # Examples count bytes, and carriage returns are none of theirs.
    monkeypatch.setattr(Path, "write_text", functools.partialmethod(Path.write_text, newline="\n"))
    Path("vectors.txt").write_text(SMALL)
    Path("model.bin").write_bytes(Model([b"king", b"queen", b"man"], np.ones((13, 4), np.float32)).encode())
    embmap.convert("vectors.txt", "vectors.embmap")
    embmap.convert("vectors.txt", "sharded", shards=2)
    return {"embmap": embmap, "store": embmap.open("vectors.embmap"), "sharded": embmap.open("sharded")}


@pytest.mark.parametrize("name", ["embmap", *MODULES])
def test_docstring_examples(name, here):
    pytest.importorskip(NEEDS.get(name, "embmap"), exc_type=ImportError)
    if os.name == "nt" and name in REPLACING:
        pytest.skip("replaces a store that is open")
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for test in finder.find(module, globs={**vars(module), **here}):
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert result.failed == 0, test.name


def snippets(page):
    """Give the language and the text of each block of Python or of commands, in order."""
    return re.findall(r"^```(python|sh)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, as a newcomer has it, with a cache of its own."""
    folder = tmp_path / "newcomer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EMBMAP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_run_as_a_newcomer_pastes_them(page, empty):
    """One after the other, in an empty folder, with nothing imported."""
    pytest.importorskip(NEEDS.get(page.name, "embmap"), exc_type=ImportError)
    if os.name == "nt" and page.name in REPLACING:
        pytest.skip("replaces a store that is open")
    scope = {"__name__": "__main__"}
    for language, snippet in snippets(page):
        if language == "python":
            exec(compile(snippet, str(page), "exec"), scope)
            continue
        for line in snippet.splitlines():
            if line.startswith("embmap ") and not line.startswith("embmap demo"):
                command = line.split("#")[0].split()
                subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
            elif line.startswith("make "):
                assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda script: script.stem)
def test_examples_run(script, tmp_path):
    subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )


def test_public_names_are_documented():
    for name in embmap.__all__:
        if name != "__version__":
            assert getattr(embmap, name).__doc__, name
    for name in dir(embmap.Store):
        if not name.startswith("_"):
            assert getattr(embmap.Store, name).__doc__, name


def test_the_version_is_written_once():
    assert f'version = "{embmap.__version__}"' in (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f"## [{embmap.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_importing_embmap_needs_numpy_alone():
    # The last two are slow, and needed for URLs alone.
    slow = ("torch", "keras", "click", "platformdirs", "urllib.request", "http.client")
    code = f"import sys, embmap; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("missing", "module", "told"),
    [
        ("torch", "torch", "embmap.torch needs torch: pip install 'embmap[torch]'"),
        ("keras", "keras", "embmap.keras needs keras: pip install 'embmap[keras]'"),
        ("tensorflow", "keras", "Keras' backend tensorflow is not installed: pip install tensorflow, or name one that"),
        ("jax", "jax", "embmap.jax needs jax: pip install 'embmap[jax]'"),
        ("sklearn", "sklearn", "embmap.sklearn needs sklearn: pip install 'embmap[scikit-learn]'"),
        ("usearch", "ann", "pip install 'embmap[ann]'"),
    ],
)
def test_what_is_not_installed_is_said_with_the_command(missing, module, told):
    code = f"import sys; sys.modules[{missing!r}] = None; import embmap; embmap.{module}"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow" if missing == "tensorflow" else "torch"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert told in last


def test_names_that_do_not_exist_are_errors_and_modules_are_shown():
    with pytest.raises(AttributeError, match="opne"):
        embmap.opne
    assert {"torch", "keras", "ann", "arrow", "convert"} <= set(dir(embmap))
