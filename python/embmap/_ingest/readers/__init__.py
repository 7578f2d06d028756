"""Kinds of sources that are read with Python's libraries: numbers and words apart, tables, files of spaCy, gensim, PyTorch.

`choose` tells which kind a source is, each other file reads some kinds, and `rows` writes what they give. Nothing is ever
unpickled or run.
"""
