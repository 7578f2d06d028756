//! Threads that read, parse and write batches side by side, and agree on the order only where it matters.
//!
//! Each thread takes the next batch of the source, parses it, waits for its turn to have its words placed (the one step in
//! source order), and writes its rows at their place. What a batch adds to norms, statistics and checksum is folded in
//! source order too, so that the store does not depend on the number of threads.

use std::{
    collections::BTreeMap,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Report, sequence::Sequencer};
use crate::{
    error::{Error, Result},
    source::{Source, SourceError, batch::Batch, options::Options},
    sys::threads::{self, TICK},
    write::{
        dedup::Assignment,
        store_writer::{Contents, StoreWriter},
        summary::{EncodedRows, Summary},
    },
};

/// Between two calls to the system to write what is there already.
const FLUSH: Duration = Duration::from_millis(20);
/// Source bytes from which that is worth a thread.
const WORTH_FLUSHING: u64 = 64 << 20;

/// Batches in source order: those placed, those written.
struct Ordered<'a> {
    sequencer: Sequencer<'a>,
    placed: u64,
    /// Written, but an earlier one is not.
    waiting: BTreeMap<u64, Summary>,
    folded: u64,
    total: Summary,
    /// Rows that were overwritten, and their scales where they have any.
    replaced: Vec<(u64, Option<f32>)>,
    running: usize,
    failure: Option<Error>,
}

struct Pipeline<'a, S> {
    source: &'a S,
    writer: &'a StoreWriter,
    options: &'a Options,
    ordered: Mutex<Ordered<'a>>,
    /// Somebody's turn may have come.
    turn: Condvar,
    /// A thread has left.
    left: Condvar,
    stop: &'a AtomicBool,
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
    let ordered = Ordered {
        sequencer: Sequencer::new(source, options),
        placed: 0,
        waiting: BTreeMap::new(),
        folded: 0,
        total: Summary::empty(dim),
        replaced: Vec::new(),
        running: threads,
        failure: None,
    };
    let pipeline = Pipeline {
        source,
        writer,
        options,
        ordered: Mutex::new(ordered),
        turn: Condvar::new(),
        left: Condvar::new(),
        stop,
        done: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        for i in 0..threads {
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, || pipeline.work()) {
                let mut ordered = pipeline.lock();
                ordered.running -= threads - i;
                if i == 0 {
                    pipeline.fail(&mut ordered, Error::io(source.path())(error));
                }
                break;
            }
        }
        if source.length().is_none_or(|length| length >= WORTH_FLUSHING) {
            // Without this thread the sync at the end waits longer, and that is all.
            threads::spawn(scope, || pipeline.flush());
        }
        pipeline.watch(tick);
    });
    let Ordered { sequencer, total, replaced, failure, .. } =
        pipeline.ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let (words, report) = sequencer.finish(source)?;
    let mut go_on = || tick_at_the_end(source, tick);
    let contents = total.into_contents(words, writer, dim, replaced, &mut go_on)?;
    if !go_on() {
        return Err(Error::Cancelled);
    }
    Ok((contents, report))
}

impl Ordered<'_> {
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
    fn lock(&self) -> MutexGuard<'_, Ordered<'a>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on the caller's thread until the workers are through.
    fn watch(&self, tick: &mut dyn FnMut(u64, u64) -> bool) {
        let mut ordered = self.lock();
        let mut go_on = true;
        while ordered.running > 0 {
            ordered = self.left.wait_timeout(ordered, TICK).unwrap_or_else(PoisonError::into_inner).0;
            if !go_on {
                continue;
            }
            drop(ordered);
            let (done, total) = self.source.progress(self.done.load(Ordering::Relaxed));
            go_on = tick(done, total);
            ordered = self.lock();
            if !go_on {
                self.fail(&mut ordered, Error::Cancelled);
            }
        }
    }

    /// Has the disk begin while the threads go on, so that the sync at the end waits for little. A sync that fails may have
    /// lost what it was to write, so it is not tried again: the conversion has failed.
    fn flush(&self) {
        let mut ordered = self.lock();
        while ordered.running > 0 {
            ordered = self.left.wait_timeout(ordered, FLUSH).unwrap_or_else(PoisonError::into_inner).0;
            if self.done.load(Ordering::Relaxed) < WORTH_FLUSHING {
                continue;
            }
            drop(ordered);
            let synced = self.writer.sync_data();
            ordered = self.lock();
            if let Err(error) = synced {
                return self.fail(&mut ordered, error);
            }
        }
    }

    /// Notes the first failure and has every thread leave.
    fn fail(&self, ordered: &mut Ordered, error: Error) {
        ordered.failure.get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
        self.turn.notify_all();
    }

    /// One thread's share.
    fn work(&self) {
        // Leaving, whichever way, a panic included, the thread must not leave the others waiting.
        struct Leaving<'p, 'a, S: Source>(&'p Pipeline<'a, S>);
        impl<S: Source> Drop for Leaving<'_, '_, S> {
            fn drop(&mut self) {
                let mut ordered = self.0.lock();
                if thread::panicking() {
                    self.0.fail(&mut ordered, Error::Cancelled);
                }
                ordered.running -= 1;
                self.0.turn.notify_all();
                self.0.left.notify_all();
            }
        }
        let _leaving = Leaving(self);
        if let Err(error) = self.batches() {
            self.fail(&mut self.lock(), error);
        }
    }

    fn batches(&self) -> Result<()> {
        let mut batch = Batch::new(self.options, self.source.dim());
        let (mut scratch, mut hashes) = (S::Scratch::default(), Vec::new());
        let mut stored = EncodedRows::new(self.writer.dtype(), self.source.dim());
        let seed = self.lock().sequencer.seed();
        while !self.stop.load(Ordering::Relaxed) {
            match self.source.next(&mut scratch, &mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                // An earlier batch may hold an earlier error, or all that is wanted.
                Err(error) => {
                    return self.turn_of(batch.sequence).map_or(Ok(()), |ordered| Err(ordered.explain(error)));
                }
            }
            Sequencer::hashes(seed, &batch, &mut hashes);
            let Some(assignment) = self.place(&batch, &hashes)? else { break };
            self.write(&mut batch, &mut stored, assignment)?;
            self.done.fetch_add(batch.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits until all batches before the one with that number are placed; `None` when the conversion stops before.
    fn turn_of(&self, sequence: u64) -> Option<MutexGuard<'_, Ordered<'a>>> {
        let mut ordered = self.lock();
        while !self.stop.load(Ordering::Relaxed) {
            if ordered.placed == sequence {
                return Some(ordered);
            }
            ordered = self.turn.wait_timeout(ordered, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Places the batch's words when its turn has come; `None` when the conversion stops before.
    fn place(&self, batch: &Batch, hashes: &[u64]) -> Result<Option<Assignment>> {
        let Some(mut ordered) = self.turn_of(batch.sequence) else { return Ok(None) };
        let assignment = ordered.sequencer.place(batch, hashes)?;
        ordered.placed += 1;
        if ordered.sequencer.full {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.turn.notify_all();
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
        let ordered = &mut *self.lock();
        ordered.waiting.insert(batch.sequence, summary);
        while let Some(next) = ordered.waiting.remove(&ordered.folded) {
            ordered.total.add(next);
            ordered.folded += 1;
        }
        self.turn.notify_all();
        Ok(())
    }

    /// Overwrites rows of earlier batches, or of this one, once those are written.
    fn replace(&self, batch: &mut Batch, stored: &mut EncodedRows, assignment: &Assignment) -> Result<()> {
        let dim = self.source.dim();
        let mut ordered = self.lock();
        while ordered.folded != batch.sequence {
            if ordered.failure.is_some() {
                return Ok(());
            }
            ordered = self.turn.wait_timeout(ordered, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(ordered);
        let new_rows: Vec<usize> = (0..assignment.new.len()).filter(|&i| assignment.new[i]).collect();
        for &(from, to) in &assignment.replaced {
            let row = from * dim..(from + 1) * dim;
            if to < assignment.first {
                let row = &mut batch.rows[row];
                stored.store(row);
                self.writer.write_rows(to, stored.bytes(row))?;
                self.lock().replaced.push((to, stored.scales.first().copied()));
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
