//! A file cut into blocks of whole records, by whichever thread is free: it reads one block while the others copy theirs.
//!
//! Records have no fixed length, so that only who has read the one before knows where the next begins. But it takes no more
//! than to look for the space that ends its word: what is left to do, copying and checking numbers, is done side by side.

use std::{
    io::{self, Read},
    sync::{Mutex, PoisonError},
};

use crate::source::{
    Envelope,
    head::{BlockError, broken, fill},
};

/// A record whose word, with the newlines before it, is longer is none.
pub(crate) const LONGEST_WORD: usize = 1 << 20;

/// Where a record lies: its word at `word..space`, its numbers from `space + 1` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub word: usize,
    pub space: usize,
}

/// What begins at a place where a record may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A whole record.
    Whole(Record),
    /// Newlines that nothing follows, so far.
    Nothing,
    /// A word that begins there, and not all of the record.
    Part { word: usize },
    /// [`LONGEST_WORD`] bytes without a space.
    Endless,
}

impl Record {
    /// What begins at `from` of `bytes`, where numbers take `width` bytes.
    pub(crate) fn next(bytes: &[u8], from: usize, width: usize) -> Next {
        let rest = &bytes[from..];
        let near = &rest[..rest.len().min(LONGEST_WORD + 1)];
        let Some(newlines) = near.iter().position(|&byte| byte != b'\n') else {
            return if near.len() > LONGEST_WORD { Next::Endless } else { Next::Nothing };
        };
        let word = from + newlines;
        match memchr::memchr(b' ', &near[newlines..]) {
            Some(length) if rest.len() - newlines - length > width => {
                Next::Whole(Record { word, space: word + length })
            }
            None if near.len() > LONGEST_WORD => Next::Endless,
            _ => Next::Part { word },
        }
    }

    /// The numbers of the record and nothing else.
    pub(crate) fn numbers(self, bytes: &[u8], width: usize) -> &[u8] {
        &bytes[self.space + 1..][..width]
    }
}

/// Whole records.
#[derive(Debug, Default)]
pub(crate) struct RecordBlock {
    buffer: Vec<u8>,
    length: usize,
    /// The block's number, from 0.
    pub sequence: u64,
    /// The place of its first byte in the file.
    pub offset: u64,
    /// Where its records are.
    pub records: Vec<Record>,
    /// Where the word begins of a record that the file ends in.
    pub cut: Option<usize>,
}

impl RecordBlock {
    /// The bytes of the records.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    fn room(&mut self, length: usize) -> &mut [u8] {
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        &mut self.buffer[..length]
    }
}

/// The records of a file or stream.
pub(crate) struct Records<R> {
    /// Bytes that the numbers of a record take.
    width: usize,
    /// Bytes of a block, where a record is not longer.
    size: usize,
    state: Mutex<State<R>>,
}

struct State<R> {
    bytes: R,
    /// Read, but not yet part of a block: the start of a record, or newlines that may end the file.
    carry: Vec<u8>,
    /// The place of the carry in the file.
    offset: u64,
    sequence: u64,
    ended: bool,
    /// Why no more can be read. The records before are given out first.
    failure: Option<io::Error>,
}

impl<R: Read> Records<R> {
    /// Over `carry`, which has been read already and starts at `offset`, and the rest of `bytes`, unless reading has failed.
    pub(crate) fn new(
        bytes: R,
        carry: Vec<u8>,
        offset: u64,
        failure: Option<io::Error>,
        width: usize,
        size: usize,
    ) -> Self {
        let state = State { bytes, carry, offset, sequence: 0, ended: false, failure };
        Records { width, size, state: Mutex::new(state) }
    }

    /// Fills `block` with the next one; `false` when there is none.
    pub(crate) fn next(&self, block: &mut RecordBlock) -> Result<bool, BlockError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next(block, self.width, self.size)
    }

    /// The newlines that end the file, once it has all been read.
    pub(crate) fn trailer(&self) -> Envelope {
        let mut framing = Envelope::default();
        framing.add(&self.state.lock().unwrap_or_else(PoisonError::into_inner).carry);
        framing
    }
}

impl<R: Read> State<R> {
    fn next(&mut self, block: &mut RecordBlock, width: usize, size: usize) -> Result<bool, BlockError> {
        (block.sequence, block.offset, block.length, block.cut) = (self.sequence, self.offset, 0, None);
        block.records.clear();
        if self.ended {
            return Ok(false);
        }
        let mut filled = self.carry.len();
        let mut wanted = size.max(filled);
        block.room(wanted)[..filled].copy_from_slice(&self.carry);
        let mut end = 0;
        loop {
            if self.failure.is_none() {
                self.failure = fill(&mut self.bytes, block.room(wanted), &mut filled).err();
            }
            self.ended = filled < wanted && self.failure.is_none();
            let next = loop {
                match Record::next(&block.buffer[..filled], end, width) {
                    Next::Whole(record) => {
                        block.records.push(record);
                        end = record.space + 1 + width;
                    }
                    next => break next,
                }
            };
            let found = !block.records.is_empty();
            match next {
                Next::Endless if found => {
                    // On with the next block, behind the records of this one.
                    self.ended = false;
                    break;
                }
                Next::Endless => {
                    self.ended = true;
                    return Err(endless(self.offset));
                }
                Next::Part { word } if self.ended => {
                    block.cut = Some(word);
                    end = filled;
                    break;
                }
                _ if found || self.ended => break,
                _ => {
                    if let Some(error) = self.failure.take() {
                        self.ended = true;
                        return Err(broken(error, &[], self.offset));
                    }
                    wanted *= 2;
                }
            }
        }
        block.length = end;
        self.carry.clear();
        self.carry.extend_from_slice(&block.buffer[end..filled]);
        self.offset += end as u64;
        self.sequence += 1;
        Ok(end > 0)
    }
}

fn endless(byte_offset: u64) -> BlockError {
    BlockError::Malformed {
        lines: 0,
        byte_offset,
        reason: format!(
            "expected a word that a space ends, found none within {} MiB: the file is damaged, or its header lies",
            LONGEST_WORD >> 20
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FailingRead, ShortReads};
    use proptest::prelude::*;

    type Found = (Vec<(u64, Vec<u8>, Vec<u8>)>, Option<(u64, Vec<u8>)>, u64);

    /// Words and numbers with their places, what a last record is cut to, and how many newlines end the file.
    fn read(bytes: impl Read, carry: &[u8], width: usize, size: usize) -> Result<Found, BlockError> {
        let records = Records::new(bytes, carry.to_vec(), 7, None, width, size);
        let (mut block, mut found, mut cut) = (RecordBlock::default(), Vec::new(), None);
        let (mut sequence, mut offset) = (0, 7);
        while records.next(&mut block)? {
            assert_eq!((block.sequence, block.offset), (sequence, offset));
            assert!(cut.is_none());
            (sequence, offset) = (sequence + 1, offset + block.bytes().len() as u64);
            for record in &block.records {
                found.push((
                    block.offset + record.word as u64,
                    block.bytes()[record.word..record.space].to_vec(),
                    record.numbers(block.bytes(), width).to_vec(),
                ));
            }
            cut = block.cut.map(|word| (block.offset + word as u64, block.bytes()[word..].to_vec()));
        }
        Ok((found, cut, records.trailer().bytes))
    }

    /// The same, in the plainest way.
    fn reference(mut bytes: &[u8], width: usize) -> Found {
        let (length, mut found) = (bytes.len() + 7, Vec::new());
        loop {
            let newlines = bytes.iter().take_while(|&&byte| byte == b'\n').count();
            let word = &bytes[newlines..];
            let place = (length - word.len()) as u64;
            let Some(space) = word.iter().position(|&byte| byte == b' ').filter(|space| word.len() - space > width)
            else {
                return match word {
                    [] => (found, None, newlines as u64),
                    part => (found, Some((place, part.to_vec())), 0),
                };
            };
            found.push((place, word[..space].to_vec(), word[space + 1..][..width].to_vec()));
            bytes = &word[space + 1 + width..];
        }
    }

    proptest! {
        #[test]
        fn blocks_hold_every_record_once_and_in_order(
            bytes in "[a \n]{0,80}", width in 1usize..9, size in 1usize..30, drip in 1usize..9, split in 0usize..20
        ) {
            let bytes = bytes.as_bytes();
            let (carry, rest) = bytes.split_at(split.min(bytes.len()));
            let found = read(ShortReads(rest, drip), carry, width, size).expect("a readable stream");
            prop_assert_eq!(found, reference(bytes, width));
        }
    }

    #[test]
    fn a_word_without_end_is_an_error_behind_the_records_before_it() {
        for (before, lines) in [(&b""[..], 0), (b"a 1234\nb 5678", 2)] {
            for size in [1, 100, 8 << 20] {
                let records = Records::new(before.chain(io::repeat(b'x').take(4 << 20)), vec![], 5, None, 4, size);
                let (mut block, mut seen) = (RecordBlock::default(), 0);
                let error = loop {
                    match records.next(&mut block) {
                        Ok(more) => assert!(more),
                        Err(error) => break error,
                    }
                    seen += block.records.len();
                };
                assert_eq!(seen, lines);
                let place = 5 + before.len() as u64;
                assert!(
                    matches!(error, BlockError::Malformed { lines: 0, byte_offset, .. } if byte_offset == place),
                    "{error:?}"
                );
                assert!(!records.next(&mut block).expect("the end, for other threads"));
            }
        }
    }

    #[test]
    fn what_was_read_before_a_failure_comes_first() {
        let records = Records::new(b"a 1234\nb 56".chain(FailingRead), Vec::new(), 0, None, 4, 100);
        let mut block = RecordBlock::default();
        assert!(records.next(&mut block).expect("a record"));
        assert_eq!((block.bytes(), block.cut), (&b"a 1234"[..], None));
        let error = records.next(&mut block);
        assert!(matches!(error, Err(BlockError::Malformed { lines: 0, byte_offset: 6, .. })), "{error:?}");
        assert!(!records.next(&mut block).expect("the end, for other threads"));
    }

    #[test]
    fn a_record_longer_than_a_block_arrives_whole() {
        let bytes = [&b"ab "[..], &[b' '; 40_000], b"\ncd ", &[b'\n'; 40_000]].concat();
        let found = read(&bytes[..], b"", 40_000, 10).expect("a readable stream");
        assert_eq!(found, reference(&bytes, 40_000));
        assert_eq!(found.0.len(), 2);
    }
}
