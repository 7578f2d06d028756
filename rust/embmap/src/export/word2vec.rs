//! word2vec's binary format, byte for byte as gensim writes it.
//!
//! The C tool ends each row with a newline, GoogleNews and gensim do not; every reader takes both.

use std::ops::Range;

use super::{
    Chosen,
    blocks::{Progress, RowFormat, Scratch},
    reserve,
};
use crate::error::Result;

/// A line "rows dim", then for each row the word, a space, and float32.
pub(super) struct Binary<'a> {
    pub chosen: Chosen<'a>,
}

impl RowFormat for Binary<'_> {
    fn head(&self) -> Result<Vec<u8>> {
        Ok(format!("{} {}\n", self.chosen.len(), self.chosen.dim()).into_bytes())
    }

    fn row_len(&self) -> usize {
        self.chosen.dim() * size_of::<f32>()
    }

    fn encode<'b>(&'b self, places: Range<usize>, scratch: &'b mut Scratch, _: &Progress) -> Result<&'b [u8]> {
        let Scratch { bytes, values } = scratch;
        for place in places {
            let start = bytes.len();
            self.chosen.word(place, bytes)?;
            let word = &bytes[start..];
            if memchr::memchr2(b' ', b'\n', word).is_some() {
                let why = "has a space or a newline inside, where word2vec's binary format ends a word";
                return Err(self.chosen.refused(place, word, why));
            }
            self.chosen.values(place, values)?;
            reserve(bytes, self.row_len() + 1)?;
            bytes.push(b' ');
            bytes.extend_from_slice(bytemuck::cast_slice(values));
        }
        Ok(bytes)
    }
}
