//! safetensors: the matrix as one tensor, the words as JSON in the metadata, which is the one place in the file for text.

use std::{io, ops::Range};

use super::{
    Chosen,
    blocks::{Progress, RowFormat, Scratch},
    reserve,
};
use crate::{
    dtype::Dtype,
    error::{Error, Result},
    store::selection::RowSelection,
};

/// The longest header that safetensors' own reader accepts.
const LONGEST_HEADER: usize = 100_000_000;
/// Where the tensor may begin, for readers that map the file.
const ALIGN: usize = 64;

/// A header and the tensor `embedding.weight`, in the store's number type, int8 as float32.
pub(super) struct Safetensors<'a> {
    pub chosen: Chosen<'a>,
}

impl Safetensors<'_> {
    fn dtype(&self) -> (&'static str, usize) {
        match self.chosen.rows.dtype {
            Dtype::Float32 | Dtype::Int8 => ("F32", 4),
            Dtype::Float16 => ("F16", 2),
            Dtype::BFloat16 => ("BF16", 2),
        }
    }

    /// The error for JSON that was not written, which memory does not refuse.
    fn unwritten(&self) -> impl FnOnce(io::Error) -> Error {
        Error::io(self.chosen.path)
    }

    /// The words as a JSON array.
    fn words(&self) -> Result<String> {
        let (mut json, mut word) = (Vec::from(b"["), Vec::new());
        for place in 0..self.chosen.len() {
            if place > 0 {
                json.push(b',');
            }
            word.clear();
            self.chosen.word(place, &mut word)?;
            let word = String::from_utf8_lossy(&word);
            serde_json::to_writer(&mut json, word.as_ref()).map_err(io::Error::from).map_err(self.unwritten())?;
        }
        json.push(b']');
        String::from_utf8(json).map_err(io::Error::other).map_err(self.unwritten())
    }
}

impl RowFormat for Safetensors<'_> {
    fn head(&self) -> Result<Vec<u8>> {
        let (dtype, _) = self.dtype();
        let header = serde_json::json!({
            "__metadata__": { "format": "pt", "words": self.words()? },
            "embedding.weight": {
                "dtype": dtype,
                "shape": [self.chosen.len(), self.chosen.dim()],
                "data_offsets": [0, self.chosen.len() * self.row_len()],
            },
        });
        let mut head = vec![0; 8];
        serde_json::to_writer(&mut head, &header).map_err(io::Error::from).map_err(self.unwritten())?;
        head.resize(head.len().next_multiple_of(ALIGN), b' ');
        let length = head.len() - 8;
        if length > LONGEST_HEADER {
            return Err(Error::Argument(format!(
                "the words make a header of {length} bytes, safetensors allows {LONGEST_HEADER}; export fewer (limit=, \
                 words=), or to another format"
            )));
        }
        head[..8].copy_from_slice(&(length as u64).to_le_bytes());
        Ok(head)
    }

    fn row_len(&self) -> usize {
        self.chosen.dim() * self.dtype().1
    }

    fn encode<'b>(&'b self, places: Range<usize>, scratch: &'b mut Scratch, _: &Progress) -> Result<&'b [u8]> {
        let Chosen { rows, selection, .. } = &self.chosen;
        let is_stored = rows.dtype != Dtype::Int8;
        if let (true, RowSelection::First(_)) = (is_stored, selection) {
            return Ok(&rows.stored[places.start * self.row_len()..places.end * self.row_len()]);
        }
        let Scratch { bytes, values } = scratch;
        reserve(bytes, places.len() * self.row_len())?;
        for place in places {
            if is_stored {
                bytes.extend_from_slice(rows.get(self.chosen.id(place)));
            } else {
                self.chosen.values(place, values)?;
                bytes.extend_from_slice(bytemuck::cast_slice(values));
            }
        }
        Ok(bytes)
    }
}
