//! An input read from its start to its end, whatever it is.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{Input, Progress, Stream};
use crate::sys::pread::read_exact_at;

/// The bytes of an input, in order.
pub(crate) enum Sequential {
    /// A file that is `end` bytes long, from `at` on.
    File { file: File, at: u64, end: u64 },
    /// What is left of a stream.
    Stream(Stream),
}

impl Sequential {
    /// Over what lies behind the first `start` bytes, which are gone from a stream already.
    pub(crate) fn new(input: Input, start: u64) -> Sequential {
        match input {
            Input::File(file, length) => Sequential::File { file, at: start, end: length },
            Input::Stream(stream) => Sequential::Stream(stream),
        }
    }

    /// How far a stream has come; a file is asked for its length.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self {
            Sequential::File { .. } => None,
            Sequential::Stream(stream) => Some(stream.progress()),
        }
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Sequential::Stream(stream) => stream.read(buffer),
            Sequential::File { file, at, end } => {
                let wanted = buffer.len().min(usize::try_from(*end - *at).unwrap_or(usize::MAX));
                read_exact_at(file, &mut buffer[..wanted], *at)?;
                *at += wanted as u64;
                Ok(wanted)
            }
        }
    }
}
