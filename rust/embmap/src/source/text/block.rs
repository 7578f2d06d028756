//! Whole lines in a buffer with room around them, and where they come from.

use super::kernels::{BACK, FRONT, Padded};
/// Whole lines, each with its newline.
#[derive(Debug, Default)]
pub(crate) struct LineBlock {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// The block's number, from 0.
    pub sequence: u64,
    /// The place of its first line in the text.
    pub offset: u64,
    /// Whether the last newline is not the text's.
    unended: bool,
}

impl LineBlock {
    /// The first `length` bytes of room for text, and one more for a newline that a last line may lack.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        let needed = FRONT + length + 1 + BACK;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        &mut self.buffer[FRONT..FRONT + length]
    }

    /// Says that the lines are bytes `from..to` of the room, at `offset` of the text.
    pub(crate) fn set(&mut self, from: usize, to: usize, offset: u64) {
        (self.from, self.to, self.offset, self.unended) = (from, to, offset, false);
    }

    /// Ends the last line, which has no newline in the text.
    pub(crate) fn end_line(&mut self) {
        self.buffer[FRONT + self.to] = b'\n';
        self.to += 1;
        self.unended = true;
    }

    /// Where the last line begins, if it has no newline: the text ends with it.
    pub(crate) fn unended(&self) -> Option<u64> {
        let start = || memchr::memrchr(b'\n', self.original()).map_or(0, |newline| newline + 1);
        self.unended.then(|| self.offset + start() as u64)
    }

    /// What has been read into the room.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[FRONT..]
    }

    /// The lines. A last line that has no newline in the text has one here.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.buffer[FRONT + self.from..FRONT + self.to]
    }

    /// The lines as they are in the text.
    pub(crate) fn original(&self) -> &[u8] {
        &self.lines()[..self.to - self.from - usize::from(self.unended)]
    }

    /// The lines in runs of about `size` bytes, whole lines each, which stay in a near cache between the two stages.
    pub(crate) fn pieces(&self, size: usize) -> impl Iterator<Item = Padded<'_>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let rest = &self.lines()[from..];
            let first = &rest[..size.min(rest.len())];
            let length = match memchr::memrchr(b'\n', first) {
                Some(newline) => newline + 1,
                None => memchr::memchr(b'\n', rest)? + 1,
            };
            let start = FRONT + self.from + from;
            from += length;
            Some(Padded::new(&self.buffer, start, start + length))
        })
    }

    /// Where in the text the byte at `at` of the buffer is.
    pub(crate) fn offset_of(&self, at: usize) -> u64 {
        self.offset + (at - FRONT - self.from) as u64
    }
}
