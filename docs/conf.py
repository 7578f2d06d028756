"""How the documentation is built: `make docs`."""

import os
import re
from importlib.metadata import version as installed
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

project = "embmap"
author = "The embmap authors"
copyright = "The embmap authors"
release = version = installed("embmap")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
# So that links to a heading of another page work as they do on the forge.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "inherited-members": True}
# They come with what they show.
nb_execution_mode = "off"
# Which the documentation does not need to run.
autodoc_mock_imports = ["jax"]
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "DTypeLike": "DTypeLike"}
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
# What stands where a type does is a word for readers, such as "path", and no name to be linked.
napoleon_use_param = False
suppress_warnings = ["ref.python"]

# Where there is no network, the names of other projects are no links.
intersphinx_mapping = (
    {}
    if os.environ.get("DOCS_OFFLINE")
    else {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "pyarrow": ("https://arrow.apache.org/docs", None),
    }
)

html_theme = "furo"
html_title = f"embmap {release}"
html_theme_options = {
    "source_repository": "https://github.com/embmap/embmap",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#2f6fde", "color-brand-content": "#2f6fde"},
    "dark_css_variables": {"color-brand-primary": "#7aa5f0", "color-brand-content": "#7aa5f0"},
}

HERE = Path(__file__).parent
FORGE = "https://github.com/embmap/embmap/blob/main"
LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)#\s]+)")
# Pages of the documentation that are files outside of this folder.
PAGES = {"benches/README.md": "benchmarks.md", "CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md"}


# Code that no test runs is marked for the tests, not for the colours.
IGNORED = re.compile(r"^(```\w+),ignore$", re.MULTILINE)


def rewritten(app: object, docname: str, source: list[str]) -> None:
    """Have links to files of the repository lead to their page, or to the forge where they have none."""
    outside = {page: HERE.parent / path for path, page in PAGES.items()}.get(f"{docname}.md")
    page = outside or HERE / f"{docname}.md"

    def link(found: re.Match[str]) -> str:
        path, anchor = re.fullmatch(r"([^#]*)(.*)", found[2]).groups()
        target = (page.parent / path).resolve()
        if not target.is_relative_to(HERE.parent) or not target.exists():
            return found[0]
        repository = target.relative_to(HERE.parent).as_posix()
        if repository in PAGES:
            return f"{found[1]}/{PAGES[repository]}{anchor}"
        if target.is_dir() or not target.is_relative_to(HERE) or target.suffix not in (".md", ".svg", ".png"):
            return f"{found[1]}{FORGE}/{repository}{anchor}"
        return f"{found[1]}/{target.relative_to(HERE).as_posix()}{anchor}"

    text = outside.read_text(encoding="utf-8") if outside else source[0]
    source[0] = IGNORED.sub(r"\1", LINK.sub(link, text))


def setup(app: object) -> None:
    """Take part in the build."""
    app.connect("source-read", rewritten)
