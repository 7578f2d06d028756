//! What can go wrong, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::dtype::Dtype;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the path is the file it refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source is not what it should be.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The store is not one, or not whole.
    #[error("{}: {source}", path.display())]
    Format {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// An argument cannot be, or not beside the others.
    #[error("{0}")]
    Argument(String),
    /// A number is outside its range.
    #[error("{name} must be between {least} and {most}, not {found}")]
    OutOfRange {
        /// The argument.
        name: &'static str,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
        /// What it was.
        found: u64,
    },
    /// A slice has not the length that the others ask for.
    #[error("{name} must have {expected} elements, not {found}")]
    Length {
        /// The argument.
        name: &'static str,
        /// The length that fits the other arguments.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// Rows are wider or narrower than the store's.
    #[error("rows of {found} numbers, the store's have {expected}")]
    DimMismatch {
        /// Numbers a row of the store.
        expected: usize,
        /// Numbers a row that was handed over.
        found: usize,
    },
    /// Numbers are of another type than the call needs.
    #[error("the numbers are {}, not {}: gather() converts them", found.name(), expected.name())]
    DtypeMismatch {
        /// What the call needs.
        expected: Dtype,
        /// What the store holds.
        found: Dtype,
    },
    /// A row was asked for that is not there.
    #[error("id {id} at position {position} is not a row: there are {rows}")]
    NoSuchRow {
        /// What was asked for.
        id: i64,
        /// Where in the request, from 0.
        position: usize,
        /// Rows of the store.
        rows: usize,
    },
    /// A row that was handed over cannot be stored.
    #[error("row {row}, {word:?}: {reason}")]
    BadRow {
        /// Which of all that were handed over, from 0.
        row: u64,
        /// Its word.
        word: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A word has no place in the format that is written.
    #[error("the word {word:?} of row {id} {reason}; export without it (words=), or to another format")]
    Unwritable {
        /// The row.
        id: usize,
        /// Its word.
        word: String,
        /// What the format cannot hold.
        reason: &'static str,
    },
    /// An earlier batch was not written whole, so that nothing can follow it.
    #[error("an earlier batch could not be written, so the store cannot be either: begin it anew")]
    Incomplete,
    /// The system has no memory for a buffer.
    #[error("no memory for {bytes} bytes")]
    NoMemory {
        /// The size of the buffer.
        bytes: usize,
    },
    /// The system makes no thread, not even one.
    #[error("no thread can be started: {0}")]
    NoThread(#[source] io::Error),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Wraps what the system said about `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, source }
    }

    /// Wraps what is wrong with the store at `path`.
    pub(crate) fn format(path: impl Into<PathBuf>) -> impl FnOnce(FormatError) -> Error {
        let path = path.into();
        move |source| Error::Format { path, source }
    }
}

/// A place in a source that cannot be accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), unit.place(*line, *byte_offset))]
pub struct ParseError {
    /// The source.
    pub path: PathBuf,
    /// The line, or the record of a binary file, counted from 1.
    pub line: u64,
    /// The byte at which it starts, counted from 0.
    pub byte_offset: u64,
    /// What was expected, what was found, what to do.
    pub reason: String,
    /// What `line` counts.
    pub unit: Unit,
}

impl ParseError {
    /// What is wrong with a source as a whole.
    pub(crate) fn of(path: &Path, reason: impl Into<String>) -> ParseError {
        ParseError::at(path, Unit::File, 1, 0, reason)
    }

    /// What is wrong at a place of a source.
    pub(crate) fn at(path: &Path, unit: Unit, line: u64, byte_offset: u64, reason: impl Into<String>) -> ParseError {
        ParseError { path: path.to_path_buf(), line, byte_offset, reason: reason.into(), unit }
    }
}

/// What a place in a source is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Lines.
    #[default]
    Line,
    /// The words of a binary file or a vocabulary.
    Word,
    /// Bytes alone.
    Byte,
    /// Nothing: it is the file as a whole.
    File,
}

impl Unit {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Line => "line",
            Unit::Word => "word",
            Unit::Byte => "byte",
            Unit::File => "file",
        }
    }

    fn place(self, line: u64, byte_offset: u64) -> String {
        match self {
            Unit::Line | Unit::Word => format!(", {} {line} (byte {byte_offset})", self.name()),
            Unit::Byte => format!(", byte {byte_offset}"),
            Unit::File => String::new(),
        }
    }
}

/// What makes a file unusable as a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It does not begin as a store does.
    #[error("not an embmap store: {0}")]
    NotAStore(String),
    /// It has a later version of the format.
    #[error(
        "written by a later version of embmap (format version {found}, this one reads {newest}); upgrade embmap to read it"
    )]
    Version {
        /// The version in the header.
        found: u32,
        /// The newest that this crate reads.
        newest: u32,
    },
    /// It has something that only a later version knows.
    #[error("written by a later version of embmap ({0}); upgrade embmap to read it")]
    TooNew(String),
    /// Its bytes begin at an address that no number can be read from in place.
    #[error(
        "the bytes of the store begin at an address that is no multiple of {needed}: map the file, or copy them to one"
    )]
    Misaligned {
        /// The bytes of the widest number in a store.
        needed: usize,
    },
    /// It is shorter or longer than its header says.
    #[error(
        "{}: the header says {expected} bytes, the file has {found}; convert or copy it again",
        if found < expected { "truncated" } else { "something stands behind the store" }
    )]
    Truncated {
        /// The length in the header.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// Something in it contradicts something else.
    #[error("corrupt: {0}; convert or copy it again")]
    Corrupt(String),
}

/// Shorthand for [`FormatError::Corrupt`].
pub(crate) fn corrupt(what: impl Into<String>) -> FormatError {
    FormatError::Corrupt(what.into())
}
