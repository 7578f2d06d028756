//! model2vec's models with fewer rows than tokens: the row of token `i` is `embeddings[mapping[i]] * weights[i]`.

use std::fs::File;

use super::{
    read_tensor,
    safetensors::{Header, Tensor, TensorDtype},
};
use crate::error::Result;

/// A mapping, weights, or both.
#[derive(Debug)]
pub(super) struct Quantized {
    /// How many tokens have a row.
    pub rows: u64,
    mapping: Option<Tensor>,
    weights: Option<(Tensor, TensorDtype)>,
}

impl Quantized {
    /// What lies beside `embeddings`, which have rows and columns.
    pub(super) fn find(header: &Header, embeddings: &Tensor) -> Result<Option<Quantized>> {
        let (mapping, weights) = (header.tensor("mapping")?, header.tensor("weights")?);
        let mut rows = embeddings.shape[0];
        if let Some(mapping) = &mapping {
            let (&[length], "I32" | "I64") = (mapping.shape.as_slice(), mapping.dtype.as_str()) else {
                let reason = format!("is {:?} of {}: expected one I32 or I64 a token", mapping.shape, mapping.dtype);
                return Err(mapping.refuse(reason));
            };
            rows = length;
        }
        let weights = match weights {
            None => None,
            Some(tensor) => match TensorDtype::named(&tensor.dtype) {
                Some(elements) if elements != TensorDtype::I8 && tensor.shape == [rows] => Some((tensor, elements)),
                _ => {
                    let reason = format!("is {:?} of {}: expected {rows} floats", tensor.shape, tensor.dtype);
                    return Err(tensor.refuse(reason));
                }
            },
        };
        let any = mapping.is_some() || weights.is_some();
        Ok(any.then_some(Quantized { rows, mapping, weights }))
    }

    /// Reads the weights of `count` tokens into `weights`, which stays empty where there are none.
    pub(super) fn read_weights(&self, file: &File, first: u64, count: u64, weights: &mut Vec<f64>) -> Result<()> {
        let Some((tensor, elements)) = &self.weights else { return Ok(()) };
        let bytes = read_numbers(file, tensor, elements.size(), first, count)?;
        *weights = elements.exactly(&bytes);
        Ok(())
    }

    /// Reads which of the `embeddings` rows each of `count` tokens has into `rows`, which stays empty where there is no mapping.
    pub(super) fn read_mapping(
        &self,
        file: &File,
        first: u64,
        count: u64,
        embeddings: u64,
        rows: &mut Vec<u64>,
    ) -> Result<()> {
        let Some(mapping) = &self.mapping else { return Ok(()) };
        let size = if mapping.dtype == "I32" { 4 } else { 8 };
        let bytes = read_numbers(file, mapping, size, first, count)?;
        for (token, number) in (first..).zip(bytes.chunks_exact(size)) {
            // The upper half of an I32 repeats its sign.
            let mut whole = [if number[size - 1] < 0x80 { 0 } else { 0xff }; 8];
            whole[..size].copy_from_slice(number);
            let row = i64::from_le_bytes(whole);
            match u64::try_from(row) {
                Ok(row) if row < embeddings => rows.push(row),
                _ => return Err(mapping.refuse(format!("gives token {token} the row {row}, of {embeddings} rows"))),
            }
        }
        Ok(())
    }
}

fn read_numbers(file: &File, tensor: &Tensor, size: usize, first: u64, count: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count as usize * size];
    read_tensor(file, tensor, &mut bytes, tensor.bytes.start + first * size as u64)?;
    Ok(bytes)
}
