//! A stream cut into blocks of whole lines, by whichever thread is free: it unpacks one block while the others parse.

use std::{
    io::{self, Read},
    sync::{Mutex, PoisonError},
};

use super::block::LineBlock;
use crate::source::{
    Envelope,
    head::{BlockError, LONGEST_LINE, broken, fill},
};

/// The lines of a stream.
pub(crate) struct StreamBlocks<R> {
    size: usize,
    state: Mutex<State<R>>,
}

struct State<R> {
    stream: R,
    /// Read, but not yet part of a block: the start of a line, or blank lines that may end the text.
    carry: Vec<u8>,
    /// The place of the carry in the text.
    offset: u64,
    sequence: u64,
    ended: bool,
    /// Why no more can be read. The lines before are given out first.
    failure: Option<io::Error>,
}

impl<R: Read> StreamBlocks<R> {
    /// Over `carry`, which has been read already and starts at `offset`, and the rest of `stream`, unless reading has failed.
    pub(crate) fn new(stream: R, carry: Vec<u8>, offset: u64, failure: Option<io::Error>, size: usize) -> Self {
        let state = State { stream, carry, offset, sequence: 0, ended: false, failure };
        StreamBlocks { size, state: Mutex::new(state) }
    }

    /// Fills `block` with the next one; `false` when there is none.
    pub(crate) fn next(&self, block: &mut LineBlock) -> Result<bool, BlockError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next(block, self.size)
    }

    /// The blank lines that end the text, once it has all been read.
    pub(crate) fn trailer(&self) -> Envelope {
        let mut framing = Envelope::default();
        framing.add(&self.state.lock().unwrap_or_else(PoisonError::into_inner).carry);
        framing
    }
}

impl<R: Read> State<R> {
    fn next(&mut self, block: &mut LineBlock, size: usize) -> Result<bool, BlockError> {
        block.sequence = self.sequence;
        if self.ended {
            return Ok(false);
        }
        let mut filled = self.carry.len();
        let mut wanted = size.max(filled);
        block.room(wanted)[..filled].copy_from_slice(&self.carry);
        let end = loop {
            let place = block.room(wanted);
            if self.failure.is_none() {
                self.failure = fill(&mut self.stream, place, &mut filled).err();
            }
            self.ended = filled < wanted && self.failure.is_none();
            let end = whole_lines(&place[..filled], self.ended);
            if end > 0 || self.ended {
                break end;
            }
            if let Some(error) = self.failure.take() {
                self.ended = true;
                return Err(broken(error, &place[..filled], self.offset));
            }
            if filled > LONGEST_LINE {
                // Blank lines without end are bad rows, not the end of the text.
                match memchr::memrchr(b'\n', &place[..filled]) {
                    Some(newline) => break newline + 1,
                    None => {
                        self.ended = true;
                        return Err(BlockError::long_line(&[], self.offset));
                    }
                }
            }
            wanted *= 2;
        };
        block.set(0, end, self.offset);
        self.carry.clear();
        self.carry.extend_from_slice(&block.data()[end..filled]);
        if end > 0 && block.data()[end - 1] != b'\n' {
            block.end_line();
        }
        self.offset += end as u64;
        self.sequence += 1;
        Ok(end > 0)
    }
}

/// Where the lines end that are whole and not blank to the end: what follows may be blank to the end of the text.
fn whole_lines(text: &[u8], ended: bool) -> usize {
    let Some(last) = text.iter().rposition(|byte| !is_blank(*byte)) else { return 0 };
    match memchr::memchr(b'\n', &text[last..]) {
        Some(newline) => last + newline + 1,
        None if ended => text.len(),
        None => memchr::memrchr(b'\n', &text[..last]).map_or(0, |newline| newline + 1),
    }
}

/// Whether a byte may stand in a blank line.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FailingRead, ShortReads};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_hold_every_line_once_and_in_order(text in "[a \n]{0,60}", size in 1usize..20, drip in 1usize..9) {
            let blocks = StreamBlocks::new(ShortReads(text.as_bytes(), drip), Vec::new(), 7, None, size);
            let mut block = LineBlock::default();
            let mut whole = Vec::new();
            let mut sequence = 0;
            while blocks.next(&mut block).expect("a readable stream") {
                prop_assert_eq!(block.sequence, sequence);
                prop_assert_eq!(block.offset, 7 + whole.len() as u64);
                prop_assert!(block.lines().ends_with(b"\n"));
                whole.extend_from_slice(block.original());
                sequence += 1;
            }
            let behind = blocks.trailer().bytes as usize;
            prop_assert_eq!(std::str::from_utf8(&whole), Ok(&text[..text.len() - behind]));
            prop_assert!(text[whole.len()..].chars().all(|c| is_blank(c as u8)));
            prop_assert!(whole.is_empty() || behind == 0 || whole.ends_with(b"\n"));
        }
    }

    #[test]
    fn what_was_read_before_a_failure_comes_first() {
        let blocks = StreamBlocks::new(b"a 1\nb 2\nc".chain(FailingRead), Vec::new(), 0, None, 100);
        let mut block = LineBlock::default();
        assert!(blocks.next(&mut block).expect("two lines"));
        assert_eq!((block.sequence, block.lines()), (0, &b"a 1\nb 2\n"[..]));
        let error = blocks.next(&mut block);
        assert_eq!(block.sequence, 1);
        assert!(matches!(error, Err(BlockError::Malformed { lines: 0, byte_offset: 8, .. })), "{error:?}");
        assert!(!blocks.next(&mut block).expect("the end, for other threads"));
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let blocks = StreamBlocks::new(io::repeat(b'x'), Vec::new(), 5, None, 1 << 20);
        let error = blocks.next(&mut LineBlock::default());
        assert!(matches!(error, Err(BlockError::Malformed { lines: 0, byte_offset: 5, .. })), "{error:?}");
    }
}
