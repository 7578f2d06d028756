"""The demo does what it says."""

import os
import re
import subprocess
import sys

import embmap
from embmap.demo import sample, sentences
from embmap.demo.run import run


def test_the_demo(tmp_path):
    said = []
    run(tmp_path, said.append)
    text = "\n".join(said)
    assert "king - man + woman = queen" in text
    right = {
        kind: float(share) for kind, share in re.findall(r"(\w+ vectors, trained|pretrained, \S+)\s+([\d.]+)%", text)
    }
    assert right["pretrained, frozen"] > right["random vectors, trained"] + 10
    assert (tmp_path / "embmap-demo.png").stat().st_size > 10_000


def test_the_command_needs_no_setting(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-m", "embmap", "demo", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        command, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert "= queen" in done.stdout


def test_the_sample(tmp_path):
    report = embmap.convert(sample(tmp_path))
    assert (report.rows, report.dim) == (8000, 100)
    texts, labels, names = sentences()
    assert len(texts) == len(labels) == 240
    assert names == ["home", "love", "sea", "war"]
