"""What CONTRIBUTING.md says of the code is true: where unsafe is, which floors there are, which names are public."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import embmap
from embmap import _choices

ROOT = Path(__file__).parents[1]
CRATES = [ROOT / "rust" / "embmap" / "src", ROOT / "rust" / "embmap-python" / "src"]
# Lower floors first. A file of one may use those before it.
RUST_FLOORS = ["sys", "format", "store", "tokens", "export", "write", "source", "convert"]
PYTHON_FLOORS = [
    ("_embmap", "_errors", "_optional", "_progress", "_paths", "_dtype", "_atomic_file", "_words_like", "_relocate"),
    ("_core",),
    ("_query", "_export"),
    ("_store",),
    ("_sharded",),
    ("_open",),
    ("_ingest", "_keyed_vectors", "_cli"),
]
PUBLIC = """
Analogies ConversionReport ConversionWarning EmbmapError ExportReport FormatError GraphReport Matrix
NetworkFileWarning ParseError RejectedRow Section ShardedStore Similarities Store WriteReport Writer __version__
convert evaluate from_arrow from_gensim load merge open pull push relocated write
"""


def sources(crate):
    return sorted(crate.rglob("*.rs"))


def test_unsafe_is_where_contributing_says():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = set(
        re.findall(
            r"`(?:rust/embmap(?:-python)?/src/)?([\w/]+\.rs)`", text.split("- `unsafe` lives in")[1].split("\n- ")[0]
        )
    )
    allowed = set()
    for crate in CRATES:
        for path in sources(crate):
            if "allow(unsafe_code)" in path.read_text(encoding="utf-8"):
                allowed.add(path.relative_to(crate).as_posix())
    assert allowed | {"sys/simd.rs"} == listed


def test_no_file_of_the_crate_uses_a_higher_floor():
    crate = CRATES[0]
    for floor, name in enumerate(RUST_FLOORS):
        above = "|".join(RUST_FLOORS[floor + 1 :])
        for path in sources(crate / name):
            uses = re.sub(r"(?s)#\[cfg\(test\)\]\nmod tests.*", "", path.read_text(encoding="utf-8"))
            uses = re.sub(r"//[^\n]*", "", uses)
            found = re.findall(rf"crate::(?:{above})\b", uses) if above else []
            grouped = re.findall(r"(?ms)^use crate::\{(.*?)^\};", uses)
            inner = [re.findall(rf"(?m)^    (?:{above})(?=::|,)", group) for group in grouped] if above else []
            assert not found, (path, found)
            assert not any(inner), (path, inner)


def test_no_module_of_the_package_uses_a_higher_floor():
    package = Path(embmap.__file__).parent
    floor_of = {name: floor for floor, names in enumerate(PYTHON_FLOORS) for name in names}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] not in floor_of:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = (
                    parts[: len(parts) - node.level]
                    if path.stem != "__init__"
                    else parts[: len(parts) - node.level + 1]
                )
                target = (*base, *(node.module or "").split("."))
                name = next((part for part in target if part), "")
                if name in floor_of:
                    assert floor_of[name] <= floor_of[parts[0]], (path, target)


def test_every_dependency_is_justified():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    crates, packages = page.split("## Python")
    rows = re.findall(r"^\| (`.*?) \|", crates, re.MULTILINE)
    justified = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    named = set()
    for manifest in ("embmap", "embmap-python"):
        found = tomllib.loads((ROOT / "rust" / manifest / "Cargo.toml").read_text(encoding="utf-8"))
        tables = [found, *found.get("target", {}).values()]
        for kind in ("dependencies", "build-dependencies"):
            named |= {name for table in tables for name in table.get(kind, {})}
    assert named - {"embmap"} == justified - {"zlib-rs"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    assert asked == set(re.findall(r"^\| `([\w-]+)`", packages, re.MULTILINE))


def test_public_names():
    assert sorted(embmap.__all__) == sorted(PUBLIC.split())


def test_options_have_the_same_names_in_python_and_rust(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2\nb 3 4\n")
    for option, names in [
        ("format", _choices.SourceFormat),
        ("separator", _choices.Separator),
        ("duplicates", _choices.Duplicates),
        ("errors", _choices.Utf8Errors),
        ("on_bad_row", _choices.OnBadRow),
        ("on_wrong_count", _choices.OnWrongCount),
    ]:
        with pytest.raises(ValueError, match=option) as error:
            embmap.convert(tmp_path / "v.txt", **{option: "?"})
        listed = json.loads("[" + str(error.value).removeprefix(f"{option} must be one of ").split(", not ")[0] + "]")
        assert set(listed) == set(get_args(names)), option
