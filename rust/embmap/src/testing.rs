//! Streams as tests need them.

use std::io::{self, Read};

/// Gives so many bytes at a time.
pub(crate) struct Drip<'a>(pub &'a [u8], pub usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(buffer.len());
        self.0.read(&mut buffer[..n])
    }
}

/// Is damaged from its first byte on.
pub(crate) struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("damaged"))
    }
}
