//! Export: a store's words and rows, in the formats that other programs read.

mod blocks;
mod safetensors;
pub(crate) mod shortest;
mod text;
mod word2vec;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use crate::{
    error::{Error, FormatError, Result, corrupt},
    format::words::Words,
    store::{Store, gather::Rows, selection::RowSelection},
    sys::{atomic_file::AtomicFile, mmap::Map, simd::Kernel, threads::while_ticking},
};
use blocks::{Progress, RowFormat};

/// What a store is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Text, a row `word number … number`.
    Glove,
    /// The same behind a header "rows dim".
    Word2Vec,
    /// That header, then a word, a space and float32 for each row: the bytes that gensim writes.
    Word2VecBinary,
    /// Text with a header and a space behind each number, as fastText writes its `.vec`.
    FastTextVec,
    /// One tensor `embedding.weight` in the store's number type, the words in the file's metadata.
    Safetensors,
}

impl ExportFormat {
    /// All formats and their names.
    pub const ALL: [(&'static str, ExportFormat); 5] = [
        ("glove", ExportFormat::Glove),
        ("word2vec", ExportFormat::Word2Vec),
        ("word2vec-binary", ExportFormat::Word2VecBinary),
        ("fasttext-vec", ExportFormat::FastTextVec),
        ("safetensors", ExportFormat::Safetensors),
    ];
}

/// What an export did.
#[derive(Debug, Clone, Default)]
pub struct ExportReport {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Words with a space inside, where the format separates by spaces.
    pub words_with_blanks: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// The part of it, at the end, in which the disk was waited for.
    pub sync_seconds: f64,
}

impl Store<Map> {
    /// Writes the selected rows, of the first so many those that there are, to `target`, on so many threads or all there are. `tick` is called about twenty times a second
    /// with the rows done and the rows there are; it returns whether to go on. The target is replaced at the end, whole, or not
    /// touched at all.
    pub fn export(
        &self,
        target: &Path,
        format: ExportFormat,
        selection: RowSelection,
        threads: Option<usize>,
        tick: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<ExportReport> {
        let started = Instant::now();
        let chosen = Chosen::of(self, selection)?;
        let (stop, progress) = (AtomicBool::new(false), Progress::default());
        let text = |header, space_at_the_end| text::Text { chosen, header, space_at_the_end, kernel: Kernel::detect() };
        let layout: &dyn RowFormat = match format {
            ExportFormat::Glove => &text(false, false),
            ExportFormat::Word2Vec => &text(true, false),
            ExportFormat::FastTextVec => &text(true, true),
            ExportFormat::Word2VecBinary => &word2vec::Binary { chosen },
            ExportFormat::Safetensors => &safetensors::Safetensors { chosen },
        };
        let (rows, done) = (chosen.len() as u64, || progress.rows.load(Ordering::Relaxed));
        let write = || {
            let file = AtomicFile::create(target)?;
            let (bytes_written, written) = blocks::write(layout, chosen.len(), &file, threads, &progress, &stop)?;
            Ok((file, bytes_written, written))
        };
        let (file, bytes_written, written) = while_ticking(&stop, write, &mut || tick(done(), rows))?;
        if !tick(rows, rows) {
            return Err(Error::Cancelled);
        }
        while_ticking(&stop, || file.publish(&stop), &mut || tick(rows, rows))?;
        Ok(ExportReport {
            rows,
            bytes_written,
            words_with_blanks: progress.words_with_blanks.load(Ordering::Relaxed),
            seconds: started.elapsed().as_secs_f64(),
            sync_seconds: written.elapsed().as_secs_f64(),
        })
    }
}

/// The words and rows that were selected, by their place among them.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    path: &'a Path,
    words: Words<'a>,
    rows: Rows<'a>,
    selection: RowSelection<'a>,
}

impl<'a> Chosen<'a> {
    fn of(store: &'a Store<Map>, selection: RowSelection<'a>) -> Result<Chosen<'a>> {
        let rows = store.len();
        let selection = match selection {
            RowSelection::First(first) => RowSelection::First(first.min(rows)),
            RowSelection::Only(ids) => match ids.iter().position(|&id| id as usize >= rows) {
                Some(position) => return Err(Error::NoSuchRow { id: i64::from(ids[position]), position, rows }),
                None => selection,
            },
        };
        let path = store.data().path();
        Ok(Chosen { path, words: store.words(), rows: store.rows(), selection })
    }

    fn len(&self) -> usize {
        self.selection.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    /// The row of the store at `place`.
    fn id(&self, place: usize) -> usize {
        self.selection.id(place)
    }

    /// Appends the word at `place`; its bytes are checked as they are appended, since those of a map can change.
    fn word(&self, place: usize, text: &mut Vec<u8>) -> Result<()> {
        let (id, start) = (self.id(place), text.len());
        text.extend_from_slice(self.words.get(id).map_err(|error| self.corrupt(error))?);
        match std::str::from_utf8(&text[start..]) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.corrupt(corrupt(format!("word {id} is not UTF-8")))),
        }
    }

    /// The float32 values at `place`.
    fn values(&self, place: usize, values: &mut Vec<f32>) -> Result<()> {
        let id = self.id(place);
        reserve(values, self.dim())?;
        values.resize(self.dim(), 0.0);
        self.rows.decode(id, values);
        match values.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(self.corrupt(corrupt(format!("row {id} has a number that is not finite")))),
        }
    }

    fn corrupt(&self, error: FormatError) -> Error {
        Error::format(self.path)(error)
    }

    /// The error for a word that the format has no way to write.
    fn refused(&self, place: usize, word: &[u8], reason: &'static str) -> Error {
        Error::Unwritable { id: self.id(place), word: String::from_utf8_lossy(word).into_owned(), reason }
    }
}

/// Makes room for `more`, or says that there is none: how long a row is, a file of a stranger says.
fn reserve<T>(buffer: &mut Vec<T>, more: usize) -> Result<()> {
    let bytes = more.saturating_mul(size_of::<T>());
    buffer.try_reserve(more).map_err(|_| Error::NoMemory { bytes })
}
