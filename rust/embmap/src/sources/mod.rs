//! Which kind of source a file is: found from its content, never from its name alone.

mod sniff;

use std::path::Path;

pub(crate) use sniff::binary;

use crate::{
    container::{self, Unpacking},
    convert::Options,
    error::{ParseError, Result},
    text::{Head, TextSource},
};

/// The kinds of sources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Whatever the content says.
    #[default]
    Auto,
    /// GloVe, word2vec and fastText text.
    Text,
}

impl Format {
    /// Every format, and the name by which users choose it.
    pub const ALL: [(&'static str, Format); 2] = [("auto", Format::Auto), ("text", Format::Text)];
}

/// A source of any kind, opened.
pub(crate) enum AnySource {
    Text(TextSource),
}

/// Opens `path` as what it is, or as what `options` say that it is.
pub(crate) fn open(path: &Path, options: &Options, how: &Unpacking) -> Result<AnySource> {
    let mut input = container::open(path, how)?;
    let head = Head::read(path, &mut input)?;
    if let Some(what) = sniff::foreign(head.whole_lines()) {
        return Err(ParseError { path: path.to_path_buf(), line: 1, byte_offset: 0, reason: what.into() }.into());
    }
    match options.format {
        Format::Auto | Format::Text => TextSource::open(path, input, head, options).map(AnySource::Text),
    }
}
