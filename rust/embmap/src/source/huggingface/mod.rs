//! Folders of Hugging Face models: a row of the word-embedding tensor for each token of the vocabulary.
//!
//! Of `model.safetensors`, or of its shards, only the one tensor is read, a slice of rows at a time by whichever thread is
//! free; the model itself is never loaded. model2vec's models and sentence-transformers' `StaticEmbedding` are such
//! folders too.

mod choose;
mod folder;
mod json;
mod quantized;
mod safetensors;
mod vocabulary;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    error::{Error, Result, Unit},
    source::{
        Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        options::{Format, OnBadRow, Options},
    },
    sys::{pread::read_exact_at, regular},
};
use choose::MODEL2VEC;
use folder::{Folder, Tokens, Weights};
use quantized::Quantized;
use safetensors::{Tensor, TensorDtype};
use vocabulary::Vocabulary;

/// A row of more numbers is none.
const WIDEST: u64 = 1 << 20;

/// The embeddings of a model's tokens, ready to be read by several threads.
pub(crate) struct HuggingFaceSource {
    folder: PathBuf,
    file: File,
    tensor: Tensor,
    elements: TensorDtype,
    vocabulary: Vocabulary,
    quantized: Option<Box<Quantized>>,
    dim: usize,
    /// Rows up to that of the last token.
    rows: u64,
    rows_a_batch: u64,
    next: AtomicU64,
    /// Rows whose id no token has.
    pub rows_without_word: u64,
    /// Tokens whose id is behind the last row.
    pub words_without_row: u64,
}

/// What a thread reads into.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    rows: Vec<u8>,
    /// Where in the file each row is, where they do not follow each other.
    places: Vec<u64>,
    weights: Vec<f64>,
}

/// Whether `path` is to be read as a model's folder.
pub(crate) fn is_meant(path: &Path, options: &Options) -> bool {
    match options.format {
        Format::HuggingFace => path.is_dir(),
        Format::Auto => Folder::is_model(path),
        _ => false,
    }
}

/// The files of the folder that a conversion reads, some of which may be missing. `member` is as in [`Options`].
pub fn model_files(path: &Path, member: Option<&str>) -> Result<Vec<PathBuf>> {
    if path.is_dir() && !Folder::is_model(path) {
        return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    let folder = Folder::open(path)?;
    let weights = folder.weights()?;
    let mut files = weights.files(member)?;
    files.extend(folder.modules().map(Path::to_path_buf));
    if let Weights::Shards { index, .. } = weights {
        files.push(index);
    }
    match folder.tokens()? {
        Tokens::Tokenizer(path) => files.push(path),
        Tokens::Lines(path, added) | Tokens::Ids(path, added) => {
            files.extend([Some(path), added].into_iter().flatten())
        }
    }
    Ok(files)
}

impl HuggingFaceSource {
    /// Over the folder at `path`.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<HuggingFaceSource> {
        let folder = Folder::open(path)?;
        let weights = folder.weights()?;
        let tokens = folder.tokens()?;
        let vocabulary = Vocabulary::read(&tokens)?;
        let (header, tensor) = weights.choose(options.member.as_deref(), vocabulary.own())?;

        let &[rows, dim] = tensor.shape.as_slice() else {
            return Err(tensor.refuse(format!("has the shape {:?}, not one of rows and columns", tensor.shape)));
        };
        let elements = match TensorDtype::named(&tensor.dtype) {
            // Elsewhere such numbers mean something with scales only, which lie in other tensors.
            Some(TensorDtype::I8) if tensor.name != MODEL2VEC => None,
            elements => elements,
        };
        let elements = elements.ok_or_else(|| {
            tensor.refuse(format!(
                "is of {}, of which no vectors can be read: expected F32, F16, BF16 or F64",
                tensor.dtype
            ))
        })?;
        if !(1..=WIDEST).contains(&dim) {
            return Err(tensor.refuse(format!("has rows of {dim} numbers, not of 1 to {WIDEST}")));
        }
        if let Some(expected) = options.dim.filter(|&expected| expected as u64 != dim) {
            return Err(tensor.refuse(format!("has rows of {dim} numbers, dim={expected} was expected")));
        }
        let quantized = match tensor.name == MODEL2VEC {
            true => Quantized::find(&header, &tensor)?.map(Box::new),
            false => None,
        };
        let rows = quantized.as_ref().map_or(rows, |quantized| quantized.rows);
        if vocabulary.own() > rows && options.on_bad_row == OnBadRow::Error {
            return Err(tensor.refuse(format!(
                "has {rows} rows, the vocabulary needs {}: they are not of one model; on_bad_row=\"skip\" takes the \
                 tokens that have rows",
                vocabulary.own()
            )));
        }
        let behind = vocabulary.from(rows).len();
        let all = vocabulary.from(0);
        let paired = &all[..all.len() - behind];
        let Some((last, _)) = paired.last() else {
            return Err(tensor.refuse(format!("has {rows} rows, none of which is a token's: the vocabulary is empty")));
        };
        let row_bytes = dim * elements.size() as u64;
        Ok(HuggingFaceSource {
            folder: path.canonicalize().map_err(Error::io(path))?,
            file: regular::open(&tensor.path).map_err(Error::io(&tensor.path))?,
            elements,
            dim: dim as usize,
            rows: last + 1,
            rows_a_batch: (options.block_bytes as u64 / row_bytes).max(1),
            next: AtomicU64::new(0),
            rows_without_word: rows - paired.len() as u64,
            words_without_row: behind as u64,
            quantized,
            tensor,
            vocabulary,
        })
    }

    fn row_bytes(&self) -> u64 {
        (self.dim * self.elements.size()) as u64
    }

    /// Reads rows `first..first + count` into `scratch`.
    fn read(&self, first: u64, count: u64, scratch: &mut Scratch) -> Result<()> {
        let (start, row_bytes) = (self.tensor.bytes.start, self.row_bytes());
        scratch.rows.resize((count * row_bytes) as usize, 0);
        scratch.weights.clear();
        scratch.places.clear();
        if let Some(quantized) = &self.quantized {
            quantized.read_weights(&self.file, first, count, &mut scratch.weights)?;
            quantized.read_mapping(&self.file, first, count, self.tensor.shape[0], &mut scratch.places)?;
        }
        if scratch.places.is_empty() {
            scratch.places.extend((first..first + count).map(|row| start + row * row_bytes));
            return read_tensor(&self.file, &self.tensor, &mut scratch.rows, scratch.places[0]);
        }
        for (place, row) in scratch.places.iter_mut().zip(scratch.rows.chunks_exact_mut(row_bytes as usize)) {
            *place = start + *place * row_bytes;
            read_tensor(&self.file, &self.tensor, row, *place)?;
        }
        Ok(())
    }
}

/// Fills `bytes` from byte `offset` of the `file` that `tensor` is in.
fn read_tensor(file: &File, tensor: &Tensor, bytes: &mut [u8], offset: u64) -> Result<()> {
    read_exact_at(file, bytes, offset).map_err(Error::io(&tensor.path))
}

impl Source for HuggingFaceSource {
    type Scratch = Scratch;

    fn path(&self) -> &Path {
        &self.tensor.path
    }

    fn root(&self) -> &Path {
        &self.folder
    }

    fn member(&self) -> Option<&str> {
        Some(&self.tensor.name)
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn expected_rows(&self) -> Option<u64> {
        None
    }

    /// A mapping from tokens to rows may name one row again and again.
    fn expansion(&self) -> Option<(u64, u64)> {
        let bytes = self.file.metadata().ok()?.len();
        Some((bytes, self.rows.saturating_mul(self.dim as u64)))
    }

    fn unpaired(&self) -> (u64, u64) {
        (self.rows_without_word, self.words_without_row)
    }

    fn unit(&self) -> Unit {
        Unit::Word
    }

    fn first_line(&self) -> u64 {
        1
    }

    fn length(&self) -> Option<u64> {
        Some(self.rows.saturating_mul(self.row_bytes()))
    }

    fn progress(&self, parsed: u64) -> (u64, u64) {
        (parsed, self.rows.saturating_mul(self.row_bytes()))
    }

    fn preamble(&self) -> Envelope {
        Envelope::default()
    }

    fn trailer(&self) -> Envelope {
        Envelope::default()
    }

    fn next(&self, scratch: &mut Scratch, batch: &mut Batch) -> Result<bool, SourceError> {
        batch.sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let first = batch.sequence.saturating_mul(self.rows_a_batch);
        if first >= self.rows {
            return Ok(false);
        }
        let count = self.rows_a_batch.min(self.rows - first);
        self.read(first, count, scratch).map_err(SourceError::Refused)?;
        batch.begin(&scratch.rows);
        batch.lines = count;
        for (id, token) in self.vocabulary.from(first).iter().take_while(|(id, _)| *id < first + count) {
            let i = (id - first) as usize;
            if !batch.wants(token) {
                continue;
            }
            let bytes = &scratch.rows[i * self.row_bytes() as usize..][..self.row_bytes() as usize];
            let weight = scratch.weights.get(i).copied();
            let origin = RowPosition { line: i as u64, offset: scratch.places[i] };
            batch.push_with(origin, |row| {
                self.elements.decode(bytes, weight, row);
                match row.iter().position(|x| !x.is_finite()) {
                    None => Ok(token),
                    Some(at) => {
                        let shown = String::from_utf8_lossy(token);
                        let reason = format!("number {} of {} of {shown:?} is {}", at + 1, self.dim, row[at]);
                        Err((Fault::NotFinite, reason))
                    }
                }
            });
            if batch.is_refused() {
                break;
            }
        }
        Ok(true)
    }
}
