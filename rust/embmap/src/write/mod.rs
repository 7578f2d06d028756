//! A store in the making: rows as they come, from any thread, then everything else, whole or not at all.

pub(crate) mod builder;
pub(crate) mod dedup;
pub(crate) mod index;
pub(crate) mod pilots;
pub(crate) mod screen;
pub(crate) mod store_writer;
pub(crate) mod summary;
