//! What the machine gives: files, memory, threads, instructions. Nothing here knows what a store is.

pub(crate) mod atomic_file;
pub(crate) mod mmap;
pub(crate) mod network;
pub(crate) mod pread;
pub(crate) mod prefetch;
pub(crate) mod regular;
pub(crate) mod simd;
pub(crate) mod threads;
pub(crate) mod turns;
