//! Threads that read, parse and write batches side by side, and agree on the order only where it matters.
//!
//! Each thread takes the next batch of the source, parses it, waits for its turn to have its words placed (the one step in
//! source order), and writes its rows at their place. What a batch adds to norms, statistics and checksum is folded in
//! source order too, so that the store does not depend on the number of threads.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{Report, sequence::Sequencer};
use crate::{
    error::{Error, Result},
    source::{Source, SourceError, batch::Batch, options::Options},
    sys::{
        threads,
        turns::{Turns, Work},
    },
    write::{
        dedup::Assignment,
        store_writer::{Contents, StoreWriter},
        summary::{EncodedRows, Summary},
    },
};

/// Bytes of the source from which the disk has so much to do that it begins before the end. It takes from what the threads do.
const SYNC_BYTES: u64 = 256 << 20;

/// Batches in source order: those placed, whose turn has been, and those written.
struct Batches<'a> {
    sequencer: Sequencer<'a>,
    /// Written, but an earlier one is not.
    waiting: BTreeMap<u64, Summary>,
    folded: u64,
    total: Summary,
    /// Rows that were overwritten, and their scales where they have any.
    replaced: Vec<(u64, Option<f32>)>,
}

struct Pipeline<'a, S> {
    source: &'a S,
    writer: &'a StoreWriter,
    options: &'a Options,
    turns: Turns<'a, Batches<'a>>,
    /// Bytes of the source.
    done: AtomicU64,
}

/// Moves every row of `source` into `writer`; returns what is needed to finish the store.
pub(crate) fn run<S: Source>(
    source: &S,
    writer: &StoreWriter,
    options: &Options,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(Contents, Report)> {
    let dim = source.dim();
    let blocks = source.length().map_or(u64::MAX, |length| length.div_ceil(options.block_bytes as u64).max(1));
    let threads = threads::threads(options.threads).min(usize::try_from(blocks).unwrap_or(usize::MAX));
    let batches = Batches {
        sequencer: Sequencer::new(source, options),
        waiting: BTreeMap::new(),
        folded: 0,
        total: Summary::empty(dim),
        replaced: Vec::new(),
    };
    let pipeline = Pipeline { source, writer, options, turns: Turns::new(batches, stop), done: AtomicU64::new(0) };
    let done = || pipeline.done.load(Ordering::Relaxed);
    let work = Work {
        threads,
        flushes: source.length().is_none_or(|length| length >= SYNC_BYTES),
        work: || pipeline.work(),
        flush: || if done() < SYNC_BYTES { Ok(()) } else { writer.sync_data() },
        watch: || {
            let (done, total) = source.progress(done());
            tick(done, total)
        },
    };
    pipeline.turns.run(work, Error::io(source.path()));
    let Batches { sequencer, total, replaced, .. } = pipeline.turns.finish()?;
    let (words, report) = sequencer.finish(source)?;
    let mut go_on = || tick_at_the_end(source, tick);
    let contents = total.into_contents(words, writer, dim, replaced, &mut go_on)?;
    if !go_on() {
        return Err(Error::Cancelled);
    }
    Ok((contents, report))
}

impl Batches<'_> {
    /// The error of the batch whose turn it is.
    fn explain(&self, error: SourceError) -> Error {
        match error {
            SourceError::Refused(error) => error,
            SourceError::Malformed { lines, byte_offset, reason } => {
                self.sequencer.malformed(lines, byte_offset, reason)
            }
        }
    }
}

impl<'a, S: Source> Pipeline<'a, S> {
    /// One thread's share.
    fn work(&self) -> Result<()> {
        let mut batch = Batch::new(self.options, self.source.dim());
        let (mut scratch, mut hashes) = (S::Scratch::default(), Vec::new());
        let mut stored = EncodedRows::new(self.writer.dtype(), self.source.dim());
        let seed = self.turns.lock().state.sequencer.seed();
        while !self.turns.stopped() {
            match self.source.next(&mut scratch, &mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                // An earlier batch may hold an earlier error, or all that is wanted.
                Err(error) => {
                    let turn = self.turns.turn_of(batch.sequence);
                    return turn.map_or(Ok(()), |ordered| Err(ordered.state.explain(error)));
                }
            }
            Sequencer::hashes(seed, &batch, &mut hashes);
            let Some(assignment) = self.place(&batch, &hashes)? else { break };
            self.write(&mut batch, &mut stored, assignment)?;
            self.done.fetch_add(batch.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Places the batch's words when its turn has come; `None` when the conversion stops before.
    fn place(&self, batch: &Batch, hashes: &[u64]) -> Result<Option<Assignment>> {
        let Some(mut ordered) = self.turns.turn_of(batch.sequence) else { return Ok(None) };
        let assignment = ordered.state.sequencer.place(batch, hashes)?;
        if ordered.state.sequencer.full {
            self.turns.stop();
        }
        self.turns.pass(ordered);
        Ok(Some(assignment))
    }

    /// Writes the rows of new words, then those that replace earlier ones, and folds what they add.
    fn write(&self, batch: &mut Batch, stored: &mut EncodedRows, assignment: Assignment) -> Result<()> {
        let dim = self.source.dim();
        if !assignment.replaced.is_empty() {
            self.replace(batch, stored, &assignment)?;
        }
        if !assignment.new.is_empty() {
            batch.retain_rows(|i| assignment.new[i]);
        }
        stored.store(&mut batch.rows);
        let bytes = stored.bytes(&batch.rows);
        self.writer.write_rows(assignment.first, bytes)?;
        let summary = Summary::of(&batch.rows, dim, bytes, &stored.scales);
        let batches = &mut self.turns.lock().state;
        batches.waiting.insert(batch.sequence, summary);
        while let Some(next) = batches.waiting.remove(&batches.folded) {
            batches.total.add(next);
            batches.folded += 1;
        }
        self.turns.notify();
        Ok(())
    }

    /// Overwrites rows of earlier batches, or of this one, once those are written.
    fn replace(&self, batch: &mut Batch, stored: &mut EncodedRows, assignment: &Assignment) -> Result<()> {
        let dim = self.source.dim();
        let mut ordered = self.turns.lock();
        while ordered.state.folded != batch.sequence {
            if ordered.has_failed() {
                return Ok(());
            }
            ordered = self.turns.wait(ordered);
        }
        drop(ordered);
        let new_rows: Vec<usize> = (0..assignment.new.len()).filter(|&i| assignment.new[i]).collect();
        for &(from, to) in &assignment.replaced {
            let row = from * dim..(from + 1) * dim;
            if to < assignment.first {
                let row = &mut batch.rows[row];
                stored.store(row);
                self.writer.write_rows(to, stored.bytes(row))?;
                self.turns.lock().state.replaced.push((to, stored.scales.first().copied()));
            } else {
                batch.rows.copy_within(row, new_rows[(to - assignment.first) as usize] * dim);
            }
        }
        Ok(())
    }
}

/// The caller's tick when all of the source has been read.
pub(super) fn tick_at_the_end(source: &impl Source, tick: &mut dyn FnMut(u64, u64) -> bool) -> bool {
    let (done, total) = source.progress(source.length().unwrap_or(0));
    let total = total.max(done);
    tick(total, total)
}
