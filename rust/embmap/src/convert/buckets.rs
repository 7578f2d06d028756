//! The rows of n-gram buckets on their way from a source to the store: before the rows of words, as their number is known.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{
    error::{Error, ParseError, Result, Unit},
    format::subwords::{Ngrams, Parameters},
    source::{Buckets, Source, options::Options},
    sys::threads::{self, while_ticking},
    write::store_writer::{BucketContents, StoreWriter, encode_buckets},
};

/// Rows that one thread takes at a time, and what they add to the store.
struct Block {
    first: u64,
    count: usize,
    crc: crc32fast::Hasher,
    scales: Vec<f32>,
}

/// The buckets of a source that have rows.
pub(super) struct BucketRows<'a> {
    buckets: &'a dyn Buckets,
    ngrams: Ngrams,
    kept: Option<Vec<u32>>,
    /// How many there are.
    pub rows: u64,
}

impl<'a> BucketRows<'a> {
    pub(super) fn of((ngrams, buckets): (Ngrams, &'a dyn Buckets)) -> BucketRows<'a> {
        // In their order, all of them are what there is without a list.
        let kept = buckets.kept().filter(|kept| kept.len() < ngrams.buckets as usize);
        let rows = kept.as_ref().map_or(u64::from(ngrams.buckets), |kept| kept.len() as u64);
        BucketRows { buckets, ngrams, kept, rows }
    }

    /// Writes them all, a block for each thread in memory at a time; returns what is needed to finish the store.
    pub(super) fn store(
        &self,
        source: &impl Source,
        writer: &StoreWriter,
        options: &Options,
        stop: &AtomicBool,
        tick: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<BucketContents> {
        let step = (options.block_bytes / (source.dim() * 4)).max(1);
        let count = |first| step.min((self.rows - first) as usize);
        let block = |first| Block { first, count: count(first), crc: crc32fast::Hasher::new(), scales: Vec::new() };
        let mut blocks: Vec<Block> = (0..self.rows).step_by(step).map(block).collect();
        let done = AtomicU64::new(0);
        let work = || {
            threads::for_each(options.threads, &mut blocks, |block| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                self.store_block(source, writer, block)?;
                done.fetch_add(block.count as u64, Ordering::Relaxed);
                Ok(())
            })
        };
        while_ticking(stop, work, &mut || {
            // They lie before the rows of words in what is read, as far as the caller sees.
            let (before, all) = source.progress(0);
            let share = done.load(Ordering::Relaxed) as f64 / self.rows as f64;
            tick((before as f64 * share) as u64, all)
        })?;
        let (mut crc, mut scales) = (crc32fast::Hasher::new(), Vec::new());
        for block in blocks {
            crc.combine(&block.crc);
            scales.extend(block.scales);
        }
        let parameters = Parameters { ngrams: self.ngrams, unit: options.normalize, rows: self.rows as u32 };
        Ok(BucketContents {
            rows: self.rows,
            crc: crc.finalize(),
            scales,
            subwords: parameters.encode(self.kept.as_deref()),
        })
    }

    fn store_block(&self, source: &impl Source, writer: &StoreWriter, block: &mut Block) -> Result<()> {
        let (dim, dtype) = (source.dim(), writer.dtype());
        let mut rows = vec![0.0; block.count * dim];
        self.buckets.read(block.first, &mut rows)?;
        let stored = encode_buckets(dtype, dim, &rows, &mut block.scales).map_err(|(row, reason)| {
            let row = block.first + row as u64;
            let byte_offset = self.buckets.place(row);
            ParseError::at(source.path(), Unit::Byte, 1, byte_offset, format!("n-gram bucket {row}: {reason}"))
        })?;
        block.crc.update(&stored);
        writer.write_buckets(block.first, &stored)
    }
}
