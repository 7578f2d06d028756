//! Conversion: any source of rows, one pipeline, one store.

mod batch;
mod buckets;
mod commit;
mod pipeline;
mod report;
mod source;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

pub(crate) use batch::{Batch, Origin};
use buckets::BucketRows;
pub use report::{Fault, Rejected, Report};
pub(crate) use source::{Buckets, Framing, Source, SourceError};

use crate::{
    container::Unpacking,
    dtype::Dtype,
    encoding::Encoding,
    error::{Error, Result},
    format::word_list::WordSet,
    sources::{self, AnySource, Format},
    sys::{atomic_file, threads::while_ticking},
    text::Separator,
    write::{dedup::Duplicates, screen, store_writer::StoreWriter},
};

/// What happens to a word that is not in the source's encoding, as in Python's `bytes.decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Utf8Errors {
    /// Its row is a bad row.
    #[default]
    Strict,
    /// U+FFFD takes the place of what cannot be decoded.
    Replace,
    /// What cannot be decoded is left out.
    Ignore,
    /// `\xff` takes the place of the byte 255, so that different words stay different.
    BackslashReplace,
}

impl Utf8Errors {
    /// Every policy and its name.
    pub const ALL: [(&'static str, Utf8Errors); 4] = [
        ("strict", Utf8Errors::Strict),
        ("replace", Utf8Errors::Replace),
        ("ignore", Utf8Errors::Ignore),
        ("backslashreplace", Utf8Errors::BackslashReplace),
    ];
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

/// What it means that a header announces another number of rows than there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WrongCount {
    /// Conversion fails, unless bad rows are passed over.
    #[default]
    Error,
    /// Nothing: the rows that are there are taken.
    Ignore,
}

/// How a source is converted.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the source is.
    pub format: Format,
    /// Which file of an archive, or which tensor of a model; `None` where only one can be meant.
    pub member: Option<String>,
    /// How many times the size of a compressed source may come out of it.
    pub max_expansion: f64,
    /// Whether the first line is a header; `None` to find out.
    pub header: Option<bool>,
    /// What stands between the fields of a text.
    pub separator: Separator,
    /// How the words are written.
    pub encoding: Encoding,
    /// The dimension that the caller expects.
    pub dim: Option<usize>,
    /// See [`Duplicates`].
    pub duplicates: Duplicates,
    /// See [`Utf8Errors`].
    pub errors: Utf8Errors,
    /// See [`OnBadRow`].
    pub on_bad_row: OnBadRow,
    /// See [`WrongCount`].
    pub on_wrong_count: WrongCount,
    /// Stop after this many rows.
    pub limit: Option<u64>,
    /// Only these words.
    pub keep: Option<WordSet>,
    /// The type of the store's numbers.
    pub dtype: Dtype,
    /// Scale each row to length 1.
    pub normalize: bool,
    /// Keep a byte for each number besides, from which single queries are answered faster.
    pub screen: bool,
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
            format: Format::default(),
            member: None,
            max_expansion: 100.0,
            header: None,
            separator: Separator::default(),
            encoding: Encoding::default(),
            dim: None,
            duplicates: Duplicates::default(),
            errors: Utf8Errors::default(),
            on_bad_row: OnBadRow::default(),
            on_wrong_count: WrongCount::default(),
            limit: None,
            keep: None,
            dtype: Dtype::default(),
            normalize: false,
            screen: false,
            threads: None,
            metadata: serde_json::Map::new(),
            block_bytes: 1 << 20,
        }
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
    if options.max_expansion.is_nan() || options.max_expansion < 1.0 {
        return Err(Error::Argument(format!("max_expansion must be at least 1, not {}", options.max_expansion)));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let how = Unpacking {
        member: options.member.as_deref(),
        max_expansion: options.max_expansion,
        folder: atomic_file::folder(target),
        stop: Arc::clone(&stop),
    };
    let opened = while_ticking(&stop, || sources::open(source, options, &how), &mut || tick(0, 0));
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let mut report = match opened? {
        AnySource::Text(text) => store(&text, target, options, &stop, tick)?,
        AnySource::Table(table) => store(&table, target, options, &stop, tick)?,
        AnySource::Word2vec(records) => store(&records, target, options, &stop, tick)?,
        AnySource::FastText(model) => store(&model, target, options, &stop, tick)?,
        AnySource::HuggingFace(model) => store(&model, target, options, &stop, tick)?,
    };
    report.source = source.to_path_buf();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Makes a store at `target` of all that `source` has.
fn store(
    source: &impl Source,
    target: &Path,
    options: &Options,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let kept = source.buckets().map(BucketRows::of);
    let rows = kept.as_ref().map_or(0, |kept| kept.rows);
    let writer = StoreWriter::create(target, options.dtype, source.dim(), rows)?;
    let buckets = kept.map(|kept| kept.store(source, &writer, options, stop, tick)).transpose()?;
    let (mut contents, mut report) = pipeline::run(source, &writer, options, stop, tick)?;
    contents.buckets = buckets;
    (report.rows_without_word, report.words_without_row) = source.unpaired();
    let metadata = metadata(source, options, &report);
    // Another flag: the first is up once a limit is reached, too.
    let stop = AtomicBool::new(false);
    let finish = || {
        if options.screen {
            let (rows, dim) = (contents.words.len(), source.dim());
            contents.screen = Some(screen::write(&writer, rows, dim, &contents.scales, options.threads, &stop)?);
        }
        writer.finish(&contents, &metadata, options.threads, &stop)
    };
    let (bytes_written, syncing) = while_ticking(&stop, finish, &mut || pipeline::tick_at_the_end(source, tick))?;
    (report.bytes_written, report.sync_seconds) = (bytes_written, syncing.as_secs_f64());
    Ok(report)
}

/// What the store says of itself: the caller's words, and where it came from.
fn metadata(source: &impl Source, options: &Options, report: &Report) -> String {
    let mut metadata = options.metadata.clone();
    let name = source.origin().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut origin = serde_json::json!({
        "name": name, "bytes": report.bytes_read, "crc32": format!("{:08x}", report.checksum)
    });
    if let Some(member) = source.member().or(options.member.as_deref()) {
        origin["member"] = member.into();
    }
    metadata.insert("source".into(), origin);
    let changed = report.changed();
    if !changed.is_empty() {
        metadata.insert("conversion".into(), changed.into());
    }
    metadata.insert("embmap".into(), env!("CARGO_PKG_VERSION").into());
    serde_json::Value::Object(metadata).to_string()
}
