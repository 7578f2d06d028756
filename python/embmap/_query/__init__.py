"""What a store answers: matrices, similarity, texts, evaluations. Functions of a `CoreStore`; `Store` has the methods."""
