//! The first bytes of a source, from which its kind and its layout are found.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{SourceError, container::Input};
use crate::{
    error::{Error, ParseError, Result, Unit},
    sys::pread::read_at,
};

/// Longer lines are not vectors.
pub(crate) const LONGEST_LINE: usize = 16 << 20;

/// Read at first; more where two lines do not fit.
pub(crate) const HEAD_BYTES: usize = 256 << 10;

/// The first bytes of a text: at least two whole lines, unless it is shorter or a line absurdly long.
pub(crate) struct Head {
    pub bytes: Vec<u8>,
    whole: usize,
    /// Why no more of a stream can be read, where there is a line before that.
    pub failure: Option<io::Error>,
}

impl Head {
    /// Reads on until there are two lines. What is read of a stream is gone from it.
    pub(crate) fn read(path: &Path, input: &mut Input) -> Result<Head> {
        Head::lines(input).map_err(|error| match error {
            BlockError::Io(error) => Error::io(path)(error),
            BlockError::Malformed { lines, byte_offset, reason } => {
                ParseError::at(path, Unit::Line, lines + 1, byte_offset, reason).into()
            }
        })
    }

    fn lines(input: &mut Input) -> Result<Head, BlockError> {
        let (mut bytes, mut filled) = (Vec::new(), 0);
        let mut size = HEAD_BYTES;
        loop {
            let ended = match input {
                Input::File(file, length) => {
                    bytes.resize(size.min(*length as usize), 0);
                    filled += read_at(file, &mut bytes[filled..], filled as u64)?;
                    filled < size || filled as u64 == *length
                }
                Input::Stream(stream) => {
                    bytes.resize(size, 0);
                    if let Err(error) = fill(stream, &mut bytes, &mut filled) {
                        bytes.truncate(filled);
                        return match memchr::memrchr(b'\n', &bytes) {
                            Some(last) => Ok(Head { bytes, whole: last + 1, failure: Some(error) }),
                            None => Err(broken(error, &bytes, 0)),
                        };
                    }
                    filled < size
                }
            };
            bytes.truncate(filled);
            let mut newlines = memchr::memrchr_iter(b'\n', &bytes);
            let whole = match (newlines.next(), newlines.next()) {
                (Some(last), Some(_)) if !ended => last + 1,
                _ if ended || size > 2 * LONGEST_LINE => filled,
                _ => {
                    size *= 4;
                    continue;
                }
            };
            return Ok(Head { bytes, whole, failure: None });
        }
    }

    /// The beginning of a file that is no longer than that.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Head {
        Head { bytes: bytes.to_vec(), whole: bytes.len(), failure: None }
    }

    /// Without a last line that may go on; all of it where no line ends.
    pub(crate) fn whole_lines(&self) -> &[u8] {
        &self.bytes[..self.whole]
    }
}

/// Why a block cannot be had.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// The system refused.
    Io(std::io::Error),
    /// What is wrong `byte_offset` bytes into the text, behind so many lines of the block.
    Malformed { lines: u64, byte_offset: u64, reason: String },
}

impl BlockError {
    /// The last of the lines in `before`, which the block at `offset` starts with, is longer than [`LONGEST_LINE`].
    pub(crate) fn long_line(before: &[u8], offset: u64) -> BlockError {
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        BlockError::Malformed {
            lines: memchr::memchr_iter(b'\n', before).count() as u64,
            byte_offset: offset + start as u64,
            reason: format!("the line is longer than {} MiB: this is no file of vectors", LONGEST_LINE >> 20),
        }
    }

    /// The same, as the pipeline is told it.
    pub(crate) fn into_source_error(self, path: &Path) -> SourceError {
        match self {
            BlockError::Io(error) => SourceError::Refused(Error::io(path)(error)),
            BlockError::Malformed { lines, byte_offset, reason } => {
                SourceError::Malformed { lines, byte_offset, reason }
            }
        }
    }
}

impl From<std::io::Error> for BlockError {
    fn from(error: std::io::Error) -> Self {
        BlockError::Io(error)
    }
}

/// Reads on behind the first `filled` bytes until the room is full or the stream ends.
pub(crate) fn fill(stream: &mut impl Read, room: &mut [u8], filled: &mut usize) -> io::Result<()> {
    while *filled < room.len() {
        match stream.read(&mut room[*filled..]) {
            Ok(0) => break,
            Ok(read) => *filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Damage is told with the line in which it lies, the last of what could be `read` from `offset` on.
pub(crate) fn broken(error: io::Error, read: &[u8], offset: u64) -> BlockError {
    if error.raw_os_error().is_some() || error.get_ref().is_none() {
        return error.into();
    }
    let start = memchr::memrchr(b'\n', read).map_or(0, |newline| newline + 1);
    BlockError::Malformed {
        lines: memchr::memchr_iter(b'\n', read).count() as u64,
        byte_offset: offset + start as u64,
        reason: error.to_string(),
    }
}
