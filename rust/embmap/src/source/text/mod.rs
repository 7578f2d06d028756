//! Text vectors: GloVe's, and word2vec's and fastText's with their "rows dim" header.
//!
//! A row is `word number … number`. Exactly one separator, a space or (in a tab-separated file) a tab, stands between
//! fields; the last `dim` fields are numbers and everything before them is the word, byte for byte. Where the rows as a whole
//! are padded to columns, any number of spaces is one separator, and words lose theirs. Carriage returns and separators at the
//! end of a line, a byte-order mark, and blank lines at the end of the file are passed over.

pub(crate) mod block;
mod doubts;
pub(crate) mod fields;
mod file;
pub(crate) mod kernels;
pub(crate) mod layout;
pub(crate) mod number;
mod padding;
pub(crate) mod row;
mod stream;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, ParseError, Result, Unit},
    source::{
        Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        container::{Input, Progress, Stream},
        head::{HEAD_BYTES, Head},
        options::{Options, Separator},
        sniff,
    },
    sys::{pread::read_at, simd::Kernel},
};
use block::LineBlock;
pub(crate) use doubts::{columns, in_another_encoding, names_or_numbers, no_words};
use file::FileBlocks;
use kernels::{Positions, Scanned};
pub(crate) use layout::Layout;
use stream::{StreamBlocks, is_blank};

/// Numbers from which a row is large.
const WIDE_DIM: usize = 10_000;

/// Bytes that go through both stages at a time.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Text vectors, ready to be read by several threads.
pub(crate) struct TextSource {
    path: PathBuf,
    layout: Layout,
    blocks: Blocks,
    before: Envelope,
    kernel: Kernel,
}

/// Where the lines come from.
enum Blocks {
    /// Any part of a file at any time, bytes `body.start..body.end` in all, and what lies behind.
    File { blocks: FileBlocks, body: std::ops::Range<u64>, behind: Envelope },
    /// One part of a stream after the other.
    Stream { blocks: StreamBlocks<Stream>, progress: Progress },
}

impl TextSource {
    /// Over `input`, whose first bytes are `head`, of which `layout` was found.
    pub(crate) fn open(
        path: &Path,
        input: Input,
        head: Head,
        layout: Result<Layout, layout::Problem>,
        options: &Options,
    ) -> Result<TextSource> {
        let layout = layout.map_err(|problem| {
            let (line, reason) = sniff::unlike_text(&head.bytes).map_or(problem, |what| (1, what.to_string()));
            let ends = memchr::memchr_iter(b'\n', &head.bytes).map(|end| end as u64 + 1);
            let byte_offset = std::iter::once(0).chain(ends).nth(line as usize - 1).unwrap_or(0);
            ParseError::at(path, Unit::Line, line, byte_offset, reason)
        })?;
        let mut before = Envelope::default();
        before.add(&head.bytes[..layout.body as usize]);
        let blocks = match input {
            Input::File(file, length) => {
                Blocks::of_file(file, length, layout.body, options).map_err(Error::io(path))?
            }
            Input::Stream(stream) => {
                let (progress, carry) = (stream.progress(), head.bytes[layout.body as usize..].to_vec());
                let blocks = StreamBlocks::new(stream, carry, layout.body, head.failure, options.block_bytes);
                Blocks::Stream { blocks, progress }
            }
        };
        Ok(TextSource { path: path.to_path_buf(), layout, blocks, before, kernel: Kernel::detect() })
    }
}

impl Blocks {
    fn of_file(file: File, length: u64, start: u64, options: &Options) -> io::Result<Blocks> {
        let end = content_end(&file, length, start)?;
        let mut behind = Envelope::default();
        frame_rest(&file, end, length, &mut behind)?;
        Ok(Blocks::File {
            blocks: FileBlocks::new(file, start, end, options.block_bytes as u64),
            body: start..end,
            behind,
        })
    }
}

impl Source for TextSource {
    type Scratch = (LineBlock, Positions);

    fn path(&self) -> &Path {
        &self.path
    }

    fn dim(&self) -> usize {
        self.layout.dim
    }

    fn separator(&self) -> Option<Separator> {
        Some(self.layout.separator)
    }

    fn expected_rows(&self) -> Option<u64> {
        self.layout.rows
    }

    fn first_line(&self) -> u64 {
        self.layout.body_line
    }

    fn length(&self) -> Option<u64> {
        match &self.blocks {
            Blocks::File { body, .. } => Some(body.end - body.start),
            Blocks::Stream { .. } => None,
        }
    }

    fn progress(&self, parsed: u64) -> (u64, u64) {
        match &self.blocks {
            Blocks::File { body, behind, .. } => (body.start + parsed, body.end + behind.bytes),
            Blocks::Stream { progress, .. } => progress.get(),
        }
    }

    fn preamble(&self) -> Envelope {
        self.before.clone()
    }

    fn trailer(&self) -> Envelope {
        match &self.blocks {
            Blocks::File { behind, .. } => behind.clone(),
            Blocks::Stream { blocks, .. } => blocks.trailer(),
        }
    }

    fn next(&self, (block, marks): &mut (LineBlock, Positions), batch: &mut Batch) -> Result<bool, SourceError> {
        let next = match &self.blocks {
            Blocks::File { blocks, .. } => blocks.next(block),
            Blocks::Stream { blocks, .. } => blocks.next(block),
        };
        batch.sequence = block.sequence;
        match next {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(error.into_source_error(&self.path)),
        }
        batch.begin(block.original());
        if self.layout.separator == Separator::Spaces {
            self.columns(block, batch);
        } else {
            self.rows(block, marks, batch);
        }
        if let Some(offset) = block.unended() {
            batch.cut_at(offset);
        }
        Ok(true)
    }
}

impl TextSource {
    /// Rows whose fields have one separator between them.
    fn rows(&self, block: &LineBlock, marks: &mut Positions, batch: &mut Batch) {
        let separator = self.layout.separator.byte();
        for piece in block.pieces(PIECE_BYTES) {
            let mut indexed = Scanned::new(self.kernel, piece, separator, marks);
            for i in 0..indexed.len() {
                let (line, start) = indexed.line(i);
                let origin = RowPosition { line: batch.lines, offset: block.offset_of(start) };
                batch.lines += 1;
                if self.layout.dim > WIDE_DIM && line.len() <= 2 * self.layout.dim {
                    // Room for such a row is not worth making where the line cannot hold it.
                    let reason =
                        format!("expected a word and {} numbers, the line has {} bytes", self.layout.dim, line.len());
                    batch.reject(origin, Fault::FieldCount, reason);
                    continue;
                }
                if let Some(word) = indexed.fast_word(i, self.layout.dim)
                    && !batch.wants(word)
                {
                    continue;
                }
                batch.push_with(origin, |row| match indexed.parse_fast(i, row) {
                    Some(word) => Ok(word),
                    None => row::parse_line(&line[..line.len() - 1], separator, row),
                });
                if batch.is_refused() {
                    return;
                }
            }
        }
    }

    /// Rows whose fields are padded to columns.
    fn columns(&self, block: &LineBlock, batch: &mut Batch) {
        let mut offset = block.offset;
        for line in block.lines().split_inclusive(|&byte| byte == b'\n') {
            let origin = RowPosition { line: batch.lines, offset };
            batch.lines += 1;
            offset += line.len() as u64;
            if self.layout.word_of(line).is_some_and(|word| !batch.wants(word)) {
                continue;
            }
            batch.push_with(origin, |row| row::parse_columns(&line[..line.len() - 1], self.layout.numbered, row));
            if batch.is_refused() {
                return;
            }
        }
    }
}

/// Where the last line that is not blank ends: `length`, less the blank lines that end the file.
fn content_end(file: &File, length: u64, start: u64) -> io::Result<u64> {
    let mut end = length;
    while end > start {
        let size = (end - start).min(64 << 10);
        let mut tail = vec![0; size as usize];
        read_at(file, &mut tail, end - size)?;
        match tail.iter().rposition(|byte| !is_blank(*byte)) {
            Some(last) => {
                // The line's own newline and trailing spaces stay with it, where they are in this window.
                let newline =
                    memchr::memchr(b'\n', &tail[last..]).map(|newline| end - size + (last + newline) as u64 + 1);
                return Ok(newline.unwrap_or(end));
            }
            None => end -= size,
        }
    }
    Ok(start)
}

/// Adds bytes `start..end` of the file to `framing`.
fn frame_rest(file: &File, start: u64, end: u64, framing: &mut Envelope) -> io::Result<()> {
    let mut buffer = vec![0; (end - start).min(HEAD_BYTES as u64) as usize];
    let mut at = start;
    while at < end {
        let read = read_at(file, &mut buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        framing.add(&buffer[..read]);
        at += read as u64;
    }
    Ok(())
}
