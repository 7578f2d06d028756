//! Rows by id, copied into one matrix, converted on the way where the types differ.

use half::{bf16, f16, slice::HalfFloatSliceExt};

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    sys::{prefetch::prefetch, threads::in_blocks},
};

/// Rows asked for ahead of the one that is copied.
const PREFETCH_ROWS: usize = 3;
/// Bytes that a thread copies at a time.
const BLOCK_BYTES: usize = 512 << 10;

/// The rows of a store, as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) dim: usize,
    pub(crate) stored: &'a [u8],
    /// One a row, or none.
    pub(crate) scales: &'a [f32],
}

impl<'a> Rows<'a> {
    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stored.len() / self.row_len()
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// The dimension: numbers a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All numbers, where they are float32.
    pub(crate) fn float32(&self) -> Option<&'a [f32]> {
        if self.dtype == Dtype::Float32 { bytemuck::try_cast_slice(self.stored).ok() } else { None }
    }

    fn row_len(&self) -> usize {
        self.dim * self.dtype.size()
    }

    /// Row `i`, which must exist, as it is stored.
    #[inline(always)]
    pub(crate) fn get(&self, i: usize) -> &'a [u8] {
        &self.stored[i * self.row_len()..][..self.row_len()]
    }

    /// The float32 values of row `i`, which must exist.
    ///
    /// # Panics
    ///
    /// Where there is no such row, or no room for `dim` values.
    #[inline(always)]
    pub fn decode(&self, i: usize, values: &mut [f32]) {
        let scale = if self.dtype == Dtype::Int8 { self.scales[i] } else { 1.0 };
        self.dtype.decode(self.get(i), scale, values);
    }

    /// Copies row `ids[i]` to row `i` of `out`; an id of -1 gives zeros, any other id without a row is an error.
    pub fn gather<T: Number>(&self, ids: &[i64], out: &mut [T]) -> Result<()> {
        if self.dtype == T::DTYPE && out.len() == ids.len() * self.dim {
            return self.gather_stored(ids, bytemuck::cast_slice_mut(out));
        }
        let room = if T::DTYPE == Dtype::Float32 { 0 } else { self.dim };
        self.each(ids, out, self.dim, room, |id, row, scratch| T::put(self, id, row, scratch))
    }

    /// The same of the bytes of the rows, as they are stored: what int8 numbers mean, their [`scales`](Self::scales) say.
    pub fn gather_stored(&self, ids: &[i64], out: &mut [u8]) -> Result<()> {
        self.each(ids, out, self.row_len(), 0, |id, row, _| row.copy_from_slice(self.get(id)))
    }

    /// What one whole number of each row is worth where the store keeps int8; otherwise there are none.
    #[must_use]
    pub fn scales(&self) -> &'a [f32] {
        self.scales
    }

    /// Has `put` fill `width` elements of `out` for each id, with room for so many float32 values; -1 gives zeros.
    fn each<T: bytemuck::Zeroable + Clone + Send>(
        &self,
        ids: &[i64],
        out: &mut [T],
        width: usize,
        room: usize,
        put: impl Fn(usize, &mut [T], &mut [f32]) + Sync,
    ) -> Result<()> {
        let rows = self.len();
        if out.len() != ids.len() * width {
            return Err(Error::Length { name: "out", expected: ids.len() * width, found: out.len() });
        }
        if let Some(position) = ids.iter().position(|&id| id < -1 || id >= rows as i64) {
            return Err(Error::NoSuchRow { id: ids[position], position, rows });
        }
        in_blocks(ids, out, width, BLOCK_BYTES.div_ceil(self.row_len()), |ids, out| {
            let mut scratch = vec![0.0; if ids.is_empty() { 0 } else { room }];
            for (i, (&id, row)) in ids.iter().zip(out.chunks_exact_mut(width)).enumerate() {
                if let Some(&next) = ids.get(i + PREFETCH_ROWS) {
                    self.prefetch(next);
                }
                match usize::try_from(id) {
                    Ok(id) => put(id, row, &mut scratch),
                    Err(_) => row.fill(T::zeroed()),
                }
            }
        });
        Ok(())
    }

    /// Asks for a row that will be read soon; does nothing where there is none.
    #[inline(always)]
    pub(crate) fn prefetch(&self, id: i64) {
        let start = (id as usize).wrapping_mul(self.row_len());
        for line in (0..self.row_len()).step_by(64) {
            prefetch(self.stored, start.wrapping_add(line));
        }
    }
}

/// A type that rows can be gathered into.
pub trait Number: bytemuck::Pod + Send {
    /// The same type in a store.
    const DTYPE: Dtype;
    /// Converts row `i` of `rows` into `row`, with room for float32 values where the type is another.
    fn put(rows: &Rows, i: usize, row: &mut [Self], scratch: &mut [f32]);
}

impl Number for f32 {
    const DTYPE: Dtype = Dtype::Float32;

    fn put(rows: &Rows, i: usize, row: &mut [f32], _: &mut [f32]) {
        rows.decode(i, row);
    }
}

impl Number for f16 {
    const DTYPE: Dtype = Dtype::Float16;

    fn put(rows: &Rows, i: usize, row: &mut [f16], scratch: &mut [f32]) {
        rows.decode(i, scratch);
        row.convert_from_f32_slice(scratch);
    }
}

impl Number for bf16 {
    const DTYPE: Dtype = Dtype::BFloat16;

    fn put(rows: &Rows, i: usize, row: &mut [bf16], scratch: &mut [f32]) {
        rows.decode(i, scratch);
        row.convert_from_f32_slice(scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(matrix: &[f32], dim: usize) -> Rows<'_> {
        Rows { dtype: Dtype::Float32, dim, stored: bytemuck::cast_slice(matrix), scales: &[] }
    }

    #[test]
    fn rows_are_converted_on_the_way() {
        let row = [1.0f32, -0.1, 0.333_333_34, 65_000.0];
        for dtype in Dtype::ALL {
            let (mut stored, mut scales, mut values) = (Vec::new(), Vec::new(), [0f32; 4]);
            dtype.encode(&row, 4, &mut stored, &mut scales);
            dtype.decode(&stored, scales.first().copied().unwrap_or(1.0), &mut values);
            let rows = Rows { dtype, dim: 4, stored: &stored, scales: &scales };
            let (mut floats, mut halves, mut brains) = ([f32::NAN; 8], [f16::NAN; 8], [bf16::NAN; 8]);
            rows.gather(&[-1, 0], &mut floats).expect("a row");
            rows.gather(&[-1, 0], &mut halves).expect("a row");
            rows.gather(&[-1, 0], &mut brains).expect("a row");
            let mut bytes = vec![1; 2 * stored.len()];
            rows.gather_stored(&[-1, 0], &mut bytes).expect("a row");
            assert_eq!((vec![0; stored.len()], &stored[..]), (bytes[..stored.len()].to_vec(), &bytes[stored.len()..]));
            assert_eq!((&floats[..4], &floats[4..]), (&[0.0; 4][..], &values[..]), "{dtype:?}");
            assert_eq!(halves[4..], values.map(f16::from_f32), "{dtype:?}");
            assert_eq!(brains[4..], values.map(bf16::from_f32), "{dtype:?}");
        }
    }

    #[test]
    fn rows_arrive_in_the_order_asked_and_minus_one_is_zeros() {
        let (rows, dim) = (3_000, 7);
        let matrix: Vec<f32> = (0..rows * dim).map(|i| i as f32).collect();
        let ids: Vec<i64> = (0..100_000).map(|i| (i * 37) % (rows as i64 + 1) - 1).collect();
        let mut out = vec![f32::NAN; ids.len() * dim];
        rows_of(&matrix, dim).gather(&ids, &mut out).expect("all ids have rows");
        for (id, row) in ids.iter().zip(out.chunks(dim)) {
            match usize::try_from(*id) {
                Ok(id) => assert_eq!(row, &matrix[id * dim..][..dim]),
                Err(_) => assert!(row.iter().all(|x| *x == 0.0)),
            }
        }
    }

    #[test]
    fn an_id_without_a_row_is_named() {
        let mut out = [0.0; 4];
        let one = rows_of(&[1.0, 2.0], 2);
        let error = one.gather(&[0, 1], &mut out).expect_err("there is one row");
        assert_eq!(error.to_string(), "id 1 at position 1 is not a row: there are 1");
        assert!(one.gather(&[0, -2], &mut out).is_err());
        assert!(one.gather(&[0], &mut out).is_err());
    }
}
