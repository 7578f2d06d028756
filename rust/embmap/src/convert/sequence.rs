//! The part of a conversion that must happen in source order: placing words, counting lines, the first error.

use std::path::Path;

use super::Report;
use crate::{
    error::{Error, ParseError, Result, Unit},
    format::{hash::hash, word_list::WordList, word_set::WordSet},
    source::{
        Source,
        batch::{Batch, DESCRIBED, Rejected, SHOWN},
        options::{OnBadRow, Options, WrongCount},
    },
    write::dedup::{Assignment, Deduplicator},
};

/// Words seen so far and what has been counted.
pub(crate) struct Sequencer<'a> {
    options: &'a Options,
    path: &'a Path,
    lines: u64,
    /// Bytes of the source, where they are known.
    length: Option<u64>,
    deduplicator: Deduplicator,
    /// What the report will say.
    pub report: Report,
    crc: crc32fast::Hasher,
    /// The first words of the source that are not wanted.
    unwanted: Vec<Vec<u8>>,
    /// Whether the limit is reached and nothing more is needed.
    pub full: bool,
}

impl<'a> Sequencer<'a> {
    pub(crate) fn new(source: &'a impl Source, options: &'a Options) -> Sequencer<'a> {
        let before = source.preamble();
        let report = Report {
            dim: source.dim(),
            header_rows: source.expected_rows(),
            unit: source.unit(),
            separator: source.separator(),
            bytes_read: before.bytes,
            ..Report::default()
        };
        Sequencer {
            options,
            path: source.path(),
            lines: source.first_line(),
            length: source.length(),
            deduplicator: Deduplicator::new(options.duplicates),
            report,
            crc: before.crc,
            unwanted: Vec::new(),
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
        self.deduplicator.seed()
    }

    /// Gives the rows of the next batch in source order their places.
    pub(crate) fn place(&mut self, batch: &Batch, hashes: &[u64]) -> Result<Assignment> {
        if self.full {
            let (first, new) = (self.deduplicator.rows(), vec![false; batch.words.len()]);
            return Ok(Assignment { first, new, ..Assignment::default() });
        }
        if self.deduplicator.rows() == 0 {
            self.deduplicator.reserve(self.expected_rows(batch));
        }
        if self.unwanted.len() < SHOWN {
            self.unwanted.extend(batch.unwanted.iter().cloned());
        }
        let placed = self.deduplicator.place(batch.words.iter(), hashes, &batch.mended_rows(), self.options.limit);
        let assignment = placed.map_err(|refusal| {
            let origin = batch.positions[refusal.row];
            self.malformed(origin.line, origin.offset, refusal.reason)
        })?;
        if let Some(last) = assignment.last {
            self.full = true;
            self.count(batch, batch.positions[last].line);
            return Ok(assignment);
        }
        if let (Some(first), OnBadRow::Error) = (batch.rejected.first(), self.options.on_bad_row) {
            let Rejected { line, byte_offset, mut reason, cut, .. } = first.clone();
            if !cut {
                reason += "; on_bad_row=\"skip\" passes over such rows";
            }
            return Err(self.malformed(line, byte_offset, reason));
        }
        self.count(batch, u64::MAX);
        self.lines += batch.lines;
        Ok(assignment)
    }

    /// The rows that there will be if all of the source is like the first batch; 0 where that cannot be said.
    fn expected_rows(&self, first: &Batch) -> usize {
        let Some(length) = self.length else { return 0 };
        let expected = first.words.len() as f64 * length as f64 / first.bytes.max(1) as f64;
        let wanted = self.options.keep.as_ref().map_or(usize::MAX, |keep| keep.words().len());
        let limit = self.options.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        // A few more, for batches whose rows are a little shorter.
        ((expected * 1.02) as usize).min(wanted).min(limit)
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
        report.words_with_padding += batch.padded.iter().filter(|line| **line <= last).count() as u64;
        report.words_with_blanks += batch.spaced.iter().filter(|line| **line <= last).count() as u64;
        let room = DESCRIBED - report.rejected_rows.len();
        let described = batch.rejected.iter().take_while(|bad| bad.line <= last).take(room).cloned();
        report.rejected_rows.extend(described.map(|bad| Rejected { line: self.lines + bad.line, ..bad }));
    }

    /// What is wrong at that place, `lines` lines into the next batch.
    pub(crate) fn malformed(&self, lines: u64, byte_offset: u64, reason: String) -> Error {
        ParseError::at(self.path, self.report.unit, self.lines + lines, byte_offset, reason).into()
    }

    /// The words and the report, once every batch of `source` has been placed.
    pub(crate) fn finish(mut self, source: &impl Source) -> Result<(WordList, Report)> {
        let lines = self.lines - source.first_line();
        if let Some(announced) = self.report.header_rows
            && announced != lines
            && !self.full
            && (self.options.on_bad_row, self.options.on_wrong_count) == (OnBadRow::Error, WrongCount::Error)
        {
            let what = if lines < announced { "it was cut short: download it again" } else { "the header is wrong" };
            let reason = format!(
                "the header announces {announced} rows, the file has {lines}: {what}; on_wrong_count=\"ignore\" takes the \
                 rows that are there"
            );
            return Err(ParseError::at(self.path, Unit::Line, 1, 0, reason).into());
        }
        if let Some(keep) = self.options.keep.as_ref().filter(|_| !self.full) {
            let rows = self.deduplicator.rows();
            self.report.words_not_found = Some((keep.words().len() as u64).saturating_sub(rows));
            // Of several stores, one may have none of them.
            if rows == 0 && lines > 0 && !keep.words().is_empty() && self.options.shard.is_none() {
                return Err(ParseError::of(self.path, self.no_hit(keep)).into());
            }
        }
        if !self.full {
            let behind = source.trailer();
            self.report.bytes_read += behind.bytes;
            self.crc.combine(&behind.crc);
        }
        self.report.duplicates = self.deduplicator.repeated;
        self.report.collisions = self.deduplicator.collided;
        let words = self.deduplicator.into_words();
        self.report.rows = words.len() as u64;
        self.report.checksum = self.crc.finalize();
        Ok((words, self.report))
    }

    /// Why a store without rows is not what was wanted.
    fn no_hit(&self, keep: &WordSet) -> String {
        let shown = |words: Vec<&[u8]>| {
            let words: Vec<String> =
                words.into_iter().take(SHOWN).map(|word| format!("{:?}", String::from_utf8_lossy(word))).collect();
            words.join(", ")
        };
        let theirs = shown(self.unwanted.iter().map(Vec::as_slice).collect());
        let skipped = match self.report.rejected_by.iter().sum::<u64>() {
            0 => String::new(),
            rows => format!(" (rows that were skipped: {rows})"),
        };
        format!(
            "none of the {} words to keep is in the source{skipped}: those begin with {}, the source with {theirs}",
            keep.words().len(),
            shown(keep.words().iter().take(SHOWN).collect()),
        )
    }
}
