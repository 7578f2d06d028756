//! The fields of a model, one after the other, each checked against the end of the file.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, ParseError, Result, Unit},
    source::Envelope,
    sys::pread::read_at,
};

/// Read at a time.
const WINDOW_BYTES: usize = 256 << 10;

/// A place in a file, and what lies behind it.
pub(super) struct Reader<'a> {
    path: PathBuf,
    file: &'a File,
    /// Bytes of the file.
    length: u64,
    /// The place of the first byte of the window.
    start: u64,
    window: Vec<u8>,
    /// How much of the window has been read.
    used: usize,
    /// What has been read before anything was passed over.
    pub read: Envelope,
    passed: bool,
}

impl<'a> Reader<'a> {
    /// At byte `start` of a file that has `length`.
    pub(super) fn new(path: &Path, file: &'a File, length: u64, start: u64) -> Reader<'a> {
        let (path, window) = (path.to_path_buf(), Vec::new());
        Reader { path, file, length, start, window, used: 0, read: Envelope::default(), passed: false }
    }

    /// The place of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.start + self.used as u64
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.length.saturating_sub(self.at())
    }

    /// An error at the next byte.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        ParseError::at(&self.path, Unit::Byte, 1, self.at(), reason).into()
    }

    /// The error of a file that ends too early, in `what`.
    pub(super) fn cut_short(&self, what: &str) -> Error {
        self.refuse(format!(
            "{what} cannot be in the {} bytes that follow: the file was cut short, or is no fastText model; download or \
             copy it again",
            self.left()
        ))
    }

    /// The next `n` bytes, few of them.
    pub(super) fn bytes(&mut self, n: usize, what: &str) -> Result<&[u8]> {
        if self.window.len() - self.used < n {
            self.refill(n)?;
            if self.window.len() < n {
                return Err(self.cut_short(what));
            }
        }
        self.used += n;
        let bytes = &self.window[self.used - n..self.used];
        if !self.passed {
            self.read.add(bytes);
        }
        Ok(bytes)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    /// The next number, of four bytes.
    pub(super) fn i32(&mut self, what: &str) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    /// The next number, of eight bytes.
    pub(super) fn i64(&mut self, what: &str) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// The next number, which may not be negative.
    pub(super) fn count(&mut self, what: &str) -> Result<u32> {
        let number = self.i32(what)?;
        u32::try_from(number).map_err(|_| self.refuse(format!("{what} is {number}; it cannot be negative")))
    }

    /// The next byte, which must be 0 or 1.
    pub(super) fn flag(&mut self, what: &str) -> Result<bool> {
        match self.array(what)? {
            [flag @ (0 | 1)] => Ok(flag == 1),
            [other] => Err(self.refuse(format!("{what} is {other}, not 0 or 1"))),
        }
    }

    /// Reads on behind the next NUL, which is among the next `most` bytes.
    pub(super) fn skip_word(&mut self, most: usize) -> Result<()> {
        let mut length = 0;
        loop {
            let rest = &self.window[self.used..];
            let found = memchr::memchr(0, rest);
            let step = found.map_or(rest.len(), |nul| nul + 1);
            self.read.add(&rest[..step]);
            self.used += step;
            length += step;
            if length > most {
                return Err(self.refuse(format!("a word is longer than {most} bytes: this is no fastText model")));
            }
            if found.is_some() {
                return Ok(());
            }
            self.refill(1)?;
            if self.window.is_empty() {
                return Err(self.cut_short("the end of a word"));
            }
        }
    }

    /// Passes over `n` bytes without reading them.
    pub(super) fn skip(&mut self, n: u64, what: &str) -> Result<()> {
        if n > self.left() {
            return Err(self.cut_short(what));
        }
        self.passed = true;
        self.start = self.at() + n;
        self.window.clear();
        self.used = 0;
        Ok(())
    }

    /// Moves the window to the next byte, with room for `n`.
    fn refill(&mut self, n: usize) -> Result<()> {
        self.start = self.at();
        self.used = 0;
        self.window.resize(n.max(WINDOW_BYTES).min(self.left() as usize), 0);
        let read = read_at(self.file, &mut self.window, self.start).map_err(Error::io(&self.path))?;
        self.window.truncate(read);
        Ok(())
    }
}
