//! A store made of rows that the caller has: arrays, or rows of other stores.
//!
//! Rows come in batches of any size. What a store holds does not depend on how they were cut, nor on the number of threads:
//! summaries are taken over steps of as many rows each, counted from the first row of the store.

use std::{fmt, ops::Range, path::Path, sync::atomic::AtomicBool, time::Instant};

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    format::{
        Kind,
        hash::hash,
        row_stats::normalize,
        subwords::{Ngrams, Parameters},
    },
    store::{Store, gather::Rows},
    sys::threads::{for_each, while_ticking},
    write::{
        dedup::{Assignment, Deduplicator, Duplicates, RejectedWord},
        screen,
        store_writer::{BucketContents, StoreWriter, encode_buckets},
        summary::{EncodedRows, Summary, step},
    },
};

/// Values that are encoded, summed and written at a time: they stay in a near cache.
const PIECE_VALUES: usize = 1 << 16;

/// The options of [`Builder::create`]: the type of the numbers, and what becomes of repeated words.
#[derive(Debug, Clone, Default)]
pub struct BuilderOptions {
    /// The type of the store's numbers.
    pub dtype: Dtype,
    /// What happens to a word that was there before.
    pub duplicates: Duplicates,
    /// Scale each row to length 1; not for rows that are copied as they are stored.
    pub normalize: bool,
    /// Keep a byte for each number besides, from which the nearest rows are found faster.
    pub screen: bool,
    /// `None` for all cores.
    pub threads: Option<usize>,
    /// What the store's metadata says; a JSON object.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// What [`Builder::finish`] tells of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Rows of the store.
    pub rows: u64,
    /// Rows whose word was there before.
    pub duplicates: u64,
    /// Bytes of the store.
    pub bytes_written: u64,
    /// Wall-clock time since the builder was made.
    pub seconds: f64,
    /// The part of it, at the end, in which the disk was waited for.
    pub sync_seconds: f64,
}

/// Rows of n-grams are copied in blocks of about so many bytes.
const BUCKET_BLOCK_BYTES: usize = 16 << 20;

/// A store in the making. Dropped before [`finish`](Self::finish), it leaves nothing, and the target as it was.
pub struct Builder {
    writer: StoreWriter,
    options: BuilderOptions,
    dim: usize,
    deduplicator: Deduplicator,
    /// Rows handed over so far.
    given: u64,
    /// Of all whole steps.
    total: Summary,
    /// Of the rows behind them.
    open: Summary,
    /// Rows that were overwritten, and their scales where they have any.
    overwritten: Vec<(u64, Option<f32>)>,
    /// The n-grams, where there are any.
    buckets: Option<BucketContents>,
    /// Of the rows of their buckets that have been written.
    buckets_crc: crc32fast::Hasher,
    buckets_given: u64,
    failed: bool,
    started: Instant,
}

/// A batch's numbers.
#[derive(Clone, Copy)]
enum Given<'a> {
    /// Row after row.
    Values(&'a [f32]),
    /// Rows of another store, by id, to be kept as they are.
    Encoded(Rows<'a>, &'a [i64]),
}

/// What one thread makes of consecutive rows of the store.
struct Task {
    rows: Range<u64>,
    summary: Summary,
    outcome: Result<()>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("dim", &self.dim).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

/// The error for a row of the batch.
type ErrorAt<'a> = dyn Fn(usize, String) -> Error + Sync + 'a;

impl Builder {
    /// Begins a store of rows of `dim` numbers at `target`.
    pub fn create(target: &Path, dim: usize, options: BuilderOptions) -> Result<Builder> {
        let writer = StoreWriter::create(target, options.dtype, dim, 0)?;
        Ok(Builder::over(writer, dim, options, None))
    }

    /// Begins a store of rows of the dimension and number type of `model`, with the n-grams of that, which give words that are
    /// in neither a vector. Without any it is as [`create`](Self::create).
    pub fn create_like(target: &Path, model: &Store, options: BuilderOptions) -> Result<Builder> {
        let (dim, header) = (model.dim(), model.header());
        let (theirs, ours) = (header.dtype.name(), options.dtype.name());
        if theirs != ours {
            return Err(Error::Argument(format!(
                "n-grams of {theirs} cannot be copied bit for bit to a store of {ours}"
            )));
        }
        let stored = model.section(Kind::Buckets);
        let row_len = dim * header.dtype.size();
        let rows = (stored.len() / row_len) as u64;
        let writer = StoreWriter::create(target, options.dtype, dim, rows)?;
        let buckets = (header.section(Kind::Subwords).offset != 0).then(|| BucketContents {
            rows,
            crc: 0,
            scales: model.numbers(Kind::BucketScales).to_vec(),
            subwords: model.section(Kind::Subwords).to_vec(),
        });
        let mut builder = Builder::over(writer, dim, options, buckets);
        let step = (BUCKET_BLOCK_BYTES / row_len).max(1);
        for block in stored.chunks(step * row_len) {
            builder.write_buckets(block)?;
        }
        Ok(builder)
    }

    /// Begins a store with n-grams, all of whose buckets have rows, which [`push_buckets`](Self::push_buckets) takes before
    /// [`finish`](Self::finish).
    pub fn create_with(target: &Path, dim: usize, ngrams: Ngrams, options: BuilderOptions) -> Result<Builder> {
        ngrams.check().map_err(Error::Argument)?;
        let rows = u64::from(ngrams.buckets);
        let writer = StoreWriter::create(target, options.dtype, dim, rows)?;
        let parameters = Parameters { ngrams, unit: options.normalize, rows: ngrams.buckets };
        let buckets = BucketContents { rows, crc: 0, scales: Vec::new(), subwords: parameters.encode(None) };
        Ok(Builder::over(writer, dim, options, Some(buckets)))
    }

    /// Appends rows of n-gram buckets: finite numbers, row after row. After an error the store cannot be finished.
    pub fn push_buckets(&mut self, values: &[f32]) -> Result<()> {
        if self.failed {
            return Err(Error::Incomplete);
        }
        self.failed = true;
        let (dim, given) = (self.dim, self.buckets_given);
        let left = self.buckets.as_ref().map_or(0, |buckets| buckets.rows - given) as usize;
        if !values.len().is_multiple_of(dim) || values.len() / dim > left {
            return Err(Error::Length { name: "rows of buckets", expected: left * dim, found: values.len() });
        }
        let mut scales = Vec::new();
        let stored = encode_buckets(self.options.dtype, dim, values, &mut scales)
            .map_err(|(row, reason)| Error::Argument(format!("n-gram bucket {}: {reason}", given + row as u64)))?;
        if let Some(buckets) = &mut self.buckets {
            buckets.scales.extend(scales);
        }
        self.write_buckets(&stored)?;
        self.failed = false;
        Ok(())
    }

    fn write_buckets(&mut self, stored: &[u8]) -> Result<()> {
        self.writer.write_buckets(self.buckets_given, stored)?;
        self.buckets_crc.update(stored);
        self.buckets_given += (stored.len() / (self.dim * self.options.dtype.size())) as u64;
        Ok(())
    }

    fn over(writer: StoreWriter, dim: usize, options: BuilderOptions, buckets: Option<BucketContents>) -> Builder {
        Builder {
            writer,
            deduplicator: Deduplicator::new(options.duplicates),
            options,
            dim,
            given: 0,
            total: Summary::empty(dim),
            open: Summary::empty(dim),
            overwritten: Vec::new(),
            buckets,
            buckets_crc: crc32fast::Hasher::new(),
            buckets_given: 0,
            failed: false,
            started: Instant::now(),
        }
    }

    /// Appends rows: words, UTF-8 and not empty, and their finite numbers, row after row. After an error nothing can be
    /// appended, and the store cannot be finished: some of the rows may be there, some not.
    pub fn push(&mut self, words: &[&[u8]], values: &[f32]) -> Result<()> {
        let expected = words.len().saturating_mul(self.dim);
        if values.len() != expected {
            return Err(Error::Length { name: "values", expected, found: values.len() });
        }
        self.append(words, Given::Values(values))
    }

    /// Appends rows of another store of the same dimension and number type, bit for bit, with their words.
    pub fn copy(&mut self, store: &Store, ids: &[i64]) -> Result<()> {
        let (dtype, rows) = (store.header().dtype, store.len());
        if store.dim() != self.dim {
            return Err(Error::DimMismatch { expected: self.dim, found: store.dim() });
        }
        let (theirs, ours) = (dtype.name(), self.options.dtype.name());
        if theirs != ours {
            return Err(Error::Argument(format!("rows of {theirs} cannot be copied bit for bit to a store of {ours}")));
        }
        if self.options.normalize {
            return Err(Error::Argument("rows that are copied as they are stored cannot be scaled".into()));
        }
        if let Some(position) = ids.iter().position(|&id| usize::try_from(id).map_or(true, |id| id >= rows)) {
            return Err(Error::NoSuchRow { id: ids[position], position, rows });
        }
        let from = store.words();
        let words: Result<Vec<String>, _> = ids.iter().map(|&id| from.get_str(id as usize)).collect();
        let words = words.map_err(Error::format(store.data().path()))?;
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        self.append(&words, Given::Encoded(store.rows(), ids))
    }

    /// The dimension: numbers a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rows of the store so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.deduplicator.rows()
    }

    /// Rows whose word was there before, so far.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.deduplicator.repeated
    }

    /// What the store's metadata will say, to be added to.
    pub fn metadata_mut(&mut self) -> &mut serde_json::Map<String, serde_json::Value> {
        &mut self.options.metadata
    }

    /// Writes what is left and publishes the store; `go_on` is asked about twenty times a second until then.
    pub fn finish(self, go_on: &mut dyn FnMut() -> bool) -> Result<Built> {
        if self.failed || self.buckets.as_ref().is_some_and(|buckets| buckets.rows != self.buckets_given) {
            return Err(Error::Incomplete);
        }
        let Builder { writer, options, dim, deduplicator, mut total, open, overwritten, started, .. } = self;
        let buckets = self.buckets.map(|buckets| BucketContents { crc: self.buckets_crc.finalize(), ..buckets });
        total.add(open);
        let duplicates = deduplicator.repeated;
        let mut contents = total.into_contents(deduplicator.into_words(), &writer, dim, overwritten, go_on)?;
        contents.buckets = buckets;
        let rows = contents.words.len() as u64;
        let mut metadata = options.metadata;
        metadata.insert("embmap".into(), env!("CARGO_PKG_VERSION").into());
        let metadata = serde_json::Value::Object(metadata).to_string();
        let stop = AtomicBool::new(false);
        let finish = || {
            if options.screen {
                screen::write(&writer, &mut contents, dim, options.threads, &stop)?;
            }
            writer.finish(&contents, &metadata, options.threads, &stop)
        };
        let (bytes_written, syncing) = while_ticking(&stop, finish, go_on)?;
        let (seconds, sync_seconds) = (started.elapsed().as_secs_f64(), syncing.as_secs_f64());
        Ok(Built { rows, duplicates, bytes_written, seconds, sync_seconds })
    }

    fn append(&mut self, words: &[&[u8]], given: Given) -> Result<()> {
        if self.failed {
            return Err(Error::Incomplete);
        }
        self.failed = true;
        let refuse = |before: u64, row: usize, reason| Error::BadRow {
            row: before + row as u64,
            word: String::from_utf8_lossy(words[row]).into_owned(),
            reason,
        };
        let (before, seed) = (self.given, self.deduplicator.seed());
        for (row, word) in words.iter().enumerate() {
            if word.is_empty() {
                let reason = "the word is empty, or has no UTF-8 (a lone surrogate)";
                return Err(refuse(before, row, reason.into()));
            }
            if let Err(error) = std::str::from_utf8(word) {
                return Err(refuse(before, row, format!("the word is not UTF-8 at byte {}", error.valid_up_to())));
            }
        }
        let hashes: Vec<u64> = words.iter().map(|word| hash(word, seed)).collect();
        let placed = self.deduplicator.place(words.iter().copied(), &hashes, &[], None);
        let assignment = placed.map_err(|RejectedWord { row, reason }| refuse(before, row, reason))?;
        self.write(given, &assignment, &|row, reason| refuse(before, row, reason))?;
        self.given += hashes.len() as u64;
        self.failed = false;
        Ok(())
    }

    /// Writes the rows of a batch where they have been placed.
    fn write(&mut self, given: Given, assignment: &Assignment, refuse: &ErrorAt) -> Result<()> {
        // A row that is not stored because its word comes again must be one that could be.
        let (mut values, mut stored) = (Vec::new(), EncodedRows::new(self.options.dtype, self.dim));
        for row in 0..assignment.new.len() {
            self.make(std::iter::once(row), given, &mut values, &mut stored, refuse)?;
        }
        // For each new row of the store, the row of the batch; nothing where all are new.
        let mut from: Vec<usize> = (0..assignment.new.len()).filter(|&i| assignment.new[i]).collect();
        for &(row, to) in &assignment.replaced {
            match to.checked_sub(assignment.first) {
                Some(new) => from[new as usize] = row,
                None => self.overwrite(given, row, to, refuse)?,
            }
        }
        let row_of = |at: u64| {
            let new = (at - assignment.first) as usize;
            if assignment.new.is_empty() { new } else { from[new] }
        };
        let (end, step) = (self.rows(), step(self.dim) as u64);
        let mut tasks = Vec::new();
        let mut at = assignment.first;
        while at < end {
            let stop = (at - at % step + step).min(end);
            // The first goes on where the last batch left off.
            let summary = std::mem::replace(&mut self.open, Summary::empty(self.dim));
            tasks.push(Task { rows: at..stop, summary, outcome: Ok(()) });
            at = stop;
        }
        let this = &*self;
        for_each(this.options.threads, &mut tasks, |task| {
            task.outcome = this.run(given, task.rows.clone(), &row_of, &mut task.summary, refuse);
            Ok::<(), Error>(())
        })?;
        for task in tasks {
            task.outcome?;
            if task.rows.end % step == 0 {
                self.total.add(task.summary);
            } else {
                self.open = task.summary;
            }
        }
        Ok(())
    }

    /// Encodes, writes and sums consecutive rows of the store.
    fn run(
        &self,
        given: Given,
        mut rows: Range<u64>,
        row_of: &(impl Fn(u64) -> usize + Sync),
        summary: &mut Summary,
        refuse: &ErrorAt,
    ) -> Result<()> {
        let piece = (PIECE_VALUES / self.dim).max(1) as u64;
        let (mut values, mut stored) = (Vec::new(), EncodedRows::new(self.options.dtype, self.dim));
        while !rows.is_empty() {
            let stop = (rows.start + piece).min(rows.end);
            self.make((rows.start..stop).map(row_of), given, &mut values, &mut stored, refuse)?;
            let bytes = stored.bytes(&values);
            self.writer.write_rows(rows.start, bytes)?;
            summary.extend(&values, bytes, &stored.scales);
            rows.start = stop;
        }
        Ok(())
    }

    /// Puts a row in the place of an earlier one.
    fn overwrite(&mut self, given: Given, row: usize, to: u64, refuse: &ErrorAt) -> Result<()> {
        let (mut values, mut stored) = (Vec::new(), EncodedRows::new(self.options.dtype, self.dim));
        self.make(std::iter::once(row), given, &mut values, &mut stored, refuse)?;
        self.writer.write_rows(to, stored.bytes(&values))?;
        self.overwritten.push((to, stored.scales.first().copied()));
        Ok(())
    }

    /// Makes rows of a batch what the store will have: copied first, because an array may change while it is read.
    fn make(
        &self,
        batch_rows: impl Iterator<Item = usize>,
        given: Given,
        values: &mut Vec<f32>,
        stored: &mut EncodedRows,
        refuse: &ErrorAt,
    ) -> Result<()> {
        let dim = self.dim;
        values.clear();
        stored.clear();
        for row in batch_rows {
            let start = values.len();
            match given {
                Given::Values(given) => values.extend_from_slice(&given[row * dim..][..dim]),
                Given::Encoded(rows, ids) => {
                    values.resize(start + dim, 0.0);
                    stored.copy_row(rows, ids[row] as usize, &mut values[start..]);
                }
            }
            let made = &mut values[start..];
            // Without a way out of the loop, the compiler makes it one over vectors.
            if !made.iter().fold(true, |all, x| all & x.is_finite())
                && let Some(i) = made.iter().position(|x| !x.is_finite())
            {
                return Err(refuse(row, format!("number {} of {dim}, {}, is not finite", i + 1, made[i])));
            }
            if self.options.normalize {
                normalize(made);
            }
            self.options.dtype.accept(made).map_err(|reason| refuse(row, reason))?;
        }
        if let Given::Values(_) = given {
            stored.store(values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(
        target: &Path,
        dim: usize,
        options: &BuilderOptions,
        batches: &[(Vec<String>, Vec<f32>)],
    ) -> Result<Vec<u8>> {
        let mut builder = Builder::create(target, dim, options.clone())?;
        for (words, values) in batches {
            builder.push(&words.iter().map(String::as_bytes).collect::<Vec<_>>(), values)?;
        }
        builder.finish(&mut || true)?;
        Ok(std::fs::read(target).expect("a store"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn the_same_rows_make_the_same_file_however_they_come(
            words in proptest::collection::vec("[a-e]{1,4}", 1..300),
            cuts in proptest::collection::vec(0usize..300, 0..5),
            threads in 1usize..4,
            duplicates in prop_oneof![Just(Duplicates::First), Just(Duplicates::Last)],
            dtype in proptest::sample::select(&Dtype::ALL[..]),
        ) {
            // Few rows a step, so that batches end inside steps.
            let dim = 100_000;
            let folder = tempfile::tempdir().expect("a folder");
            let words = &words[..words.len().min(40)];
            let values: Vec<f32> = (0..words.len() * dim).map(|i| (i * 7919 % 1000) as f32 * 0.01 - 5.0).collect();
            let whole = vec![(words.to_vec(), values.clone())];
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (words.len() + 1)).collect();
            ends.push(words.len());
            ends.sort_unstable();
            let mut start = 0;
            let mut batches = Vec::new();
            for end in ends {
                batches.push((words[start..end].to_vec(), values[start * dim..end * dim].to_vec()));
                start = end;
            }
            let options = BuilderOptions { duplicates, dtype, threads: Some(1), ..BuilderOptions::default() };
            let one = build(&folder.path().join("one"), dim, &options, &whole)?;
            let options = BuilderOptions { threads: Some(threads), ..options };
            let many = build(&folder.path().join("many"), dim, &options, &batches)?;
            prop_assert!(one == many);
            let store = Store::from_bytes(one)?;
            prop_assert!(store.verify(|| true)?);
        }
    }

    #[test]
    fn rows_of_another_store_are_copied_bit_for_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        let words: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let values = vec![0.1, -0.7, 0.33, 0.0, 0.0, 0.0, 5.0, 0.001, -2.5];
        for dtype in Dtype::ALL {
            let options = BuilderOptions { dtype, ..BuilderOptions::default() };
            let whole = folder.path().join("whole");
            build(&whole, 3, &options, &[(words.clone(), values.clone())]).expect("a store");
            let store = Store::open(&whole).expect("a store");
            let target = folder.path().join("part");
            let mut builder = Builder::create(&target, 3, options).expect("a builder");
            builder.copy(&store, &[2, 0]).expect("rows");
            builder.finish(&mut || true).expect("a store");
            let part = Store::open(&target).expect("a store");
            assert!(part.verify(|| true).expect("a whole store"));
            let (all, some) = (store.rows(), part.rows());
            for (new, old) in [(0, 2), (1, 0)] {
                assert_eq!(some.get(new), all.get(old), "{dtype:?}");
                assert_eq!(some.scales.get(new), all.scales.get(old), "{dtype:?}");
                assert_eq!(part.words().get(new).expect("a word"), words[old].as_bytes());
            }
        }
    }

    #[test]
    fn a_builder_that_failed_publishes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("x");
        let mut builder = Builder::create(&target, 2, BuilderOptions::default()).expect("a builder");
        builder.push(&[b"a"], &[1.0, 2.0]).expect("a row");
        let error = builder.push(&[b"b", b"c"], &[1.0, 2.0, 3.0, f32::NAN]).expect_err("not a number");
        assert_eq!(error.to_string(), "row 2, \"c\": number 2 of 2, NaN, is not finite");
        assert!(builder.push(&[b"d"], &[1.0, 2.0]).is_err());
        assert!(builder.finish(&mut || true).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
