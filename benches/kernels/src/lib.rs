//! The words that the kernel benchmarks run on: real ones where the vocabulary is at hand, others made from them.
