//! Product quantization: a row is cut into parts, and each part is the number of one of 256 centroids.

use super::reader::Reader;
use crate::error::Result;

/// Centroids of a part.
const CENTROIDS: usize = 256;

/// What the codes of a row mean.
#[derive(Debug)]
pub(super) struct Quantizer {
    /// Numbers of a row.
    dim: usize,
    /// Numbers of a part; the last part has what is left.
    part: usize,
    /// The centroids of the first part, then those of the next.
    centroids: Vec<f32>,
}

impl Quantizer {
    /// Reads the centroids of rows that have `dim` numbers.
    pub(super) fn read(reader: &mut Reader, dim: u32) -> Result<Quantizer> {
        let what = "the shape of a quantizer";
        let [found, parts, part, last] =
            [reader.count(what)?, reader.count(what)?, reader.count(what)?, reader.count(what)?];
        if found != dim || part == 0 || parts != dim.div_ceil(part) || last != dim - (parts - 1) * part {
            return Err(reader.refuse(format!(
                "a quantizer for {found} numbers in {parts} parts of {part}, the last of {last}, where rows have {dim}"
            )));
        }
        let count = dim as usize * CENTROIDS;
        if count as u64 * 4 > reader.left() {
            return Err(reader.cut_short(&format!("{count} centroids")));
        }
        let mut centroids = Vec::with_capacity(count);
        for _ in 0..dim {
            let numbers = reader.bytes(CENTROIDS * 4, "the centroids")?.as_chunks::<4>().0;
            centroids.extend(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        }
        Ok(Quantizer { dim: dim as usize, part: part as usize, centroids })
    }

    /// Codes of a row.
    pub(super) fn codes(&self) -> usize {
        self.dim.div_ceil(self.part)
    }

    /// The first number of the centroid of that code.
    pub(super) fn first(&self, code: u8) -> f32 {
        self.centroids[code as usize * self.part.min(self.dim)]
    }

    /// Adds `scale` times the row that `codes` stand for to `sum`.
    pub(super) fn add(&self, codes: &[u8], scale: f32, sum: &mut [f32]) {
        let parts = self.centroids.chunks(CENTROIDS * self.part);
        for ((sum, centroids), &code) in sum.chunks_mut(self.part).zip(parts).zip(codes) {
            let part = sum.len();
            let centroid = &centroids[code as usize * part..][..part];
            sum.iter_mut().zip(centroid).for_each(|(sum, x)| *sum += scale * x);
        }
    }
}
