//! A store in the making.

pub(crate) mod index;
