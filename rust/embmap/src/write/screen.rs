//! The screening copy, written beside the rows it is made of.

use std::sync::atomic::{AtomicBool, Ordering};

use super::store_writer::{Contents, StoreWriter};
use crate::{
    error::{Error, Result},
    store::{
        gather::Rows,
        search::screen::{PlaneBound, encode_planes},
    },
    sys::threads,
};

/// Rows encoded at a time.
const ENCODED_ROWS: usize = 4096;

/// A run of rows on its way into the copy.
struct CodeBlock {
    first: usize,
    bounds: Vec<PlaneBound>,
    /// Of both planes.
    crcs: [crc32fast::Hasher; 2],
}

/// Writes the copy of all rows that `writer` has, and notes it in their `contents`.
pub(crate) fn write(
    writer: &StoreWriter,
    contents: &mut Contents,
    dim: usize,
    threads: Option<usize>,
    stop: &AtomicBool,
) -> Result<()> {
    let (count, scales) = (contents.words.len(), &contents.scales);
    let block =
        |first| CodeBlock { first, bounds: Vec::new(), crcs: [crc32fast::Hasher::new(), crc32fast::Hasher::new()] };
    let step = ENCODED_ROWS.min((4 << 20) / dim + 1);
    let mut blocks: Vec<CodeBlock> = (0..count).step_by(step).map(block).collect();
    threads::for_each(threads, &mut blocks, |block| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let end = (block.first + step).min(count);
        let stored = writer.read_rows(block.first as u64, end - block.first)?;
        let scales = if scales.is_empty() { &scales[..] } else { &scales[block.first..end] };
        let rows = Rows { dtype: writer.dtype(), dim, stored: &stored, scales };
        let (mut row, mut high, mut low) = (vec![0.0; dim], Vec::new(), Vec::new());
        for i in 0..rows.len() {
            rows.decode(i, &mut row);
            block.bounds.push(encode_planes(&row, [&mut high, &mut low]));
        }
        for (crc, plane) in block.crcs.iter_mut().zip([&high, &low]) {
            crc.update(plane);
        }
        writer.write_planes(count as u64, block.first as u64, [&high, &low])
    })?;
    let mut crc = crc32fast::Hasher::new();
    for plane in 0..2 {
        blocks.iter().for_each(|block| crc.combine(&block.crcs[plane]));
    }
    let bounds =
        (0..3).flat_map(|part| blocks.iter().flat_map(move |block| block.bounds.iter().map(move |bound| bound[part])));
    contents.screen = Some((crc.finalize(), bounds.collect()));
    Ok(())
}
