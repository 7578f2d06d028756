//! Blocks of rows, encoded by several threads, each written where the one before it ends.

use std::{
    fs::File,
    ops::Range,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    sys::{atomic_file::AtomicFile, pread::write_at, threads},
};

/// Bytes of a block, about.
const BLOCK: usize = 1 << 20;
/// After this long a thread whose turn has not come looks whether it ever will.
const TICK: Duration = Duration::from_millis(50);
/// Between two calls to the system to write what is there already.
const FLUSH: Duration = Duration::from_millis(20);
/// Bytes from which that is worth a thread.
const WORTH_FLUSHING: u64 = 64 << 20;

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

/// Where the next block goes.
struct Places {
    /// The block whose turn it is.
    block: usize,
    offset: u64,
    running: usize,
    failure: Option<Error>,
}

struct Blocks<'a> {
    layout: &'a dyn RowFormat,
    rows: usize,
    rows_of_a_block: usize,
    file: &'a AtomicFile,
    progress: &'a Progress,
    stop: &'a AtomicBool,
    next: AtomicUsize,
    places: Mutex<Places>,
    changed: Condvar,
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
    let rows_of_a_block = (BLOCK / layout.row_len().max(1)).max(1);
    let threads = threads::threads(threads).min(rows.div_ceil(rows_of_a_block));
    let places = Places { block: 0, offset: head.len() as u64, running: threads, failure: None };
    let blocks = Blocks {
        layout,
        rows,
        rows_of_a_block,
        file,
        progress,
        stop,
        next: AtomicUsize::new(0),
        places: Mutex::new(places),
        changed: Condvar::new(),
    };
    drop(head);
    let written = thread::scope(|scope| {
        for i in 0..threads {
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, || blocks.work()) {
                let mut places = blocks.lock();
                places.running -= threads - i;
                if i == 0 {
                    blocks.fail(&mut places, Error::io(file.target())(error));
                }
                break;
            }
        }
        if rows.saturating_mul(layout.row_len()) as u64 >= WORTH_FLUSHING {
            // Without this thread the sync at the end waits longer, and that is all.
            threads::spawn(scope, || blocks.flush(file.file()));
        }
        let mut places = blocks.lock();
        while places.running > 0 {
            places = blocks.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        Instant::now()
    });
    let Places { offset, failure, .. } = blocks.places.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some(failure) => Err(failure),
        None if stop.load(Ordering::Relaxed) => Err(Error::Cancelled),
        None => Ok((offset, written)),
    }
}

impl Blocks<'_> {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the first failure and has every thread leave.
    fn fail(&self, places: &mut Places, error: Error) {
        places.failure.get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// One thread's share.
    fn work(&self) {
        // Leaving, whichever way, a panic included, the thread must not leave the others waiting.
        struct Leaving<'b, 'a>(&'b Blocks<'a>);
        impl Drop for Leaving<'_, '_> {
            fn drop(&mut self) {
                let mut places = self.0.lock();
                if thread::panicking() {
                    self.0.fail(&mut places, Error::Cancelled);
                }
                places.running -= 1;
                self.0.changed.notify_all();
            }
        }
        let _leaving = Leaving(self);
        let mut scratch = Scratch::default();
        while !self.stop.load(Ordering::Relaxed) {
            let block = self.next.fetch_add(1, Ordering::Relaxed);
            let start = block.saturating_mul(self.rows_of_a_block);
            if start >= self.rows {
                break;
            }
            let places = start..self.rows.min(start + self.rows_of_a_block);
            if let Err(error) = self.write(block, places, &mut scratch) {
                self.fail(&mut self.lock(), error);
            }
        }
    }

    /// Encodes one block and writes it when its place is known. An earlier block may hold an earlier error.
    fn write(&self, block: usize, rows: Range<usize>, scratch: &mut Scratch) -> Result<()> {
        scratch.bytes.clear();
        let count = rows.len() as u64;
        let encoded = self.layout.encode(rows, scratch, self.progress);
        let Some(mut places) = self.turn_of(block) else { return Ok(()) };
        let bytes = encoded?;
        let offset = places.offset;
        places.offset += bytes.len() as u64;
        places.block += 1;
        drop(places);
        self.changed.notify_all();
        write_at(self.file.file(), bytes, offset).map_err(Error::io(self.file.target()))?;
        self.progress.rows.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until all blocks before this one have their places; `None` when the export stops before.
    fn turn_of(&self, block: usize) -> Option<MutexGuard<'_, Places>> {
        let mut places = self.lock();
        while !self.stop.load(Ordering::Relaxed) {
            if places.block == block {
                return Some(places);
            }
            places = self.changed.wait_timeout(places, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Has the disk begin while the threads go on, so that the sync at the end waits for little. A sync that fails may have
    /// lost what it was to write, so it is not tried again: the export has failed.
    fn flush(&self, file: &File) {
        let mut flushed = 0;
        while self.lock().running > 0 {
            thread::sleep(FLUSH);
            let offset = self.lock().offset;
            if offset - flushed < WORTH_FLUSHING {
                continue;
            }
            flushed = offset;
            if let Err(error) = file.sync_data() {
                return self.fail(&mut self.lock(), Error::io(self.file.target())(error));
            }
        }
    }
}
