//! What rows add to a store besides themselves: norms, statistics, scales, checksum.

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    norms::Statistics,
    writer::StoreWriter,
};

/// Values of a step through rows that are read again.
const STEP: usize = 1 << 20;

/// What written rows add.
pub(super) struct Summary {
    pub norms: Vec<f32>,
    pub statistics: Statistics,
    pub scales: Vec<f32>,
    pub crc: crc32fast::Hasher,
}

/// Rows as they are stored, in memory that is used again.
#[derive(Debug)]
pub(super) struct Stored {
    dtype: Dtype,
    dim: usize,
    bytes: Vec<u8>,
    pub scales: Vec<f32>,
}

impl Stored {
    pub(super) fn new(dtype: Dtype, dim: usize) -> Stored {
        Stored { dtype, dim, bytes: Vec::new(), scales: Vec::new() }
    }

    /// Stores `rows`, which become the values that a reader will find.
    pub(super) fn store(&mut self, rows: &mut [f32]) {
        self.bytes.clear();
        self.scales.clear();
        if self.dtype != Dtype::Float32 {
            self.dtype.encode(rows, self.dim, &mut self.bytes, &mut self.scales);
            decode(self.dtype, &self.bytes, &self.scales, rows, self.dim);
        }
    }

    /// The bytes of the rows that were stored last.
    pub(super) fn bytes<'s>(&'s self, rows: &'s [f32]) -> &'s [u8] {
        if self.dtype == Dtype::Float32 { bytemuck::cast_slice(rows) } else { &self.bytes }
    }
}

impl Summary {
    pub(super) fn empty(dim: usize) -> Summary {
        let (norms, scales, crc) = (Vec::new(), Vec::new(), crc32fast::Hasher::new());
        Summary { norms, statistics: Statistics::new(dim), scales, crc }
    }

    /// What `rows`, the values of `stored`, add.
    pub(super) fn of(rows: &[f32], dim: usize, stored: &[u8], scales: &[f32]) -> Summary {
        let mut summary = Summary::empty(dim);
        summary.crc.update(stored);
        summary.norms.reserve(rows.len() / dim);
        summary.statistics.add_rows(rows, &mut summary.norms);
        summary.scales.extend_from_slice(scales);
        summary
    }

    pub(super) fn add(&mut self, next: Summary) {
        self.norms.extend(next.norms);
        self.statistics.add(&next.statistics);
        self.scales.extend(next.scales);
        self.crc.combine(&next.crc);
    }

    /// The summary of rows that were changed after they were first written, whose scales are known.
    pub(super) fn reread(
        writer: &StoreWriter,
        rows: usize,
        dim: usize,
        scales: Vec<f32>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Summary> {
        let step = (STEP / dim).max(1);
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
