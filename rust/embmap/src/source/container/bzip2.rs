//! bzip2 on all cores: its blocks of at most 900 kB are independent, but only a mark of 48 bits, at any bit, tells where one begins.
//!
//! Each block is put into a stream of its own, which the `bzip2` crate unpacks and checks, several side by side. What looks like a
//! mark may be part of a block, once in 2⁴⁸ bits: a block that cannot be unpacked is tried again with what follows it.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Cursor, Read},
};

use ::bzip2::read::BzDecoder;

use crate::sys::threads::for_each;

const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
const MARK_BITS: usize = 48;
/// A mark, and the checksum behind it.
const HEAD_BITS: usize = MARK_BITS + 32;
/// More than a block can have: 900,000 bytes of twenty bits at most, and its tables.
const LONGEST_BLOCK: usize = 4 << 20;
/// What is unpacked of a block before it is read: most are shorter, and one of runs, up to 46 MB, is unpacked while it is read.
const UNPACKED_BYTES: u64 = 4 << 20;
/// Blocks that are unpacked at a time, for each thread.
const BLOCKS: usize = 2;

/// What all streams of `packed` hold, one after the other.
pub(super) struct Bzip2<R> {
    splitter: Splitter<R>,
    threads: usize,
    ready: VecDeque<Item>,
    /// What is wrong behind all that is ready, or that nothing is.
    end: Option<io::Result<()>>,
    /// The checksum of the stream so far.
    crc: u32,
}

/// A part of a stream.
enum Item {
    Block(Block),
    /// The end of a stream, with the checksum of its blocks'.
    End(u32),
}

/// A block in a stream of its own.
struct Block {
    crc: u32,
    level: u8,
    bits: Bits,
    unpacked: Cursor<Vec<u8>>,
    /// What else the block has, or why it cannot be had.
    rest: io::Result<Option<BzDecoder<Cursor<Vec<u8>>>>>,
}

impl<R: BufRead> Bzip2<R> {
    pub(super) fn new(packed: R, threads: usize) -> Bzip2<R> {
        let splitter = Splitter { packed, buffer: Vec::new(), at: 0, level: None };
        Bzip2 { splitter, threads, ready: VecDeque::new(), end: None, crc: 0 }
    }

    /// Makes the next blocks ready.
    fn refill(&mut self) {
        let mut blocks = 0;
        while blocks < BLOCKS * self.threads && self.end.is_none() {
            blocks += usize::from(self.split());
        }
        let mut items: Vec<&mut Block> = self.ready.iter_mut().filter_map(Item::block).collect();
        let Ok(()) = for_each(Some(self.threads), &mut items, |block| {
            block.unpack();
            Ok::<(), std::convert::Infallible>(())
        });
        let mut i = 0;
        while i < self.ready.len() {
            let failed = self.ready[i].block().is_some_and(|block| block.rest.is_err());
            if failed && i + 1 == self.ready.len() && self.end.is_none() {
                self.split();
            }
            if failed {
                self.join(i);
            }
            i += 1;
        }
    }

    /// Takes the next part; whether there was one, and it is a block.
    fn split(&mut self) -> bool {
        match self.splitter.next() {
            Ok(Some(item)) => self.ready.push_back(item),
            Ok(None) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
        }
        self.end.is_none() && matches!(self.ready.back(), Some(Item::Block(_)))
    }

    /// Tries block `i` with the block behind it, if there is one.
    fn join(&mut self, i: usize) {
        if let (Some(Item::Block(block)), Some(Item::Block(next))) = (self.ready.get(i), self.ready.get(i + 1)) {
            let mut bits = Bits { bytes: block.bits.bytes.clone(), len: block.bits.len };
            bits.extend(&next.bits.bytes, 0, next.bits.len);
            let mut whole = Block::new(block.level, block.crc, bits);
            whole.unpack();
            if whole.rest.is_ok() {
                self.ready[i] = Item::Block(whole);
                self.ready.remove(i + 1);
            }
        }
    }
}

impl<R: BufRead> Read for Bzip2<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.ready.front_mut() {
                Some(Item::Block(block)) => {
                    let read = block.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        return Ok(read);
                    }
                    self.crc = self.crc.rotate_left(1) ^ block.crc;
                }
                Some(Item::End(crc)) if *crc == self.crc => self.crc = 0,
                Some(Item::End(_)) => return Err(damaged("the checksum of its blocks is another")),
                None => match self.end.take() {
                    None => {
                        self.refill();
                        continue;
                    }
                    Some(end) => {
                        self.end = Some(Ok(()));
                        return end.map(|()| 0);
                    }
                },
            }
            self.ready.pop_front();
        }
    }
}

impl Item {
    fn block(&mut self) -> Option<&mut Block> {
        match self {
            Item::Block(block) => Some(block),
            Item::End(_) => None,
        }
    }
}

impl Block {
    fn new(level: u8, crc: u32, bits: Bits) -> Block {
        Block { crc, level, bits, unpacked: Cursor::default(), rest: Ok(None) }
    }

    /// Unpacks the start of the block, mostly all of it.
    fn unpack(&mut self) {
        let mut stream = Bits { bytes: vec![b'B', b'Z', b'h', self.level], len: 32 };
        stream.extend(&self.bits.bytes, 0, self.bits.len);
        stream.push(END, MARK_BITS);
        stream.push(u64::from(self.crc), 32);
        let mut decoder = BzDecoder::new(Cursor::new(stream.bytes));
        let mut unpacked = Vec::new();
        self.rest = decoder.by_ref().take(UNPACKED_BYTES).read_to_end(&mut unpacked).map(|_| Some(decoder));
        if self.rest.is_ok() {
            self.unpacked = Cursor::new(unpacked);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.unpacked.read(buffer)? {
            0 => match &mut self.rest {
                Ok(Some(decoder)) => decoder.read(buffer),
                Ok(None) => Ok(0),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            },
            read => Ok(read),
        }
    }
}

/// Cuts streams into blocks.
struct Splitter<R> {
    packed: R,
    buffer: Vec<u8>,
    /// The bit of the buffer that comes next.
    at: usize,
    /// The size of blocks, within a stream.
    level: Option<u8>,
}

impl<R: BufRead> Splitter<R> {
    /// The next part; `None` behind the last stream.
    fn next(&mut self) -> io::Result<Option<Item>> {
        self.buffer.drain(..self.at / 8);
        self.at %= 8;
        let level = match self.level {
            Some(level) => level,
            None => {
                if !self.has(32)? && self.buffer.is_empty() {
                    return Ok(None);
                }
                let [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] = self.buffer[..] else {
                    return Err(damaged("what follows is no stream"));
                };
                self.at = 32;
                self.level = Some(level);
                level
            }
        };
        if !self.has(self.at + HEAD_BITS)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let crc = bits(&self.buffer, self.at + MARK_BITS, 32) as u32;
        match bits(&self.buffer, self.at, MARK_BITS) {
            END => {
                self.level = None;
                // A stream ends with a whole byte.
                self.at = (self.at + HEAD_BITS).next_multiple_of(8);
                Ok(Some(Item::End(crc)))
            }
            BLOCK => {
                let end = self.next_mark()?;
                let mut block = Bits::default();
                block.extend(&self.buffer, self.at, end);
                self.at = end;
                Ok(Some(Item::Block(Block::new(level, crc, block))))
            }
            _ => Err(damaged("no block begins where one ended")),
        }
    }

    /// Where the mark behind the block at hand begins.
    fn next_mark(&mut self) -> io::Result<usize> {
        let mut from = self.at + HEAD_BITS;
        loop {
            if let Some(mark) = find_mark(&self.buffer, from) {
                return Ok(mark);
            }
            // A mark may begin in the last bytes.
            from = from.max((8 * self.buffer.len()).saturating_sub(MARK_BITS + 8));
            if self.buffer.len() > LONGEST_BLOCK {
                return Err(damaged("no block is that long"));
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether the buffer has so many bits, once more has been read where it had fewer.
    fn has(&mut self, bits: usize) -> io::Result<bool> {
        while 8 * self.buffer.len() < bits {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.packed.fill_buf() {
                Ok([]) => return Ok(false),
                Ok(more) => {
                    self.buffer.extend_from_slice(more);
                    let read = more.len();
                    self.packed.consume(read);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Bits, the first in the highest of the first byte, as bzip2 has them.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// Appends the lowest `count` bits of `value`.
    fn push(&mut self, value: u64, count: usize) {
        self.extend(&value.to_be_bytes(), 64 - count, 64);
    }

    /// Appends bits `from..to` of `bytes`.
    fn extend(&mut self, bytes: &[u8], from: usize, to: usize) {
        let (count, shift) = (to - from, self.len % 8);
        // The bits that the last byte has no more room for go to the next.
        let first = from / 8;
        let byte = |i: usize| {
            let two = u16::from(bytes[first + i]) << 8 | u16::from(*bytes.get(first + i + 1).unwrap_or(&0));
            (two >> (8 - from % 8)) as u8
        };
        if shift > 0 {
            self.bytes.reserve(count / 8 + 1);
        }
        for i in 0..count.div_ceil(8) {
            let kept = (count - 8 * i).min(8);
            let next = byte(i) & (0xff00 >> kept) as u8;
            match self.bytes.last_mut() {
                Some(last) if shift > 0 => {
                    *last |= next >> shift;
                    if kept > 8 - shift {
                        self.bytes.push(next << (8 - shift));
                    }
                }
                _ => self.bytes.push(next),
            }
        }
        self.len += count;
    }
}

/// Bits `at..at + count` of `bytes`, which has them; 56 at most.
fn bits(bytes: &[u8], at: usize, count: usize) -> u64 {
    let mut eight = [0; 8];
    let there = &bytes[at / 8..bytes.len().min(at / 8 + 8)];
    eight[..there.len()].copy_from_slice(there);
    u64::from_be_bytes(eight) << (at % 8) >> (64 - count)
}

/// For each value of a byte, at which of eight bits a mark can have begun in the byte before, where this is its next whole byte, the
/// one after that, or the third: most bytes are none of these.
const WITHIN: [[u8; 256]; 3] = {
    let mut within = [[0; 256]; 3];
    let mut i = 0;
    while i < 3 {
        let mut bit = 0;
        while bit < 8 {
            let shift = MARK_BITS - (8 - bit) - 8 * (i + 1);
            within[i][(BLOCK >> shift & 0xff) as usize] |= 1 << bit;
            within[i][(END >> shift & 0xff) as usize] |= 1 << bit;
            bit += 1;
        }
        i += 1;
    }
    within
};

/// The first bit from `from` on at which a whole mark begins.
fn find_mark(bytes: &[u8], from: usize) -> Option<usize> {
    for (i, window) in bytes.windows(MARK_BITS / 8 + 1).enumerate().skip(from / 8) {
        let next = |j: usize| WITHIN[j][usize::from(window[1 + j])];
        let mut candidates = next(0) & next(1) & next(2);
        while candidates != 0 {
            let at = 8 * i + candidates.trailing_zeros() as usize;
            if at >= from && matches!(bits(bytes, at, MARK_BITS), BLOCK | END) {
                return Some(at);
            }
            candidates &= candidates - 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ::bzip2::{Compression, write::BzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn pack(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = BzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a stream")
    }

    fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        Bzip2::new(packed, 3).read_to_end(&mut unpacked).map(|_| unpacked)
    }

    /// Bytes that no block has few of.
    fn noise(length: usize) -> Vec<u8> {
        let mut x = 1u64;
        let mut next = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_packed_comes_out() {
        for bytes in [vec![], vec![b'a'], noise(250_000), vec![0; 50_000_000]] {
            let packed = pack(&bytes, 1);
            assert!(unpack(&packed).expect("a stream") == bytes);
            let twice = [&packed[..], &packed, &pack(b"b", 9)].concat();
            assert!(unpack(&twice).expect("streams") == [&bytes[..], &bytes, b"b"].concat());
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error() {
        let bytes = noise(250_000);
        let packed = pack(&bytes, 1);
        for length in (1..packed.len()).step_by(997).chain(packed.len() - 12..packed.len()) {
            assert!(unpack(&packed[..length]).is_err(), "cut after {length}");
        }
        for at in (0..packed.len()).step_by(1_009).chain(packed.len() - 10..packed.len() - 1) {
            let mut changed = packed.clone();
            changed[at] ^= 0x10;
            assert!(unpack(&changed).is_err(), "byte {at} changed");
        }
        assert!(unpack(&[&packed[..], b"tail"].concat()).is_err());
        let mut before = Vec::new();
        assert!(Bzip2::new(&packed[..packed.len() - 20_000], 2).read_to_end(&mut before).is_err());
        assert!(before.len() >= 99_981 && bytes.starts_with(&before), "whole blocks come out first");
    }

    #[test]
    fn what_looks_like_a_mark_and_is_none_is_part_of_its_block() {
        let bytes = noise(150_000);
        let packed = pack(&bytes, 1);
        let mut whole = Bzip2::new(&packed[..], 2);
        whole.split();
        let Some(Item::Block(block)) = whole.ready.pop_front() else { panic!("a block") };
        // The block as two, as if a mark had been found inside.
        let half = block.bits.len / 2 + 3;
        let (mut first, mut second) = (Bits::default(), Bits::default());
        first.extend(&block.bits.bytes, 0, half);
        second.extend(&block.bits.bytes, half, block.bits.len);
        let mut parts = [first, second].map(|bits| Item::Block(Block::new(block.level, block.crc, bits)));
        parts.iter_mut().filter_map(Item::block).for_each(Block::unpack);
        whole.ready.extend(parts);
        whole.join(0);
        let mut unpacked = Vec::new();
        whole.read_to_end(&mut unpacked).expect("a stream");
        assert!(unpacked == bytes);
    }

    proptest! {
        #[test]
        fn bits_are_cut_and_joined(bytes in prop::collection::vec(any::<u8>(), 1..20), cuts in prop::collection::vec(0usize..160, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (8 * bytes.len())).chain([0, 8 * bytes.len()]).collect();
            cuts.sort_unstable();
            let mut joined = Bits::default();
            for cut in cuts.windows(2) {
                let mut part = Bits::default();
                part.extend(&bytes, cut[0], cut[1]);
                prop_assert_eq!(part.bytes.len(), part.len.div_ceil(8));
                joined.extend(&part.bytes, 0, part.len);
            }
            prop_assert_eq!(joined.bytes, bytes);
        }

        #[test]
        fn a_mark_is_found_at_any_bit(before in 0usize..40, end: bool) {
            let mut stream = Bits::default();
            stream.push(0, before);
            stream.push(if end { END } else { BLOCK }, MARK_BITS);
            stream.push(0, 32);
            prop_assert_eq!(find_mark(&stream.bytes, 0), Some(before));
            prop_assert_eq!(find_mark(&stream.bytes, before), Some(before));
            prop_assert_eq!(find_mark(&stream.bytes, before + 1), None);
        }
    }
}
