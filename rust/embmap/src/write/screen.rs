//! The screening copy, written beside the rows it is made of.

use std::sync::atomic::{AtomicBool, Ordering};

use super::store_writer::StoreWriter;
use crate::{
    error::{Error, Result},
    store::{
        gather::Rows,
        search::screen::{Bound, encode},
    },
    sys::threads,
};

/// Rows encoded at a time.
const ENCODED_ROWS: usize = 4096;

/// A run of rows on its way into the copy.
struct CodeBlock {
    first: usize,
    bounds: Vec<Bound>,
    crc: crc32fast::Hasher,
}

/// Writes the copy of `count` rows that `writer` has, with their `scales`; returns the CRC-32 of the codes, and the bounds.
pub(crate) fn write(
    writer: &StoreWriter,
    count: usize,
    dim: usize,
    scales: &[f32],
    threads: Option<usize>,
    stop: &AtomicBool,
) -> Result<(u32, Vec<Bound>)> {
    let block = |first| CodeBlock { first, bounds: Vec::new(), crc: crc32fast::Hasher::new() };
    let step = ENCODED_ROWS.min((4 << 20) / dim + 1);
    let mut blocks: Vec<CodeBlock> = (0..count).step_by(step).map(block).collect();
    threads::for_each(threads, &mut blocks, |block| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let end = (block.first + step).min(count);
        let stored = writer.read_rows(block.first as u64, end - block.first)?;
        let scales = if scales.is_empty() { scales } else { &scales[block.first..end] };
        let rows = Rows { dtype: writer.dtype(), dim, stored: &stored, scales };
        let (mut row, mut codes) = (vec![0.0; dim], Vec::with_capacity((end - block.first) * dim));
        for i in 0..rows.len() {
            rows.decode(i, &mut row);
            block.bounds.push(encode(&row, &mut codes));
        }
        block.crc.update(&codes);
        writer.write_codes(count as u64, block.first as u64, &codes)
    })?;
    let (mut crc, mut bounds) = (crc32fast::Hasher::new(), Vec::with_capacity(count));
    for block in blocks {
        crc.combine(&block.crc);
        bounds.extend(block.bounds);
    }
    Ok((crc.finalize(), bounds))
}
