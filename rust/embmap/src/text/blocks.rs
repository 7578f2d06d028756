//! A file cut into blocks of whole lines, each read on its own, by any thread, in any order.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use super::kernels::{BACK, FRONT, Padded};
use crate::positioned::read_at;

/// Read past a block's end at first, for its last line.
const TAIL: usize = 16 << 10;
/// Longer lines are not vectors.
pub(crate) const LONGEST_LINE: usize = 16 << 20;

/// Block `i` holds the lines that begin in bytes `i * size .. (i + 1) * size` of the body.
#[derive(Debug)]
pub(crate) struct Blocks {
    file: File,
    start: u64,
    end: u64,
    size: u64,
    next: AtomicU64,
}

/// Whole lines, each with its newline, and where they come from.
#[derive(Debug, Default)]
pub(crate) struct Block {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// The block's number, from 0.
    pub sequence: u64,
    /// The place of its first line in the file.
    pub offset: u64,
    /// Whether the last newline is not the file's.
    unended: bool,
}

impl Block {
    /// What has been read.
    fn data(&self) -> &[u8] {
        &self.buffer[FRONT..]
    }

    /// The lines. A last line that has no newline in the file has one here.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.buffer[FRONT + self.from..FRONT + self.to]
    }

    /// The lines as they are in the file.
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

    /// Where in the file the byte at `at` of the buffer is.
    pub(crate) fn offset_of(&self, at: usize) -> u64 {
        self.offset + (at - FRONT - self.from) as u64
    }
}

/// Why a block cannot be had.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// The system refused.
    Io(io::Error),
    /// A line is longer than [`LONGEST_LINE`]; where it starts.
    LongLine(u64),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        BlockError::Io(error)
    }
}

impl Blocks {
    /// Over bytes `start..end` of `file`.
    pub(crate) fn new(file: File, start: u64, end: u64, size: u64) -> Blocks {
        Blocks { file, start, end, size, next: AtomicU64::new(0) }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Fills `block` with the next one; `false` when there is none.
    pub(crate) fn next(&self, block: &mut Block) -> Result<bool, BlockError> {
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let begin = self.start + sequence * self.size;
        if begin >= self.end {
            return Ok(false);
        }
        // One byte before the block tells whether a line begins at its first byte.
        let before = u64::from(begin > self.start);
        let origin = begin - before;
        let room = (self.end - origin) as usize;
        let inside = (self.size.min(self.end - begin) + before) as usize;
        block.sequence = sequence;
        let mut filled = self.extend(block, origin, 0, room.min(inside + TAIL))?;

        block.from = match (before, memchr::memchr(b'\n', &block.data()[..inside - 1])) {
            (0, _) => 0,
            (_, Some(newline)) => newline + 1,
            // The block lies inside one line, which is another block's.
            (_, None) => inside,
        };
        block.offset = origin + block.from as u64;
        block.to = block.from;
        block.unended = false;
        let mut searched = inside - 1;
        while block.from < inside {
            if let Some(newline) = memchr::memchr(b'\n', &block.data()[searched..filled]) {
                block.to = searched + newline + 1;
            } else if filled == room {
                block.buffer[FRONT + filled] = b'\n';
                block.to = filled + 1;
                block.unended = true;
            } else if filled - inside >= LONGEST_LINE {
                let start = memchr::memrchr(b'\n', &block.data()[..inside]).map_or(0, |newline| newline + 1);
                return Err(BlockError::LongLine(origin + start as u64));
            } else {
                searched = filled;
                filled = self.extend(block, origin, filled, room.min(inside + (filled - inside) * 4))?;
                continue;
            }
            break;
        }
        Ok(true)
    }

    /// Reads on from `filled` to `wanted` bytes behind `origin`.
    fn extend(&self, block: &mut Block, origin: u64, filled: usize, wanted: usize) -> io::Result<usize> {
        // One byte more for the newline that a last line may lack.
        let needed = FRONT + wanted + 1 + BACK;
        if block.buffer.len() < needed {
            block.buffer.resize(needed, 0);
        }
        let place = &mut block.buffer[FRONT + filled..FRONT + wanted];
        let read = read_at(&self.file, place, origin + filled as u64)?;
        if read < wanted - filled {
            let what = "the file became shorter while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn blocks(text: &[u8], start: u64, size: u64) -> Vec<(u64, Vec<u8>)> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("room");
        let blocks = Blocks::new(file, start, text.len() as u64, size);
        let mut block = Block::default();
        let mut found = Vec::new();
        while blocks.next(&mut block).expect("a readable file") {
            found.push((block.offset, block.lines().to_vec()));
        }
        found
    }

    proptest! {
        #[test]
        fn blocks_hold_every_line_once_and_in_order(text in "[a\n]{0,60}", start in 0u64..4, size in 1u64..20) {
            let start = start.min(text.len() as u64);
            let mut whole = text.as_bytes()[start as usize..].to_vec();
            if whole.last().is_some_and(|last| *last != b'\n') {
                whole.push(b'\n');
            }
            let found = blocks(text.as_bytes(), start, size);
            for (offset, lines) in &found {
                prop_assert!(lines.is_empty() || lines.ends_with(b"\n"));
                let at = (*offset - start) as usize;
                prop_assert!(lines.is_empty() || whole[at..].starts_with(lines));
            }
            prop_assert_eq!(found.into_iter().flat_map(|(_, lines)| lines).collect::<Vec<u8>>(), whole);
        }
    }

    #[test]
    fn a_line_without_end_is_named_by_its_start() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(3 * LONGEST_LINE as u64).expect("room");
        crate::positioned::write_at(&file, b"a\nb\n", 0).expect("room");
        let blocks = Blocks::new(file, 0, 3 * LONGEST_LINE as u64, 100);
        assert!(matches!(blocks.next(&mut Block::default()), Err(BlockError::LongLine(4))));
    }

    #[test]
    fn a_line_longer_than_several_blocks_and_tails_arrives_whole() {
        let mut text = vec![b'x'; 300_000];
        text.extend(b"\ny\n");
        let found: Vec<_> = blocks(&text, 0, 1000).into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1.len(), 300_001);
        assert_eq!(found[1], (300_001, b"y\n".to_vec()));
    }
}
