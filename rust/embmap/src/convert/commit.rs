//! The part of a conversion that must happen in source order: placing words, counting lines, the first error.

use std::path::Path;

use super::{
    Batch, OnBadRow, Options, Rejected, Report, Source,
    batch::DESCRIBED,
    place::{Placement, Placer},
};
use crate::{
    error::{Error, ParseError, Result},
    hash::hash,
    words::WordList,
};

/// Words seen so far and what has been counted.
pub(crate) struct Committer<'a> {
    options: &'a Options,
    path: &'a Path,
    lines: u64,
    placer: Placer,
    /// What the report will say.
    pub report: Report,
    crc: crc32fast::Hasher,
    /// Whether the limit is reached and nothing more is needed.
    pub full: bool,
}

impl<'a> Committer<'a> {
    pub(crate) fn new(source: &'a impl Source, options: &'a Options) -> Committer<'a> {
        let before = source.before();
        let report = Report {
            dim: source.dim(),
            header_rows: source.expected_rows(),
            bytes_read: before.bytes,
            ..Report::default()
        };
        Committer {
            options,
            path: source.path(),
            lines: source.first_line(),
            placer: Placer::new(options.duplicates),
            report,
            crc: before.crc,
            full: options.limit == Some(0),
        }
    }

    /// Hashes the words of a batch as [`place`](Self::place) wants them; any thread can, at any time.
    pub(crate) fn hashes(seed: u64, batch: &Batch, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend(batch.words.iter().map(|word| hash(word, seed)));
    }

    /// The key for [`hashes`](Self::hashes).
    pub(crate) fn seed(&self) -> u64 {
        self.placer.seed()
    }

    /// Gives the rows of the next batch in source order their places.
    pub(crate) fn place(&mut self, batch: &Batch, hashes: &[u64]) -> Result<Placement> {
        if self.full {
            let (first, new) = (self.placer.rows(), vec![false; batch.words.len()]);
            return Ok(Placement { first, new, ..Placement::default() });
        }
        let placed = self.placer.place(batch.words.iter(), hashes, self.options.limit);
        let placement = placed.map_err(|refusal| {
            let origin = batch.origins[refusal.row];
            self.malformed(origin.line, origin.offset, refusal.reason)
        })?;
        if let Some(last) = placement.last {
            self.full = true;
            self.count(batch, batch.origins[last].line);
            return Ok(placement);
        }
        if let (Some(first), OnBadRow::Error) = (batch.rejected.first(), self.options.on_bad_row) {
            let Rejected { line, byte_offset, reason, .. } = first.clone();
            let reason = reason + "; on_bad_row=\"skip\" passes over such rows";
            return Err(self.malformed(line, byte_offset, reason));
        }
        self.count(batch, u64::MAX);
        self.lines += batch.lines;
        Ok(placement)
    }

    /// Counts what the lines of a batch up to `last` hold.
    fn count(&mut self, batch: &Batch, last: u64) {
        let report = &mut self.report;
        report.bytes_read += batch.bytes;
        self.crc.combine(&batch.crc);
        for (_, fault) in batch.rejections.iter().filter(|(line, _)| *line <= last) {
            report.rejected_by[*fault as usize] += 1;
        }
        report.invalid_utf8 += batch.mended.iter().filter(|line| **line <= last).count() as u64;
        report.words_with_blanks += batch.spaced.iter().filter(|line| **line <= last).count() as u64;
        let room = DESCRIBED - report.rejected_rows.len();
        let described = batch.rejected.iter().take_while(|bad| bad.line <= last).take(room).cloned();
        report.rejected_rows.extend(described.map(|bad| Rejected { line: self.lines + bad.line, ..bad }));
    }

    /// What is wrong at that place, `lines` lines into the next batch.
    pub(crate) fn malformed(&self, lines: u64, byte_offset: u64, reason: String) -> Error {
        ParseError { path: self.path.into(), line: self.lines + lines, byte_offset, reason }.into()
    }

    /// The words and the report, once every batch of `source` has been placed.
    pub(crate) fn finish(mut self, source: &impl Source) -> Result<(WordList, Report)> {
        let lines = self.lines - source.first_line();
        if let Some(announced) = self.report.header_rows
            && announced != lines
            && !self.full
            && self.options.on_bad_row == OnBadRow::Error
        {
            let reason = format!(
                "the header announces {announced} rows, the file has {lines}: it was cut short or its header lies; \
                 on_bad_row=\"skip\" takes the rows that are there"
            );
            return Err(ParseError { path: self.path.into(), line: 1, byte_offset: 0, reason }.into());
        }
        if !self.full {
            let behind = source.behind();
            self.report.bytes_read += behind.bytes;
            self.crc.combine(&behind.crc);
        }
        self.report.duplicates = self.placer.repeated;
        let words = self.placer.into_words();
        self.report.rows = words.len() as u64;
        self.report.checksum = self.crc.finalize();
        Ok((words, self.report))
    }
}
