//! Text vectors: GloVe's, and word2vec's and fastText's with their "rows dim" header.
//!
//! A row is `word number … number`. Exactly one separator, a blank or (in a tab-separated file) a tab, stands between
//! fields; the last `dim` fields are numbers and everything before them is the word, byte for byte. Carriage returns and
//! separators at the end of a line, a byte-order mark, and blank lines at the end of the file are passed over.

mod blocks;
mod kernels;
mod layout;
mod number;
mod row;
mod sniff;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{
    convert::{Batch, Fault, Framing, Options, Origin, Source},
    error::{Error, ParseError, Result},
    positioned::read_at,
};
use blocks::{Block, BlockError, Blocks, LONGEST_LINE};
use kernels::{Indexed, Kernel, Marks};
use layout::Layout;

/// Read at first to find the layout; more where two lines do not fit.
const HEAD: usize = 256 << 10;

/// Numbers from which a row is large.
const WIDE: usize = 10_000;

/// Bytes that go through both stages at a time.
const PIECE: usize = 64 << 10;

/// A text file of vectors, ready to be read in parallel.
pub(crate) struct TextSource {
    path: PathBuf,
    layout: Layout,
    blocks: Blocks,
    end: u64,
    frame: [Framing; 2],
    kernel: Kernel,
}

impl TextSource {
    /// Opens `path` and finds its layout.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<TextSource> {
        let metadata = fs::metadata(path).map_err(Error::io(path))?;
        if metadata.is_dir() {
            return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            let reason = "not a file that can be read in parallel: save it as one first";
            return Err(Error::io(path)(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let head = head(&file, metadata.len()).map_err(Error::io(path))?;
        let refuse = |(line, reason): layout::Problem| {
            let byte_offset = if line == 1 { 0 } else { memchr::memchr(b'\n', &head).map_or(0, |at| at as u64 + 1) };
            ParseError { path: path.to_path_buf(), line, byte_offset, reason }
        };
        if let Some(kind) = sniff::foreign(&head) {
            return Err(refuse((1, kind.to_string())).into());
        }
        let layout = Layout::find(&head, options.header, options.dim)
            .map_err(|problem| refuse(sniff::binary(&head).map_or(problem, |kind| (1, kind.to_string()))))?;
        let end = content_end(&file, metadata.len(), layout.body).map_err(Error::io(path))?;
        let mut frame = [Framing::default(), Framing::default()];
        frame[0].add(&head[..layout.body as usize]);
        frame_rest(&file, end, metadata.len(), &mut frame[1]).map_err(Error::io(path))?;
        let blocks = Blocks::new(file, layout.body, end, options.block_bytes as u64);
        Ok(TextSource { path: path.to_path_buf(), layout, blocks, end, frame, kernel: Kernel::detect() })
    }
}

impl Source for TextSource {
    type Scratch = (Block, Marks);

    fn path(&self) -> &Path {
        &self.path
    }

    fn dim(&self) -> usize {
        self.layout.dim
    }

    fn expected_rows(&self) -> Option<u64> {
        self.layout.rows
    }

    fn first_line(&self) -> u64 {
        self.layout.body_line
    }

    fn bytes(&self) -> std::ops::Range<u64> {
        self.layout.body..self.end
    }

    fn frame(&self) -> [Framing; 2] {
        self.frame.clone()
    }

    fn next(&self, (block, marks): &mut (Block, Marks), batch: &mut Batch) -> Result<bool> {
        let next = self.blocks.next(block);
        batch.sequence = block.sequence;
        match next {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(BlockError::Io(error)) => return Err(Error::io(&self.path)(error)),
            Err(BlockError::LongLine(offset)) => return Err(self.long_line(offset)),
        }
        batch.begin(block.original());
        for piece in block.pieces(PIECE) {
            let mut indexed = Indexed::new(self.kernel, piece, self.layout.separator, marks);
            for i in 0..indexed.len() {
                let (line, start) = indexed.line(i);
                let origin = Origin { line: batch.lines, offset: block.offset_of(start) };
                batch.lines += 1;
                if self.layout.dim > WIDE && line.len() <= 2 * self.layout.dim {
                    // Room for such a row is not worth making where the line cannot hold it.
                    let reason =
                        format!("expected a word and {} numbers, the line has {} bytes", self.layout.dim, line.len());
                    batch.reject(origin, Fault::FieldCount, reason);
                    continue;
                }
                batch.push_with(origin, |row| match indexed.parse_usual(i, row) {
                    Some(word) => Ok(word),
                    None => row::parse_line(&line[..line.len() - 1], self.layout.separator, row),
                });
                if batch.is_refused() {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }
}

impl TextSource {
    fn long_line(&self, byte_offset: u64) -> Error {
        let mut line = 1;
        let mut buffer = vec![0; HEAD];
        let mut at = 0;
        while at < byte_offset {
            let wanted = (byte_offset - at).min(HEAD as u64) as usize;
            match read_at(self.blocks.file(), &mut buffer[..wanted], at) {
                Ok(read) if read > 0 => {
                    line += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
                    at += read as u64;
                }
                _ => break,
            }
        }
        let reason = format!("the line is longer than {} MiB: this is no file of vectors", LONGEST_LINE >> 20);
        ParseError { path: self.path.clone(), line, byte_offset, reason }.into()
    }
}

/// The first lines of a file: at least two of them whole, unless the file is shorter or a line absurdly long.
fn head(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut size = HEAD;
    loop {
        let mut head = vec![0; size.min(length as usize)];
        let read = read_at(file, &mut head, 0)?;
        head.truncate(read);
        if head.len() as u64 == length {
            return Ok(head);
        }
        let mut newlines = memchr::memrchr_iter(b'\n', &head);
        match (newlines.next(), newlines.next()) {
            (Some(last), Some(_)) => {
                head.truncate(last + 1);
                return Ok(head);
            }
            _ if size > 2 * LONGEST_LINE => return Ok(head),
            _ => size *= 4,
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
        match tail.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | b' ' | b'\t')) {
            Some(last) => {
                // The line's own newline and trailing blanks stay with it, where they are in this window.
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
fn frame_rest(file: &File, start: u64, end: u64, framing: &mut Framing) -> io::Result<()> {
    let mut buffer = vec![0; (end - start).min(HEAD as u64) as usize];
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
