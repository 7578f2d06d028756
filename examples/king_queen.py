"""Convert text vectors, look words up, and show that king - man + woman = queen."""

from pathlib import Path

import embmap
from embmap.demo import sample

text = sample(Path())  # any GloVe, word2vec or fastText text file
print(embmap.convert(text, "vectors.embmap"))

with embmap.open("vectors.embmap") as store:
    print(store["king"][:4])
    print(store.indices(["king", "unheard-of", "queen"]))
    for word, cosine in store.most_similar(positive=["king", "woman"], negative=["man"], topn=3):
        print(f"{cosine:.3f}  {word}")
