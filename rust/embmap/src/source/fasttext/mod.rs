//! fastText's models, `.bin` and `.ftz`: words, and the n-grams that other words are made of.
//!
//! A word's vector is the one that fastText gives: the mean of its own row of the input matrix and of the rows of its
//! n-grams, bit for bit. The rows of n-grams go to the store as well ([`Buckets`]). A model is read at any place, so that
//! memory holds neither its matrix nor its words; one that comes as a stream is unpacked first.
//!
//! Where gensim's reader differs (it gives n-grams to `</s>`, the end of a line, in every model), fastText's own answer is
//! taken: it is the one that the model was trained and its text vectors were written with.

mod dictionary;
mod header;
mod matrix;
mod quantizer;
mod reader;

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

pub(crate) use header::is_model;

use crate::{
    error::{Error, Result, Unit},
    format::subwords::{Ngrams, Scheme},
    source::{
        Buckets, Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        container::{Input, Unpacking, unpacked},
        head::Head,
        options::Options,
    },
    store::subwords::mean,
    sys::{pread::read_exact_at, threads},
};
use dictionary::Dictionary;
use header::Header;
use matrix::{Matrix, Raw};
use reader::Reader;

/// Words of a batch, however short their rows.
const BATCH_WORDS: usize = 1 << 14;
/// Bytes that are counted at a time.
const STEP_BYTES: u64 = 8 << 20;

/// A model, ready to be read by several threads.
pub(crate) struct FastTextSource {
    path: PathBuf,
    file: File,
    /// Bytes of the file.
    length: u64,
    dictionary: Dictionary,
    matrix: Matrix,
    /// How words are cut, where there are rows of n-grams.
    ngrams: Option<Ngrams>,
    /// Whether only the first word, which is the end of a line, has a row of its own, as with floret's n-grams.
    of_parts: bool,
    /// Whether the conversion has ended: nobody asks any more what a word that is being made is worth.
    stop: Arc<AtomicBool>,
    before: Envelope,
    behind: Envelope,
    next: AtomicU64,
}

/// What a thread keeps between two batches.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    words: Vec<u8>,
    rows: Raw,
    bucket: Raw,
    text: Vec<u8>,
}

impl FastTextSource {
    /// Over `input`, whose first bytes are `head`.
    pub(crate) fn open(
        path: &Path,
        input: Input,
        head: Head,
        options: &Options,
        how: &Unpacking,
    ) -> Result<FastTextSource> {
        let (file, length) = match input {
            Input::File(file, length) => (file, length),
            Input::Stream(mut stream) => unpacked(path, &head.bytes, head.failure, &mut stream, how)?,
        };
        let mut reader = Reader::new(path, &file, length, 0);
        let header = Header::read(&mut reader)?;
        let dim = header.dim as usize;
        if let Some(asked) = options.dim.filter(|&asked| asked != dim) {
            return Err(reader.refuse(format!("expected vectors of dimension {asked}, found {dim}")));
        }
        let batch = (options.block_bytes / (dim * 4)).clamp(1, BATCH_WORDS);
        let dictionary = Dictionary::read(&mut reader, &header, batch)?;
        let quantized = header.marked && reader.flag("whether the matrix is quantized")?;
        if dictionary.kept.is_some() && !quantized {
            let reason = "buckets were pruned, but the matrix is not quantized: fastText has not read such models since \
                          2017; a newer model is at fasttext.cc";
            return Err(reader.refuse(reason));
        }
        let matrix = Matrix::read(&mut reader, quantized)?;
        let buckets = dictionary.kept.as_ref().map_or(u64::from(header.buckets), |kept| kept.len() as u64);
        if matrix.dim != dim || matrix.rows != u64::from(dictionary.words) + buckets {
            let (rows, found, words) = (matrix.rows, matrix.dim, dictionary.words);
            return Err(reader.refuse(format!(
                "a matrix of {rows} × {found} numbers, where {words} words and {buckets} buckets of {dim} were expected"
            )));
        }
        let before = reader.read.clone();
        // Nothing of what follows is needed, but a file that was cut short there is not whole.
        let quantized = header.marked && reader.flag("whether the output is quantized")? && quantized;
        Matrix::read(&mut reader, quantized)?;

        let rows_end = matrix.start + u64::from(dictionary.words) * matrix.row_len as u64;
        let behind = framing(&file, rows_end..length, options.threads, how).map_err(Error::io(path))?;
        let ngrams = header.ngrams.filter(|_| buckets > 0);
        let of_parts = header.ngrams.is_some_and(|ngrams| matches!(ngrams.scheme, Scheme::Floret { .. }));
        let (stop, next) = (Arc::clone(&how.stop), AtomicU64::new(0));
        let path = path.into();
        Ok(FastTextSource { path, file, length, dictionary, matrix, ngrams, of_parts, stop, before, behind, next })
    }

    /// The row of a bucket, where it has one.
    fn row_of(&self, bucket: u32) -> Option<u64> {
        let row = match &self.dictionary.kept {
            None => bucket,
            Some(kept) => kept[kept.binary_search_by_key(&bucket, |&(bucket, _)| bucket).ok()?].1,
        };
        Some(u64::from(self.dictionary.words) + u64::from(row))
    }

    /// Adds to `sum`, which holds `own` rows of the word itself, those of its n-grams, and makes the mean of it.
    fn add_ngrams(&self, word: &[u8], own: usize, scratch: &mut Scratch, sum: &mut [f32]) -> io::Result<()> {
        let Scratch { bucket, text, .. } = scratch;
        let mut rows = own;
        if let Some(cut) = &self.ngrams {
            let added = cut.try_each(word, text, |number| {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(None);
                }
                if let Some(row) = self.row_of(number) {
                    self.matrix.load(&self.file, row, 1, bucket).map_err(Some)?;
                    self.matrix.add(bucket, 0, sum);
                    rows += 1;
                }
                Ok(())
            });
            if let Err(Some(error)) = added {
                return Err(error);
            }
        }
        mean(sum, rows);
        Ok(())
    }

    fn fill(&self, number: u64, scratch: &mut Scratch, batch: &mut Batch) -> io::Result<()> {
        let (place, rows) = (self.dictionary.range(number), self.dictionary.rows(number));
        let count = (rows.end - rows.start) as usize;
        let mut words = std::mem::take(&mut scratch.words);
        words.resize((place.end - place.start) as usize, 0);
        read_exact_at(&self.file, &mut words, place.start)?;
        self.matrix.load(&self.file, rows.start, count, &mut scratch.rows)?;
        batch.begin(&scratch.rows.bytes);
        let mut refused = Ok(());
        for (i, (start, word)) in Dictionary::entries(&words).take(count).enumerate() {
            let origin = RowPosition { line: batch.lines, offset: place.start + start as u64 };
            batch.lines += 1;
            if !batch.wants(word) {
                continue;
            }
            batch.push_with(origin, |row| {
                if word.is_empty() {
                    return Err((Fault::EmptyWord, "the word is empty".into()));
                }
                let has_own = !self.of_parts || rows.start + i as u64 == 0;
                if has_own {
                    self.matrix.add(&scratch.rows, i, row);
                }
                refused = self.add_ngrams(word, usize::from(has_own), scratch, row);
                match row.iter().position(|x| !x.is_finite()) {
                    Some(at) => {
                        let dim = row.len();
                        Err((Fault::NotFinite, format!("number {} of {dim}, {}, is not finite", at + 1, row[at])))
                    }
                    None => Ok(word),
                }
            });
            if refused.is_err() || batch.is_refused() {
                break;
            }
        }
        scratch.words = words;
        refused
    }
}

impl Source for FastTextSource {
    type Scratch = Scratch;

    fn path(&self) -> &Path {
        &self.path
    }

    fn dim(&self) -> usize {
        self.matrix.dim
    }

    fn expected_rows(&self) -> Option<u64> {
        Some(u64::from(self.dictionary.words))
    }

    /// A model has words where a text has lines.
    fn unit(&self) -> Unit {
        Unit::Word
    }

    fn first_line(&self) -> u64 {
        1
    }

    fn length(&self) -> Option<u64> {
        Some(u64::from(self.dictionary.words) * self.matrix.row_len as u64)
    }

    fn progress(&self, parsed: u64) -> (u64, u64) {
        (self.before.bytes + self.behind.bytes + parsed, self.length)
    }

    fn preamble(&self) -> Envelope {
        self.before.clone()
    }

    fn trailer(&self) -> Envelope {
        self.behind.clone()
    }

    fn next(&self, scratch: &mut Scratch, batch: &mut Batch) -> Result<bool, SourceError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        batch.sequence = number;
        if number >= self.dictionary.batches() {
            return Ok(false);
        }
        let filled = self.fill(number, scratch, batch);
        filled.map(|()| true).map_err(|error| SourceError::Refused(Error::io(&self.path)(error)))
    }

    fn buckets(&self) -> Option<(Ngrams, &dyn Buckets)> {
        Some((self.ngrams?, self))
    }

    /// Of a quantized model, one code may stand for a row of any width.
    fn expansion(&self) -> Option<(u64, u64)> {
        let buckets = match &self.dictionary.kept {
            _ if self.ngrams.is_none() => 0,
            Some(kept) => kept.len() as u64,
            None => self.ngrams.map_or(0, |ngrams| u64::from(ngrams.buckets)),
        };
        let rows = u64::from(self.dictionary.words) + buckets;
        Some((self.length, rows.saturating_mul(self.matrix.dim as u64)))
    }
}

impl Buckets for FastTextSource {
    fn kept(&self) -> Option<Vec<u32>> {
        let kept = self.dictionary.kept.as_ref()?;
        Some(kept.iter().map(|&(bucket, _)| bucket).collect())
    }

    fn read(&self, first: u64, rows: &mut [f32]) -> Result<()> {
        let (dim, mut raw) = (self.matrix.dim, Raw::default());
        let refused = Error::io(&self.path);
        match &self.dictionary.kept {
            None => {
                let start = u64::from(self.dictionary.words) + first;
                self.matrix.load(&self.file, start, rows.len() / dim, &mut raw).map_err(refused)?;
                for (i, row) in rows.chunks_exact_mut(dim).enumerate() {
                    self.matrix.add(&raw, i, row);
                }
            }
            Some(kept) => {
                let mut rows = kept[first as usize..].iter().zip(rows.chunks_exact_mut(dim));
                let mut read = |(&(_, at), row): (&(u32, u32), &mut [f32])| {
                    self.matrix.load(&self.file, u64::from(self.dictionary.words) + u64::from(at), 1, &mut raw)?;
                    self.matrix.add(&raw, 0, row);
                    Ok(())
                };
                rows.try_for_each(&mut read).map_err(refused)?;
            }
        }
        Ok(())
    }

    fn place(&self, i: u64) -> u64 {
        let row = self.dictionary.kept.as_ref().map_or(i, |kept| u64::from(kept[i as usize].1));
        self.matrix.start + (u64::from(self.dictionary.words) + row) * self.matrix.row_len as u64
    }
}

/// Length and checksum of a range of the file.
fn framing(file: &File, range: Range<u64>, threads: Option<usize>, how: &Unpacking) -> io::Result<Envelope> {
    let mut parts: Vec<(u64, Envelope)> =
        range.clone().step_by(STEP_BYTES as usize).map(|start| (start, Envelope::default())).collect();
    threads::for_each(threads, &mut parts, |(start, framing)| -> io::Result<()> {
        // Whoever has said so asks no more what has been found.
        if how.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut bytes = vec![0; STEP_BYTES.min(range.end - *start) as usize];
        read_exact_at(file, &mut bytes, *start)?;
        framing.add(&bytes);
        Ok(())
    })?;
    let mut whole = Envelope::default();
    for (_, part) in parts {
        whole.bytes += part.bytes;
        whole.crc.combine(&part.crc);
    }
    Ok(whole)
}
