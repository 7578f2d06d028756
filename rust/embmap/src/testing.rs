//! Streams as tests need them.

use std::io::{self, Read};

/// Gives so many bytes at a time.
pub(crate) struct ShortReads<'a>(pub &'a [u8], pub usize);

impl Read for ShortReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(buffer.len());
        self.0.read(&mut buffer[..n])
    }
}

/// Is damaged from its first byte on.
pub(crate) struct FailingRead;

impl Read for FailingRead {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("damaged"))
    }
}
