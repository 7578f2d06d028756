//! What the caller says of a source, and how it is read.

use super::encoding::{Encoding, Utf8Errors};
use crate::{
    dtype::Dtype,
    format::{Shard, word_set::WordSet},
    write::dedup::Duplicates,
};

/// The kinds of sources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Whatever the content says.
    #[default]
    Auto,
    /// GloVe, word2vec and fastText text.
    Text,
    /// Word2vec's binary form.
    Word2vecBinary,
    /// fastText's models, `.bin` and `.ftz`.
    FastText,
    /// The folder of a Hugging Face model, of model2vec's, of sentence-transformers'.
    HuggingFace,
}

impl Format {
    /// Every format, and the name by which users choose it.
    pub const ALL: [(&'static str, Format); 5] = [
        ("auto", Format::Auto),
        ("text", Format::Text),
        ("word2vec-binary", Format::Word2vecBinary),
        ("fasttext", Format::FastText),
        ("huggingface", Format::HuggingFace),
    ];
}

/// What stands between the fields of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separator {
    /// What the first rows say.
    #[default]
    Auto,
    /// One space.
    Space,
    /// One tab.
    Tab,
    /// Spaces and tabs, however many: columns that are padded to a width.
    Spaces,
    /// A comma, as in CSV, with quotes where they are needed.
    Comma,
    /// A semicolon, in the same way.
    Semicolon,
}

impl Separator {
    /// Every separator, and the name by which users choose it.
    pub const ALL: [(&'static str, Separator); 6] = [
        ("auto", Separator::Auto),
        (" ", Separator::Space),
        ("\t", Separator::Tab),
        ("spaces", Separator::Spaces),
        (",", Separator::Comma),
        (";", Separator::Semicolon),
    ];

    /// What users call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Separator::ALL.iter().find(|(_, separator)| *separator == self).map_or("", |(name, _)| name)
    }
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

impl OnBadRow {
    /// Every policy, and the name by which users choose it.
    pub const ALL: [(&'static str, OnBadRow); 2] = [("error", OnBadRow::Error), ("skip", OnBadRow::Skip)];
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

impl WrongCount {
    /// Every policy, and the name by which users choose it.
    pub const ALL: [(&'static str, WrongCount); 2] = [("error", WrongCount::Error), ("ignore", WrongCount::Ignore)];
}

/// The options of [`convert`](crate::convert): what the source is, and what becomes of it.
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
    /// Only the words of one of several stores, which split the words among them; n-grams are in the first.
    pub shard: Option<Shard>,
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
            shard: None,
            dtype: Dtype::default(),
            normalize: false,
            screen: false,
            threads: None,
            metadata: serde_json::Map::new(),
            block_bytes: 1 << 20,
        }
    }
}
