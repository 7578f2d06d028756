//! What rows add to a store besides themselves: norms, statistics, scales, checksum.

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    format::{row_stats::Statistics, word_list::WordList},
    store::gather::Rows,
    write::store_writer::{Contents, StoreWriter},
};

/// Values of a step through rows.
const STEP_VALUES: usize = 1 << 20;

/// Rows whose summaries are taken together where rows come in no batches of their own, so that how they come does not show.
pub(crate) fn step(dim: usize) -> usize {
    (STEP_VALUES / dim).max(1)
}

/// What written rows add.
pub(crate) struct Summary {
    pub norms: Vec<f32>,
    pub statistics: Statistics,
    pub scales: Vec<f32>,
    pub crc: crc32fast::Hasher,
}

/// Rows as they are stored, in memory that is used again.
#[derive(Debug)]
pub(crate) struct EncodedRows {
    dtype: Dtype,
    dim: usize,
    bytes: Vec<u8>,
    pub scales: Vec<f32>,
}

impl EncodedRows {
    pub(crate) fn new(dtype: Dtype, dim: usize) -> EncodedRows {
        EncodedRows { dtype, dim, bytes: Vec::new(), scales: Vec::new() }
    }

    /// Forgets all rows, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.scales.clear();
    }

    /// Appends row `id` of another store, bit for bit, and gives its `values`.
    pub(crate) fn copy_row(&mut self, rows: Rows, id: usize, values: &mut [f32]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(rows.get(id));
        let scale = rows.scales.get(id).copied();
        self.scales.extend(scale);
        self.dtype.decode(&self.bytes[start..], scale.unwrap_or(1.0), values);
        if self.dtype == Dtype::Float32 {
            self.bytes.clear();
        }
    }

    /// Stores `rows`, which become the values that a reader will find.
    pub(crate) fn store(&mut self, rows: &mut [f32]) {
        self.clear();
        if self.dtype != Dtype::Float32 {
            self.dtype.encode(rows, self.dim, &mut self.bytes, &mut self.scales);
            decode(self.dtype, &self.bytes, &self.scales, rows, self.dim);
        }
    }

    /// The bytes of the rows that were stored last.
    pub(crate) fn bytes<'s>(&'s self, rows: &'s [f32]) -> &'s [u8] {
        if self.dtype == Dtype::Float32 { bytemuck::cast_slice(rows) } else { &self.bytes }
    }
}

impl Summary {
    pub(crate) fn empty(dim: usize) -> Summary {
        let (norms, scales, crc) = (Vec::new(), Vec::new(), crc32fast::Hasher::new());
        Summary { norms, statistics: Statistics::new(dim), scales, crc }
    }

    /// What `rows`, the values of `stored`, add.
    pub(crate) fn of(rows: &[f32], dim: usize, stored: &[u8], scales: &[f32]) -> Summary {
        let mut summary = Summary::empty(dim);
        summary.norms.reserve(rows.len() / dim);
        summary.extend(rows, stored, scales);
        summary
    }

    /// Adds the rows that follow those of this summary.
    pub(crate) fn extend(&mut self, rows: &[f32], stored: &[u8], scales: &[f32]) {
        self.crc.update(stored);
        self.statistics.add_rows(rows, &mut self.norms);
        self.scales.extend_from_slice(scales);
    }

    pub(crate) fn add(&mut self, next: Summary) {
        self.norms.extend(next.norms);
        self.statistics.add(&next.statistics);
        self.scales.extend(next.scales);
        self.crc.combine(&next.crc);
    }

    /// What a store holds besides its matrix, once all rows are written. Rows that were overwritten, in order and with their
    /// scales where they have any, make it read the matrix again.
    pub(crate) fn into_contents(
        self,
        words: WordList,
        writer: &StoreWriter,
        dim: usize,
        overwritten: Vec<(u64, Option<f32>)>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Contents> {
        let summary = if overwritten.is_empty() {
            self
        } else {
            let mut scales = self.scales;
            for (row, scale) in overwritten.into_iter().filter_map(|(row, scale)| Some((row, scale?))) {
                scales[row as usize] = scale;
            }
            Summary::reread(writer, words.len(), dim, scales, go_on)?
        };
        let Summary { norms, statistics, scales, crc } = summary;
        Ok(Contents {
            words,
            matrix_crc: crc.finalize(),
            norms,
            statistics: statistics.finish(),
            scales,
            screen: None,
            buckets: None,
        })
    }

    /// The summary of rows that were changed after they were first written, whose scales are known.
    fn reread(
        writer: &StoreWriter,
        rows: usize,
        dim: usize,
        scales: Vec<f32>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Summary> {
        let step = step(dim);
        let mut total = Summary::empty(dim);
        let mut values = Vec::new();
        for first in (0..rows).step_by(step) {
            if !go_on() {
                return Err(Error::Cancelled);
            }
            let count = step.min(rows - first);
            let stored = writer.read_rows(first as u64, count)?;
            values.resize(count * dim, 0.0);
            decode(writer.dtype(), &stored, scales.get(first..).unwrap_or_default(), &mut values, dim);
            total.add(Summary::of(&values, dim, &stored, &[]));
        }
        total.scales = scales;
        Ok(total)
    }
}

/// The values of rows, with a scale for each where the type has scales.
fn decode(dtype: Dtype, stored: &[u8], scales: &[f32], values: &mut [f32], dim: usize) {
    let rows = values.chunks_exact_mut(dim).zip(stored.chunks_exact(dim * dtype.size()));
    for (i, (values, stored)) in rows.enumerate() {
        dtype.decode(stored, scales.get(i).copied().unwrap_or(1.0), values);
    }
}
