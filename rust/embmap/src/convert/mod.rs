//! Conversion: any source of rows, one pipeline, one store.

mod buckets;
mod open;
mod pipeline;
mod report;
mod sequence;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use buckets::BucketRows;
pub use report::Report;

use open::AnySource;

use crate::{
    error::{Error, ParseError, Result},
    source::{
        Source,
        container::{Unpacking, limit},
        options::Options,
    },
    sys::{
        atomic_file,
        threads::{threads, while_ticking},
    },
    write::{screen, store_writer::StoreWriter},
};

/// Converts the vectors in `source` to a store at `target`. `tick` is called about twenty times a second with the bytes done
/// and the bytes there are; it returns whether to go on. The target is replaced at the end, whole, or not touched at all.
pub fn convert(
    source: &Path,
    target: &Path,
    options: &Options,
    tick: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Report> {
    let started = Instant::now();
    let (least, most, found) = (1, 1 << 30, options.block_bytes as u64);
    if !(least..=most).contains(&found) {
        return Err(Error::OutOfRange { name: "block_bytes", least, most, found });
    }
    if options.max_expansion.is_nan() || options.max_expansion < 1.0 {
        return Err(Error::Argument(format!("max_expansion must be at least 1, not {}", options.max_expansion)));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let how = Unpacking {
        member: options.member.as_deref(),
        max_expansion: options.max_expansion,
        folder: atomic_file::folder(target),
        threads: threads(options.threads),
        stop: Arc::clone(&stop),
    };
    let opened = while_ticking(&stop, || open::open(source, options, &how), &mut || tick(0, 0));
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
    if let Some((bytes, numbers)) = source.expansion()
        && let Some(reason) = limit::refusal(numbers.saturating_mul(4), bytes, options.max_expansion)
    {
        return Err(ParseError::of(source.path(), reason).into());
    }
    let first = options.shard.is_none_or(|shard| shard.index == 0);
    let kept = source.buckets().filter(|_| first).map(BucketRows::of);
    let rows = kept.as_ref().map_or(0, |kept| kept.rows);
    let writer = StoreWriter::create(target, options.dtype, source.dim(), rows)?;
    let buckets = kept.map(|kept| kept.store(source, &writer, options, stop, tick)).transpose()?;
    let (mut contents, mut report) = pipeline::run(source, &writer, options, stop, tick)?;
    contents.buckets = buckets;
    (report.rows_without_word, report.words_without_row) = source.unpaired();
    report.ngrams = rows;
    let metadata = metadata(source, options, &report);
    // Another flag: the first is up once a limit is reached, too.
    let stop = AtomicBool::new(false);
    let finish = || {
        if options.screen {
            screen::write(&writer, &mut contents, source.dim(), options.threads, &stop)?;
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
    let name = source.root().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
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
