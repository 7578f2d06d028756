//! Blocks of rows, encoded by several threads, each written where the one before it ends.

use std::{
    fs::File,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use crate::{
    error::{Error, Result},
    sys::{
        atomic_file::{AtomicFile, sync},
        pread::write_at,
        threads,
        turns::{Turns, Work},
    },
};

/// Bytes between two times that the disk is told to begin with them.
const FLUSH_BYTES: u64 = 64 << 20;
/// Bytes of a block, about.
const BLOCK_BYTES: usize = 1 << 20;

/// How a format writes rows.
pub(super) trait RowFormat: Sync {
    /// What stands before the rows.
    fn head(&self) -> Result<Vec<u8>>;
    /// The bytes of a row, about.
    fn row_len(&self) -> usize;
    /// The bytes of the rows at `places`: in the scratch, which is empty, or where they lie ready.
    fn encode<'b>(&'b self, places: Range<usize>, scratch: &'b mut Scratch, progress: &Progress) -> Result<&'b [u8]>;
}

/// A thread's own memory, used for one block after the other.
#[derive(Default)]
pub(super) struct Scratch {
    pub bytes: Vec<u8>,
    pub values: Vec<f32>,
}

/// What has been done so far.
#[derive(Default)]
pub(super) struct Progress {
    pub rows: AtomicU64,
    pub words_with_blanks: AtomicU64,
}

struct Blocks<'a> {
    layout: &'a dyn RowFormat,
    rows: usize,
    rows_of_a_block: usize,
    file: &'a AtomicFile,
    progress: &'a Progress,
    next: AtomicU64,
    /// Where the next block goes.
    turns: Turns<'a, u64>,
}

/// Writes head and rows to `file`, until told to `stop`; returns how many bytes there are, and since when nothing but the disk has
/// been waited for.
pub(super) fn write(
    layout: &dyn RowFormat,
    rows: usize,
    file: &AtomicFile,
    threads: Option<usize>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<(u64, Instant)> {
    let head = layout.head()?;
    write_at(file.file(), &head, 0).map_err(Error::io(file.target()))?;
    let rows_of_a_block = (BLOCK_BYTES / layout.row_len().max(1)).max(1);
    let threads = threads::threads(threads).min(rows.div_ceil(rows_of_a_block));
    let turns = Turns::new(head.len() as u64, stop);
    drop(head);
    let blocks = Blocks { layout, rows, rows_of_a_block, file, progress, next: AtomicU64::new(0), turns };
    let mut flushed = 0;
    let work = Work {
        threads,
        flushes: rows.saturating_mul(layout.row_len()) as u64 >= FLUSH_BYTES,
        work: || blocks.work(),
        flush: || {
            let offset = blocks.turns.lock().state;
            if offset - flushed < FLUSH_BYTES {
                return Ok(());
            }
            flushed = offset;
            sync(file.file(), File::sync_data).map_err(Error::io(file.target()))
        },
        watch: || true,
    };
    let written = blocks.turns.run(work, Error::io(file.target()));
    let bytes = blocks.turns.finish()?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    Ok((bytes, written))
}

impl Blocks<'_> {
    /// One thread's share.
    fn work(&self) -> Result<()> {
        let mut scratch = Scratch::default();
        while !self.turns.stopped() {
            let block = self.next.fetch_add(1, Ordering::Relaxed);
            let start = usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(self.rows_of_a_block);
            if start >= self.rows {
                break;
            }
            self.write(block, start..self.rows.min(start + self.rows_of_a_block), &mut scratch)?;
        }
        Ok(())
    }

    /// Encodes one block and writes it when its place is known. An earlier block may hold an earlier error.
    fn write(&self, block: u64, rows: Range<usize>, scratch: &mut Scratch) -> Result<()> {
        scratch.bytes.clear();
        let count = rows.len() as u64;
        let encoded = self.layout.encode(rows, scratch, self.progress);
        let Some(mut ordered) = self.turns.turn_of(block) else { return Ok(()) };
        let bytes = encoded?;
        let offset = ordered.state;
        ordered.state += bytes.len() as u64;
        self.turns.pass(ordered);
        write_at(self.file.file(), bytes, offset).map_err(Error::io(self.file.target()))?;
        self.progress.rows.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }
}
