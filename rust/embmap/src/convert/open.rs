//! Which kind of source a file is: found from its content, never from its name alone.

use std::{io, path::Path};

use crate::{
    error::{Error, ParseError, Result, Unit},
    source::{
        container::{self, Input, Unpacking},
        csv::{CsvSource, Shape},
        fasttext::{self, FastTextSource},
        head::Head,
        huggingface::{self, HuggingFaceSource},
        options::{Format, Options, Separator},
        sniff,
        text::{Layout, TextSource},
        word2vec::{Form, Word2vecSource},
    },
};

/// A source of any kind, opened.
pub(crate) enum AnySource {
    Text(TextSource),
    Table(CsvSource),
    Word2vec(Word2vecSource),
    FastText(FastTextSource),
    HuggingFace(HuggingFaceSource),
}

/// Opens `path` as what it is, or as what `options` say that it is.
pub(crate) fn open(path: &Path, options: &Options, how: &Unpacking) -> Result<AnySource> {
    if huggingface::is_meant(path, options) {
        return HuggingFaceSource::open(path, options).map(AnySource::HuggingFace);
    }
    let mut input = container::open(path, how)?;
    let mut head = Head::read(path, &mut input)?;
    if let Some(utf16) = options.encoding.utf16_of(&head.bytes) {
        input = input.decoding_utf16(head.bytes, utf16, how);
        head = Head::read(path, &mut input)?;
    }
    let refuse = |what: &str| ParseError::of(path, what);
    if let Some(what) = sniff::foreign(&head.bytes) {
        return Err(refuse(what).into());
    }
    let form = Form::of(&head);
    let format = match options.format {
        Format::Auto if fasttext::is_model(&head.bytes) => Format::FastText,
        // Records have a header.
        Format::Auto if options.header == Some(false) => Format::Text,
        Format::Auto => match form {
            Form::Text | Form::Other => Format::Text,
            Form::Records => Format::Word2vecBinary,
            Form::Unclear => {
                return Err(refuse(
                    "behind the header are no rows of text, and what can be, but need not be, word2vec's binary records; \
                     say which with format=\"text\" or format=\"word2vec-binary\"",
                )
                .into());
            }
        },
        Format::Text if form == Form::Records => {
            return Err(refuse("this is word2vec's binary form, not text: format=\"word2vec-binary\" reads it").into());
        }
        Format::Word2vecBinary if form == Form::Text => {
            return Err(refuse("this is text, not word2vec's binary form: format=\"text\" reads it").into());
        }
        asked => asked,
    };
    match format {
        Format::FastText => FastTextSource::open(path, input, head, options, how).map(AnySource::FastText),
        Format::Auto | Format::Text => open_text(path, input, head, options),
        Format::Word2vecBinary => Word2vecSource::open(path, input, head, options).map(AnySource::Word2vec),
        Format::HuggingFace => Err(Error::io(path)(io::ErrorKind::NotADirectory.into())),
    }
}

/// Opens text as rows or as a table, whichever its first lines look like.
fn open_text(path: &Path, input: Input, head: Head, options: &Options) -> Result<AnySource> {
    if head.bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::of(path, "nothing is in it: this is no file of vectors").into());
    }
    let layout = match options.separator {
        Separator::Comma | Separator::Semicolon => Err((1, String::new())),
        _ => Layout::find(head.whole_lines(), options),
    };
    match Shape::find(&head, &layout, options) {
        Some(Ok(shape)) => Ok(AnySource::Table(CsvSource::open(path, input, head, shape))),
        Some(Err((line, reason))) => Err(ParseError::at(path, Unit::Line, line, 0, reason).into()),
        None => TextSource::open(path, input, head, layout, options).map(AnySource::Text),
    }
}
