//! A file cut into blocks of whole lines, each read on its own, by any thread, in any order.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use super::block::LineBlock;
use crate::{
    source::head::{BlockError, LONGEST_LINE},
    sys::pread::read_exact_at,
};

/// Read past a block's end at first, for its last line.
const TAIL_BYTES: usize = 4 << 10;

/// LineBlock `i` holds the lines that begin in bytes `i * size .. (i + 1) * size` of the body.
#[derive(Debug)]
pub(crate) struct FileBlocks {
    file: File,
    start: u64,
    end: u64,
    size: u64,
    next: AtomicU64,
}

impl FileBlocks {
    /// Over bytes `start..end` of `file`.
    pub(crate) fn new(file: File, start: u64, end: u64, size: u64) -> FileBlocks {
        FileBlocks { file, start, end, size, next: AtomicU64::new(0) }
    }

    /// Fills `block` with the next one; `false` when there is none.
    pub(crate) fn next(&self, block: &mut LineBlock) -> Result<bool, BlockError> {
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
        let mut filled = self.extend(block, origin, 0, room.min(inside + TAIL_BYTES))?;

        let from = match (before, memchr::memchr(b'\n', &block.data()[..inside - 1])) {
            (0, _) => 0,
            (_, Some(newline)) => newline + 1,
            // The block lies inside one line, which is another block's.
            (_, None) => inside,
        };
        let offset = origin + from as u64;
        block.set(from, from, offset);
        if from == inside {
            return Ok(true);
        }
        let mut searched = inside - 1;
        loop {
            if let Some(newline) = memchr::memchr(b'\n', &block.data()[searched..filled]) {
                block.set(from, searched + newline + 1, offset);
                return Ok(true);
            }
            if filled == room {
                block.set(from, filled, offset);
                block.end_line();
                return Ok(true);
            }
            if filled - inside >= LONGEST_LINE {
                return Err(BlockError::long_line(&block.data()[from..inside], offset));
            }
            searched = filled;
            filled = self.extend(block, origin, filled, room.min(inside + (filled - inside) * 4))?;
        }
    }

    /// Reads on from `filled` to `wanted` bytes behind `origin`.
    fn extend(&self, block: &mut LineBlock, origin: u64, filled: usize, wanted: usize) -> io::Result<usize> {
        read_exact_at(&self.file, &mut block.room(wanted)[filled..], origin + filled as u64)?;
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
        let blocks = FileBlocks::new(file, start, text.len() as u64, size);
        let mut block = LineBlock::default();
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
        crate::sys::pread::write_at(&file, b"a\nb\n", 0).expect("room");
        let blocks = FileBlocks::new(file, 0, 3 * LONGEST_LINE as u64, 100);
        assert!(matches!(
            blocks.next(&mut LineBlock::default()),
            Err(BlockError::Malformed { lines: 2, byte_offset: 4, .. })
        ));
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
