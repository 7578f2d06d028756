//! The first bytes of a source, from which its kind and its layout are found.

use std::{io, path::Path};

use super::{
    block::{BlockError, LONGEST_LINE},
    stream::{broken, fill},
};
use crate::{
    container::Input,
    error::{Error, ParseError, Result, Unit},
    sys::pread::read_at,
};

/// Read at first; more where two lines do not fit.
pub(crate) const HEAD: usize = 256 << 10;

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
        let mut size = HEAD;
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
