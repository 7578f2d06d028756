"""What `embmap.gensim.KeyedVectors` is made of."""
