//! Conversion: any source of rows, one pipeline, one store.

mod batch;
mod commit;
mod pipeline;
mod report;

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

pub(crate) use batch::{Batch, Origin};
pub use report::{Fault, Rejected, Report};

use crate::{
    error::{Error, Result},
    text::TextSource,
    writer::StoreWriter,
};

/// What happens to a word that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The first row stays.
    #[default]
    First,
    /// The last row takes the first one's place.
    Last,
    /// Conversion fails.
    Error,
}

/// What happens to a word that is not UTF-8, as in Python's `bytes.decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Utf8Errors {
    /// Its row is a bad row.
    #[default]
    Strict,
    /// U+FFFD takes the place of what cannot be decoded.
    Replace,
    /// What cannot be decoded is left out.
    Ignore,
}

/// What happens to a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadRow {
    /// Conversion fails.
    #[default]
    Error,
    /// It is counted, and the first ones are kept in the report.
    Skip,
}

/// How a source is converted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the first line is a header; `None` to find out.
    pub header: Option<bool>,
    /// The dimension that the caller expects.
    pub dim: Option<usize>,
    /// See [`Duplicates`].
    pub duplicates: Duplicates,
    /// See [`Utf8Errors`].
    pub errors: Utf8Errors,
    /// See [`OnBadRow`].
    pub on_bad_row: OnBadRow,
    /// Stop after this many rows.
    pub limit: Option<u64>,
    /// Only these words.
    pub keep: Option<HashSet<Vec<u8>>>,
    /// Scale each row to length 1.
    pub normalize: bool,
    /// `None` for all cores.
    pub threads: Option<usize>,
    /// What the store's metadata says besides the source; a JSON object.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Source bytes that one thread takes at a time.
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            header: None,
            dim: None,
            duplicates: Duplicates::default(),
            errors: Utf8Errors::default(),
            on_bad_row: OnBadRow::default(),
            limit: None,
            keep: None,
            normalize: false,
            threads: None,
            metadata: serde_json::Map::new(),
            block_bytes: 1 << 20,
        }
    }
}

/// Where rows come from. Threads take batches from it, each with the next number, and parse them side by side.
pub(crate) trait Source: Sync {
    /// What a thread keeps between two batches.
    type Scratch: Default;

    /// The file, for messages.
    fn path(&self) -> &Path;
    /// Numbers a row.
    fn dim(&self) -> usize;
    /// How many rows the source says it has.
    fn expected_rows(&self) -> Option<u64>;
    /// The line of the first row, counted from 1.
    fn first_line(&self) -> u64;
    /// The part of the file that holds the rows.
    fn bytes(&self) -> std::ops::Range<u64>;
    /// What lies before the rows, and behind them.
    fn frame(&self) -> [Framing; 2];
    /// Fills `batch` with the rows of the next part of the source; `false` when there is none.
    fn next(&self, scratch: &mut Self::Scratch, batch: &mut Batch) -> Result<bool>;
}

/// Bytes of a source that hold no rows: a header, a byte-order mark, blank lines at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Framing {
    pub bytes: u64,
    pub crc: crc32fast::Hasher,
}

impl Framing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc.update(bytes);
    }
}

/// Converts the vectors in `source` to a store at `target`. `tick` is called about twenty times a second with the bytes done
/// and the bytes there are; it returns whether to go on. The target is replaced at the end, whole, or not touched at all.
pub fn convert(
    source: &Path,
    target: &Path,
    options: &Options,
    tick: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let started = Instant::now();
    if !(1..=1 << 30).contains(&options.block_bytes) {
        return Err(Error::Argument(format!("block_bytes must be between 1 and 2³⁰, not {}", options.block_bytes)));
    }
    let text = TextSource::open(source, options)?;
    let writer = StoreWriter::create(target, text.dim())?;
    let (contents, mut report) = pipeline::run(&text, &writer, options, tick)?;
    let mut metadata = options.metadata.clone();
    let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    metadata.insert(
        "source".into(),
        serde_json::json!({"name": name, "bytes": report.bytes_read, "crc32": format!("{:08x}", report.checksum)}),
    );
    metadata.insert("embmap".into(), env!("CARGO_PKG_VERSION").into());
    let metadata = serde_json::Value::Object(metadata).to_string();
    let total = report.bytes_read;
    report.bytes_written = while_ticking(|stop| writer.finish(&contents, &metadata, stop), &mut || tick(total, total))?;
    report.source = source.to_path_buf();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Runs `work` on a thread of its own while the caller's thread answers; `work` is told when it need not go on.
fn while_ticking<T: Send>(
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<T> {
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // The receiver outlives this thread.
            let _ = sender.send(work(&stop));
        });
        loop {
            match receiver.recv_timeout(pipeline::TICK) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::Cancelled),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Once told to stop, the caller is not asked again.
                    if !stop.load(Ordering::Relaxed) && !go_on() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    })
}
