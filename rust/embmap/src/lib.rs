//! Pretrained word vectors in one memory-mapped file.
//!
//! [`convert`] reads every published kind of vectors (GloVe and fastText text, word2vec's and fastText's `.bin`, CSV, safetensors, packed or
//! not) into a store. [`Store::open`] maps one in constant time. A store answers word → row ([`Store::find_all`]) and rows → matrix
//! ([`Store::gather`]), and its matrix is the tensor itself ([`Store::vectors`]).
//!
//! # Overview of types
//!
//! - [`Options`] says how a file is read, and [`Report`] what was found in it: the rows kept, and why others were [`Rejected`].
//! - [`Builder`] makes a store of rows that are in memory already, with no file to read.
//! - [`Store`] is the open file. It looks words up (a [`Find`] does, where they come bit by bit). [`Rows`] are its numbers, gathered into any
//!   [`Number`]. [`Subwords`] gives a word that the file lacks a vector of its parts, [`Pooling`] makes one row of many. A search finds
//!   each [`Neighbor`] among a [`RowSelection`].
//! - [`ExportFormat`] says what a [`RowSelection`] goes out again as.
//! - [`Error`] holds every way in which any of it fails. [`ParseError`] and [`FormatError`] say where in a source or a store.
//! - [`mod@format`] is the file itself: names, offsets and checks of its sections, for who reads a store without this crate.
//!
//! docs/architecture.md walks through the crate, docs/format.md states the bytes.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let (text, target) = (folder.path().join("v.txt"), folder.path().join("v.embmap"));
//! std::fs::write(&text, "king 0.1 0.2\nqueen 0.3 0.4\n")?;
//! let report = embmap::convert(&text, &target, &embmap::Options::default(), &mut |_, _| true)?;
//! assert_eq!((report.rows, report.dim), (2, 2));
//!
//! let store = embmap::Store::open(&target)?;
//! let row = store.index().find(b"queen")?.expect("a word of the file") as usize;
//! assert_eq!(store.vectors()?[row * store.dim()..][..2], [0.3, 0.4]);
//! # Ok(()) }
//! ```

#[cfg(target_endian = "big")]
compile_error!("stores are little-endian and are read in place; big-endian machines are not supported");

#[cfg(not(target_pointer_width = "64"))]
compile_error!("stores are larger than the addresses of this machine");

mod convert;
mod dtype;
mod error;
mod export;
pub mod format;
mod random_rows;
mod source;
mod store;
mod sys;
#[cfg(test)]
mod testing;
mod tokens;
#[doc(hidden)]
pub mod unstable;
mod write;

pub use convert::{Report, convert};
pub use dtype::Dtype;
pub use error::{Error, FormatError, ParseError, Result, Unit};
pub use export::{ExportFormat, ExportReport};
pub use format::row_stats::inverse_norm;
pub use format::subwords::{Ngrams, Scheme};
pub use source::{
    batch::{Fault, Rejected},
    encoding::{Encoding, Utf8Errors},
    huggingface::model_files,
    options::{Format, OnBadRow, Options, Separator, WrongCount},
};
pub use store::Store;
pub use store::gather::{Number, Rows};
pub use store::lookup::Find;
pub use store::pool::Pooling;
pub use store::search::Neighbor;
pub use store::selection::RowSelection;
pub use store::subwords::Subwords;
pub use sys::mmap::{Access, Map};
pub use write::builder::{Builder, BuilderOptions, Built};
pub use write::dedup::Duplicates;

/// What the README shows works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The version of this crate, and of everything around it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
