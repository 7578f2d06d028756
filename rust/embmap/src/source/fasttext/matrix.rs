//! The input matrix of a model, as floats or quantized: rows that are read where they lie.

use std::{fs::File, io};

use super::{quantizer::Quantizer, reader::Reader};
use crate::{error::Result, sys::pread::read_exact_at};

/// Where the rows of words, and behind them those of buckets, lie.
#[derive(Debug)]
pub(super) struct Matrix {
    pub rows: u64,
    pub dim: usize,
    /// The first byte of the first row.
    pub start: u64,
    /// Bytes of a row.
    pub row_len: usize,
    codes: Option<Codes>,
}

/// What the bytes of quantized rows mean.
#[derive(Debug)]
struct Codes {
    parts: Quantizer,
    /// Where the codes of the rows' lengths begin, and what they mean.
    lengths: Option<(u64, Quantizer)>,
}

/// Bytes of rows, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub bytes: Vec<u8>,
    lengths: Vec<u8>,
}

impl Matrix {
    /// Reads all of a matrix but its rows, which are passed over.
    pub(super) fn read(reader: &mut Reader, quantized: bool) -> Result<Matrix> {
        if quantized {
            return Matrix::read_quantized(reader);
        }
        let (rows, dim) = Matrix::shape(reader)?;
        let start = reader.at();
        let row_len = dim as usize * 4;
        let bytes = rows.saturating_mul(row_len as u64);
        reader.skip(bytes, &format!("a matrix of {rows} × {dim} numbers"))?;
        Ok(Matrix { rows, dim: dim as usize, start, row_len, codes: None })
    }

    fn read_quantized(reader: &mut Reader) -> Result<Matrix> {
        let with_lengths = reader.flag("whether lengths are quantized")?;
        let (rows, dim) = Matrix::shape(reader)?;
        let size = u64::from(reader.count("the number of codes")?);
        let start = reader.at();
        reader.skip(size, &format!("{size} codes"))?;
        let parts = Quantizer::read(reader, dim)?;
        let row_len = parts.codes();
        if rows.checked_mul(row_len as u64) != Some(size) {
            return Err(reader.refuse(format!("{rows} rows of {row_len} codes each, but {size} codes")));
        }
        let lengths = if with_lengths {
            let at = reader.at();
            reader.skip(rows, &format!("the lengths of {rows} rows"))?;
            Some((at, Quantizer::read(reader, 1)?))
        } else {
            None
        };
        Ok(Matrix { rows, dim: dim as usize, start, row_len, codes: Some(Codes { parts, lengths }) })
    }

    fn shape(reader: &mut Reader) -> Result<(u64, u32)> {
        let (rows, dim) = (reader.i64("the rows of a matrix")?, reader.i64("the dimension of a matrix")?);
        match (u64::try_from(rows), u32::try_from(dim)) {
            (Ok(rows), Ok(dim)) if dim > 0 => Ok((rows, dim)),
            _ => Err(reader.refuse(format!("a matrix of {rows} × {dim} numbers"))),
        }
    }

    /// Reads `count` rows from the `first` on, which must be there, as they are in the file.
    pub(super) fn load(&self, file: &File, first: u64, count: usize, raw: &mut Raw) -> io::Result<()> {
        raw.bytes.resize(count * self.row_len, 0);
        read_exact_at(file, &mut raw.bytes, self.start + first * self.row_len as u64)?;
        if let Some(Codes { lengths: Some((at, _)), .. }) = &self.codes {
            raw.lengths.resize(count, 0);
            read_exact_at(file, &mut raw.lengths, at + first)?;
        }
        Ok(())
    }

    /// Adds the `i`-th of the rows that were loaded last to `sum`.
    pub(super) fn add(&self, raw: &Raw, i: usize, sum: &mut [f32]) {
        let row = &raw.bytes[i * self.row_len..][..self.row_len];
        match &self.codes {
            None => {
                for (sum, &bytes) in sum.iter_mut().zip(row.as_chunks::<4>().0) {
                    *sum += f32::from_le_bytes(bytes);
                }
            }
            Some(Codes { parts, lengths }) => {
                let length = lengths.as_ref().map_or(1.0, |(_, lengths)| lengths.first(raw.lengths[i]));
                parts.add(row, length, sum);
            }
        }
    }
}
